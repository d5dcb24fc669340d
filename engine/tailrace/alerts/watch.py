"""Looks what is wrong, and tells it: once, together, not in quiet hours; and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.alerts.news import Ended, News, Quiet, trial
from tailrace.alerts.sending import Tone, send
from tailrace.alerts.troubles import USUAL, Facts, Trouble, troubles
from tailrace.clock import now as wall_clock
from tailrace.discretion import discreet
from tailrace.errors import LeaseHeld, TailraceError
from tailrace.running.ledger import FRESH
from tailrace.running.planner import known_identity
from tailrace.state import IssueCounts
from tailrace.state.alerts import Alert
from tailrace.windows import inside, opens

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.project.operating import Alerts
    from tailrace.project.types import Secret
    from tailrace.running.session import Session

log = logging.getLogger(__name__)

LEASE: Final = "(alerts)"
"""Of the one process that tells, in the table of the syncs' leases; no sync can be called so."""
_LEASE_S: Final = 120.0
Sender: TypeAlias = Callable[[Sequence["Secret"], str, str, Tone], None]


class Watch:
    """Tells of the trouble of a project's syncs; several processes may watch one project."""

    def __init__(self, session: Session, *, sender: Sender = send, clock: Callable[[], datetime] = wall_clock) -> None:
        self._session, self._send, self._clock = session, sender, clock

    def look(self) -> int:
        """See how all syncs stand, and tell what is new; gives how many messages went out.

        What could not be told is tried again by the next look. Nothing happens while another process looks.
        """
        try:
            lease = self._session.state.acquire(LEASE, "alerts", _LEASE_S)
        except LeaseHeld:
            return 0
        try:
            self._note()
            return self._tell()
        finally:
            with suppress(TailraceError):
                lease.release()

    def _note(self) -> None:
        """Bring what is on record to what is the case."""
        state, at = self._session.state, self._clock()
        known = {(alert.sync, alert.kind): alert for alert in state.alerts()}
        looked = self._troubles(at)
        found = {(name, each.kind): each for name, all_of_it in looked.items() for each in all_of_it}
        for (name, kind), trouble in found.items():
            kept = _kept(name, trouble, known.get((name, kind)), at.timestamp())
            if kept != known.get((name, kind)):
                state.put_alert(kept)
        for place, alert in known.items():
            if place in found or alert.sync not in looked:
                self._forget(alert, at.timestamp())
            elif alert.told_at is None:
                state.drop_alert(*place)
            elif alert.ended_at is None:
                state.put_alert(replace(alert, ended_at=at.timestamp()))

    def _forget(self, alert: Alert, now: float) -> None:
        """Drop an alert of a sync that was taken out long ago. One of late may be of another project over the state."""
        keep = self._session.project.config.keep_runs
        if alert.sync not in self._session.project.syncs and keep is not None and alert.since < now - keep:
            self._session.state.drop_alert(alert.sync, alert.kind)

    def _troubles(self, at: datetime) -> Mapping[str, list[Trouble]]:
        state, syncs = self._session.state, self._session.project.syncs
        counts, paused = state.issue_counts(), set(state.paused())
        found = {}
        for name, sync in syncs.items():
            with suppress(TailraceError):  # a sync whose destination cannot be opened tells so in its runs
                facts = self._facts(sync, counts, at, paused=sync.config.paused or name in paused)
                found[name] = troubles(facts, settings_of(self._session, sync))
        return found

    def _facts(self, sync: Sync, counts: Mapping[tuple[str, str], IssueCounts], at: datetime, *, paused: bool) -> Facts:
        state = self._session.state
        identity = known_identity(self._session, sync).digest
        reached = state.last_run(sync.name, FRESH)
        return Facts(
            sync=sync.name,
            runs=state.last_runs(sync.name, USUAL + 10),
            issues=counts.get((sync.name, identity), IssueCounts()),
            reached_at=reached.started_at if reached else None,
            freshness=sync.config.freshness,
            paused=paused,
            now=at.timestamp(),
            partial=sync.config.cursor is not None,
        )

    def _tell(self) -> int:
        at, sent = self._clock(), 0
        for to, news in self._news(at).items():
            try:
                self._send(to, news.title, news.body, news.tone)
            except TailraceError as error:
                log.error("an alert could not be told, the next look tries again: %s", discreet(error))  # noqa: TRY400 - it is told in words
                continue
            sent += 1
            for alert in news.begun:
                self._session.state.put_alert(replace(alert, told_at=at.timestamp()))
            for over in news.ended:
                self._session.state.drop_alert(over.alert.sync, over.alert.kind)
        return sent

    def _dismissed(self, alert: Alert) -> int:
        """Rows of the sync that somebody set aside, where rejected ones were the trouble."""
        if alert.kind != "rejected":
            return 0
        with suppress(TailraceError):
            identity = known_identity(self._session, self._session.project.syncs[alert.sync]).digest
            return self._session.state.issue_counts().get((alert.sync, identity), IssueCounts()).dismissed
        return 0

    def quiet(self) -> list[Quiet]:
        """What quiet hours hold back now, by when they end: of syncs that have something new to tell."""
        at, state = self._clock(), self._session.state
        new = {alert.sync for alert in state.alerts() if alert.told_at is None or alert.ended_at is not None}
        return quiet_hours(self._session, at, new)

    def _news(self, at: datetime) -> dict[tuple[Secret, ...], News]:
        """What is to be told now, by addresses."""
        found: dict[tuple[Secret, ...], News] = {}
        for alert in self._session.state.alerts():
            sync = self._session.project.syncs.get(alert.sync)
            settings = settings_of(self._session, sync) if sync is not None else None
            if settings is None or not settings.to or inside(settings.quiet, "UTC", at):
                continue
            news = found.setdefault(settings.to, News(self._session.project))
            if alert.ended_at is not None:
                news.ended.append(Ended(alert, self._dismissed(alert)))
            elif alert.told_at is None:
                news.begun.append(alert)
        return {to: news for to, news in found.items() if news.begun or news.ended}


def quiet_hours(session: Session, at: datetime, names: Collection[str] | None = None) -> list[Quiet]:
    """Syncs, of these or all, in whose quiet hours that moment is, by when those end; only where somebody is told."""
    ends: dict[datetime | None, list[str]] = {}
    for name, sync in session.project.syncs.items():
        settings = settings_of(session, sync)
        wanted = names is None or name in names
        if wanted and settings.to and inside(settings.quiet, "UTC", at):
            ends.setdefault(opens(settings.quiet, "UTC", at), []).append(name)
    return [Quiet(until, tuple(syncs)) for until, syncs in ends.items()]


def settings_of(session: Session, sync: Sync) -> Alerts:
    """What holds for a sync: its own settings, and else the project's."""
    project = session.project.config.alerts
    return sync.config.alerts.over(project) if sync.config.alerts is not None else project


def tell_test(session: Session, sender: Sender = send) -> int:
    """Send a message that says it is a test to all addresses of the project and its syncs; gives to how many lists."""
    lists: Iterable[tuple[Secret, ...]] = dict.fromkeys(
        (
            session.project.config.alerts.to,
            *(sync.config.alerts.to for sync in session.project.syncs.values() if sync.config.alerts is not None),
        )
    )
    chosen = [to for to in lists if to]
    for to in chosen:
        sender(to, *trial(session.project), "info")
    return len(chosen)


def _kept(name: str, trouble: Trouble, known: Alert | None, now: float) -> Alert:
    """What is on record of a trouble from now on."""
    if known is None:
        return Alert(name, trouble.kind, now, trouble.mark, trouble.message, None, None)
    if not trouble.worse_than(known.mark):
        return replace(known, message=trouble.message, ended_at=None)
    return replace(known, mark=trouble.mark, message=trouble.message, told_at=None, ended_at=None)
