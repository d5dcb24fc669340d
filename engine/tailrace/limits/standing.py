"""What is known of an account beside its windows: pauses, how much is permitted, the quota, the breaker."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.limits.windows import DAY_S

__all__ = ["DAY_S", "PATIENCE_S", "QUOTA_STALE_S", "Standing"]

PATIENCE_S = 900.0
"""Longest wait for a permit; what takes longer ends the run, to be resumed later."""
QUOTA_STALE_S = 3_600.0
"""How long the vendor's word on the quota holds; vendors restore quotas hourly, or by sliding windows."""
_SHRINK = 0.7
_RECOVER = 0.1
_LEAST_SHARE = 0.1


@dataclass(slots=True)
class Standing:
    """One account's row; times are seconds on the clock of the store that keeps it."""

    paused_until: float = 0.0
    share: float = 1.0
    """Share of the permitted rate that is used, as of `shrunk_at`."""
    shrunk_at: float = 0.0
    quota_left: int | None = None
    quota_max: int | None = None
    quota_seen_at: float | None = None
    failures: int = 0
    """Requests given up in a row; see `tailrace.limits.breaker`."""
    failing_since: float | None = None
    open_until: float | None = None
    probe_until: float | None = None
    last_error: str | None = None

    def share_at(self, now: float, per: float) -> float:
        """The share of a window's calls that is permitted now; day-long windows are never narrowed."""
        if self.share >= 1.0 or per >= DAY_S or per <= 0:
            return 1.0
        return min(1.0, self.share + _RECOVER * max(0.0, now - self.shrunk_at) / per)

    def pause(self, now: float, seconds: float, shortest: float) -> None:
        """Permit nothing for so long, and less for a while after. `shortest` is the account's shortest window."""
        self.paused_until = max(self.paused_until, now + min(seconds, DAY_S))
        if now - self.shrunk_at >= shortest or self.share >= 1.0:  # refusals come in volleys
            self.share = max(_LEAST_SHARE, self.share_at(now, shortest) * _SHRINK)
            self.shrunk_at = self.paused_until

    def report(self, left: int | None, most: int | None, seen_at: float) -> None:
        """Take the vendor's word on the quota, unless a later one is known."""
        if self.quota_seen_at is not None and self.quota_seen_at > seen_at:
            return
        self.quota_max = self.quota_max if most is None else most
        if left is not None:
            self.quota_left, self.quota_seen_at = left, seen_at

    def count(self, cost: int) -> None:
        """Take so many calls off what is left of the quota."""
        if self.quota_left is not None:
            self.quota_left = max(0, self.quota_left - cost)

    def quota_spent(self, now: float, reserve: float) -> tuple[str, float] | None:
        """Whether only the reserve is left: the words for it, and when the vendor's word goes stale."""
        if self.quota_left is None or self.quota_seen_at is None or now - self.quota_seen_at > QUOTA_STALE_S:
            return None
        kept = int((self.quota_max or 0) * reserve)
        if self.quota_left > kept:
            return None
        reserved = f", and {kept} are reserved for other programs" if kept else ""
        return f"{self.quota_left} calls of the account's quota are left{reserved}", self.quota_seen_at + QUOTA_STALE_S

    def heal(self, now: float) -> bool:
        """Bring times that lie too far ahead back: the clock was set back. True when there were any."""
        before = (self.paused_until, self.shrunk_at, self.quota_seen_at)
        if self.paused_until > now + DAY_S:
            self.paused_until = now
        self.shrunk_at = min(self.shrunk_at, max(now, self.paused_until))
        if self.quota_seen_at is not None:
            self.quota_seen_at = min(self.quota_seen_at, now)
        return before != (self.paused_until, self.shrunk_at, self.quota_seen_at)
