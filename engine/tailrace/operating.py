"""Steering syncs that may run elsewhere: the part of `Project` that the console, the API and `serve` use."""

# ruff: noqa: PLC0415 - as in `tailrace.api`
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrace.errors import UsageError

if TYPE_CHECKING:
    from tailrace.alerts.news import Quiet
    from tailrace.project import Sync
    from tailrace.project.config import ProjectConfig
    from tailrace.running.session import Session
    from tailrace.state import StateDB
    from tailrace.state.alerts import Alert
    from tailrace.state.controls import Action, Pause, Request, RequestState

MOST_PLAN: Final = 256 * 1024 * 1024
"""Bytes of a saved plan that the state database keeps until the plan is carried out."""


class Operating:
    """All of it lives in the state database, so it holds for every machine that shares it.

    Nothing here writes to the audit log by itself: whoever knows the person and the role does, by `audit`.
    """

    _session: Session

    @property
    def session(self) -> Session:
        """The project's open resources, for those who serve or watch it."""
        return self._session

    @property
    def state(self) -> StateDB:
        """The state database, for those who serve the project."""
        return self._session.state

    @property
    def config(self) -> ProjectConfig:
        """What `tailrace.yml` says."""
        return self._session.project.config

    def pause(self, sync: str, *, by: str) -> bool:
        """Have no schedule and no request run the sync until `unpause`; False when it was paused already.

        A run that goes on is left alone, and `tailrace run` still runs it. `paused: true` in its file does the same.
        """
        return self._session.state.pause(self._sync(sync).name, by)

    def unpause(self, sync: str, *, by: str) -> bool:  # noqa: ARG002 - who is for the audit log, as in `pause`
        """Take the pause back; False when there was none."""
        return self._session.state.unpause(self._sync(sync).name)

    def pauses(self) -> Mapping[str, Pause]:
        """Who paused which sync when, by its name; those that their files pause are not among them."""
        return self._session.state.paused()

    def request(
        self,
        sync: str,
        *,
        full: bool = False,
        dry_run: bool = False,
        plan: str | Path | None = None,
        overrides: Collection[str] = (),
        once: str | None = None,
        by: str,
    ) -> str:
        """Have some process that serves this project run the sync soon; gives the id to ask `request_status` for.

        With `plan`, the path of a saved one, exactly that is carried out, and `overrides` are guards that may pass.
        With `once`, a name such as that of a webhook's delivery, a second request of the name is the first. A paused
        sync's requests wait, but for a `dry_run`, whose result is the plan.
        """
        name = self._sync(sync).name
        if plan is not None and (full or dry_run):
            raise UsageError("a request with a plan carries out that plan", hint="leave full and dry_run out")
        if overrides and plan is None:
            raise UsageError("guards may be overridden for a saved plan alone", hint="give the plan too")
        held = None if plan is None else self._plan_bytes(Path(plan), name)
        return self._session.state.request(
            name, by, full=full, dry_run=dry_run, plan=held, overrides=overrides, once=once
        )

    def request_status(self, request_id: str) -> Request:
        """What became of a request; UsageError where there is none of that id."""
        return self._session.state.request_status(request_id)

    def requests(
        self,
        sync: str | None = None,
        *,
        states: Collection[RequestState] | None = None,
        before: Request | None = None,
        limit: int = 50,
    ) -> list[Request]:
        """The latest requests, newest first; for the next page give the last one as `before`."""
        return self._session.state.requests(sync, states=states, before=before, limit=limit)

    def withdraw(self, request_id: str, *, by: str) -> bool:  # noqa: ARG002 - as in `unpause`
        """Take a request back that still waits; False when it does not."""
        return self._session.state.withdraw(request_id)

    def cancel(self, sync: str, *, by: str) -> None:
        """Have the sync's run stop, wherever it runs: within seconds, after the batches in flight, all saved.

        UsageError when none goes on.
        """
        self._session.state.ask_cancel(self._sync(sync).name, by)

    def running(self) -> frozenset[str]:
        """Syncs that some run holds now."""
        return self._session.state.held_syncs().intersection(self._session.project.syncs)

    def audit(
        self, *, who: str, action: str, subject: str, role: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Append to the audit log who did what to which sync, run or row; no row's value and no secret in `detail`."""
        self._session.state.note_action(who, action, subject, role=role, detail=detail)

    def audit_log(self, *, before: int | None = None, limit: int = 50, subject: str | None = None) -> list[Action]:
        """The audit log, newest first; for the next page give the last line's id as `before`."""
        return self._session.state.actions(before=before, limit=limit, subject=subject)

    def alerts(self) -> list[Alert]:
        """What is wrong with syncs, as it was seen last, and what of it was told."""
        return [alert for alert in self._session.state.alerts() if alert.sync in self._session.project.syncs]

    def notify(self) -> int:
        """See how all syncs stand, and tell the addresses of `alerts:` what is new; gives how many messages went."""
        from tailrace.alerts import Watch

        return Watch(self._session).look()

    def quiet_hours(self, *, news: bool) -> list[Quiet]:
        """Syncs of which nothing is told now, by when that ends: of all, or of those that have `news` to tell."""
        from tailrace.alerts import Watch
        from tailrace.alerts.watch import quiet_hours
        from tailrace.clock import now

        return Watch(self._session).quiet() if news else quiet_hours(self._session, now())

    def notify_test(self) -> int:
        """Send a test message to all lists of addresses; gives to how many. AlertError when one does not take it."""
        from tailrace.alerts.watch import tell_test

        return tell_test(self._session)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for files of one's own, gone when the block ends."""
        with self._session.work.scratch() as folder:
            yield folder

    def _plan_bytes(self, path: Path, sync: str) -> bytes:
        from tailrace.planning.planfile import load_plan

        with self._session.work.scratch() as work:
            planned = load_plan(path, work).sync
        if planned != sync:
            raise UsageError(f"{path} is a plan of {planned}, not of {sync}")
        if path.stat().st_size > MOST_PLAN:
            raise UsageError(
                f"{path} is too large to be handed over: more than {MOST_PLAN // 1024**2} MiB",
                hint=f"carry it out where it is: tailrace apply {path}",
            )
        return path.read_bytes()

    def _sync(self, name: str) -> Sync:
        raise NotImplementedError
