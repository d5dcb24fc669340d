"""The circuit breaker of an account: requests that fail again and again stop all of them for a while.

Closed while fewer than `THRESHOLD` requests in a row were given up. Open until `open_until`: nothing is sent.
Then half open: one request is let through, and the others are refused until it is answered, or is silent for
too long. Its success closes the breaker; its failure opens it for twice as long.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from tailrace.clock import stamp
from tailrace.errors import AccountFailing
from tailrace.limits.standing import PATIENCE_S, Standing

THRESHOLD = 5
"""Requests given up in a row that open it; each was tried as often as it may be."""
COOL_DOWN_S = 30.0
MOST_COOL_DOWN_S = 900.0
_LONGEST_ERROR = 500
Passage: TypeAlias = Literal["free", "probe"]


def closed(standing: Standing) -> bool:
    """Whether requests pass freely."""
    return standing.failures < THRESHOLD


def passage(standing: Standing, now: float, *, probing: bool) -> Passage | AccountFailing:
    """How a request may pass now, or why not. `probing`: the one who asks was let through to try."""
    if closed(standing):
        return "free"
    if standing.open_until is not None and standing.open_until > now:
        return _failing(standing, f"nothing is sent to it until {stamp(standing.open_until)}, when it is tried again")
    if standing.probe_until is not None and standing.probe_until > now and not probing:
        until = stamp(standing.probe_until)
        return _failing(standing, f"one request is trying it now; if no answer comes, the next one may at {until}")
    return "probe"


def failed(standing: Standing, now: float, error: str) -> None:
    """Count a request that was given up. Those that were under way when the breaker opened do not count again."""
    if standing.open_until is not None and standing.open_until > now:
        return
    standing.failures += 1
    standing.failing_since = now if standing.failing_since is None else standing.failing_since
    standing.last_error = error if len(error) <= _LONGEST_ERROR else f"{error[:_LONGEST_ERROR]}…"
    standing.probe_until = None
    if not closed(standing):
        standing.open_until = now + cool_down(standing.failures)


def answered(standing: Standing) -> None:
    """The account answers: close, and forget."""
    standing.failures = 0
    standing.failing_since = standing.open_until = standing.probe_until = standing.last_error = None


def cool_down(failures: int) -> float:
    """Seconds to stay open after so many failures in a row."""
    return min(MOST_COOL_DOWN_S, COOL_DOWN_S * 2.0 ** min(failures - THRESHOLD, 16))


def heal(standing: Standing, now: float, probe_s: float) -> bool:
    """Bring times that lie too far ahead back: the clock was set back. True when there were any."""
    before = (standing.open_until, standing.probe_until)
    if standing.open_until is not None:
        standing.open_until = min(standing.open_until, now + MOST_COOL_DOWN_S)
    if standing.probe_until is not None:
        standing.probe_until = min(standing.probe_until, now + PATIENCE_S + probe_s)
    return before != (standing.open_until, standing.probe_until)


def _failing(standing: Standing, until: str) -> AccountFailing:
    since = f" since {stamp(standing.failing_since)}" if standing.failing_since is not None else ""
    last = f": {standing.last_error}" if standing.last_error else ""
    return AccountFailing(
        f"requests to the account have failed{since} ({standing.failures} given up in a row){last}",
        hint=f"{until}. Rows not sent stay for the next run; `tailrace check` asks it at once",
    )
