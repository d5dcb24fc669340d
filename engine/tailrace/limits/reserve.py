"""The decision: when a request may go, or why it may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tailrace.errors import AccountFailing, QuotaExhausted
from tailrace.limits import breaker
from tailrace.limits.standing import PATIENCE_S, Standing
from tailrace.limits.store import Books
from tailrace.limits.windows import Window


@dataclass(frozen=True, slots=True)
class Terms:
    """Who asks."""

    reserve: float = 0.0
    """Share of the vendor's quota that is left to others."""
    patience: float = PATIENCE_S
    """Seconds that the request would wait."""
    heed_breaker: bool = True
    probing: bool = False
    """Whether the one who asks was let through an open breaker to try."""
    probe_s: float = 120.0
    """Seconds after which a request that was let through to try counts as lost."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to send a request at a moment of the store's clock."""

    moment: float
    probe: bool = False
    """Whether it is to try whether the account answers again."""


def reserve(
    books: Books, windows: Sequence[Window], cost: int, terms: Terms
) -> Permit | QuotaExhausted | AccountFailing:
    """Take permits for a request of that cost; a refusal takes none."""
    now, standing = books.now, books.standing
    heal(standing, now, terms)
    passage = breaker.passage(standing, now, probing=terms.probing) if terms.heed_breaker else "free"
    if isinstance(passage, AccountFailing):
        return passage
    spent = standing.quota_spent(now, terms.reserve)
    if spent is not None:
        what, stale_at = spent
        return exhausted(what, stale_at - now)
    at, moments = _earliest(books, windows, cost)
    if any(moment > now + PATIENCE_S + w.per + w.margin for moment, w in zip(moments, windows, strict=True)):
        books.bring_back(now + PATIENCE_S, now)  # the clock was set back: nobody waits for as long
        at, moments = _earliest(books, windows, cost)
    moment = max(now, standing.paused_until, *moments)
    if moment - now > terms.patience:
        paused = standing.paused_until - now > terms.patience
        what = "the vendor asked for a pause" if paused else "the account's permitted calls are used up"
        return exhausted(what, moment - now)
    for window in windows:
        books.write(window.name, *window.take(books.taken(window.name), cost, at[window.name], moment))
    standing.count(cost)
    if passage == "probe":
        standing.probe_until = moment + terms.probe_s
    return Permit(moment, probe=passage == "probe")


def _earliest(
    books: Books, windows: Sequence[Window], cost: int
) -> tuple[Mapping[str, Mapping[int, float]], Sequence[float]]:
    """The slots looked at, by window, and the moments before which the windows let no more permits go."""
    taken = {window.name: books.taken(window.name) for window in windows}
    shares = {window.name: books.standing.share_at(books.now, window.per) for window in windows}
    at = books.slots({w.name: w.wanted(taken[w.name], cost, shares[w.name]) for w in windows}) if windows else {}
    return at, [w.earliest(taken[w.name], cost, shares[w.name], at[w.name]) for w in windows]


def exhausted(what: str, wait: float, *, code: str | None = None) -> QuotaExhausted:
    """The error of a request that would wait for longer than a run is kept waiting."""
    resume = datetime.now(UTC) + timedelta(seconds=wait)
    return QuotaExhausted(
        what,
        code=code,
        hint=f"resume after {resume:%Y-%m-%d %H:%M UTC}: the rows not sent are planned again then",
        resume_after=resume,
    )


def heal(standing: Standing, now: float, terms: Terms) -> bool:
    """Bring times that lie too far ahead back: the clock was set back. True when there were any."""
    dated, opened = standing.heal(now), breaker.heal(standing, now, terms.probe_s)
    return dated or opened
