"""The Python API: `Project.load(".").plan("contacts")`, `.run("contacts")`. The command line is made of it."""

# ruff: noqa: PLC0415 - each way in loads what it needs and no more: a plan is on the screen before all is loaded
from __future__ import annotations

import shutil
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tailrace.browsing import Browsing
from tailrace.clock import now
from tailrace.errors import UsageError
from tailrace.operating import Operating
from tailrace.project import LoadedProject, Sync, load_project
from tailrace.running.planner import PlanRequest, ask, known_identity, make_plan
from tailrace.running.session import Session
from tailrace.schedule import due, order

if TYPE_CHECKING:
    import threading

    from tailrace.delivery import OnProgress
    from tailrace.planning import Plan
    from tailrace.running.adopt import Adopted
    from tailrace.running.check import CheckReport
    from tailrace.running.ledger import RunDetails, RunSummary, SyncStatus, TroubledRow
    from tailrace.running.move import Moved
    from tailrace.running.move import Target as Place
    from tailrace.running.resolve import Way
    from tailrace.running.result import RunResult
    from tailrace.running.story import Story

OVERRIDABLE: frozenset[str] = frozenset({"on_empty", "max_deletes", "max_changes", "max_invalid", "contract"})


class Project(Operating, Browsing):
    """A loaded project. Use it as a context manager, or call `close`; the files are read once, at `load`."""

    def __init__(self, loaded: LoadedProject) -> None:
        self._loaded = loaded
        self._session = Session(loaded)

    @classmethod
    def load(cls, path: str | Path = ".") -> Self:
        """Read and validate the project in that folder; ProjectError carries every fault found."""
        return cls(load_project(Path(path)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give connections back."""
        self._session.close()

    def release_warehouses(self) -> None:
        """Close the warehouses until they are needed again, so that others may write to a DuckDB file."""
        self._session.release_warehouses()

    def release_warehouse(self, name: str) -> None:
        """The same for one warehouse, which nothing may use at the moment."""
        self._session.release_warehouse(name)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._loaded.root

    @property
    def syncs(self) -> Mapping[str, Sync]:
        """The syncs by name."""
        return self._loaded.syncs

    def select(self, names: Sequence[str] = (), *, tag: str | None = None, everything: bool = False) -> list[str]:
        """The named syncs, those with the tag, or all; parents first. UsageError names unknown ones."""
        for name in names:
            self._sync(name)
        configs = {name: sync.config for name, sync in self.syncs.items()}
        chosen = [
            name
            for name in order(configs)
            if everything or name in names or (tag is not None and tag in configs[name].tags)
        ]
        if not chosen and tag is not None:
            known = sorted({each for config in configs.values() for each in config.tags})
            raise UsageError(f"no sync has the tag {tag}", hint=f"known tags: {', '.join(known) or 'none'}")
        return chosen

    def check(self, *names: str) -> CheckReport:
        """Look at files, connections, permissions and the contract of these syncs, or of all."""
        from tailrace.running.check import check

        chosen = self.select(names, everything=not names)
        return check(self._session, [self.syncs[name] for name in chosen])

    def plan(self, name: str, *, check: bool = False, full: bool = False) -> Plan:
        """What a run would do. With `check` the destination is asked for its account and fields, read-only."""
        sync = self._sync(name)
        target = self._session.target(sync)
        request, folder = PlanRequest(full=full), self._session.work.new()
        if not check:
            plan = make_plan(self._session, sync, target, None, request, folder).plan
        else:
            from tailrace.planning.values import refused

            with self._session.destination(sync, target, read_only=True) as destination:
                asked = ask(self._session, sync, target, destination, read_only=True)
                plan = make_plan(self._session, sync, target, asked, request, folder).plan
                plan = replace(plan, notes=(*plan.notes, *refused(plan.rows, plan.types, asked.judged.closed)))
        # Its rows are read from there; when nobody has the plan any more, nobody needs them.
        weakref.finalize(plan, shutil.rmtree, folder, ignore_errors=True)
        return plan

    def save_plan(self, plan: Plan, path: str | Path) -> None:
        """Write a plan to a file that `apply` takes; the file is there whole or not at all."""
        from tailrace.planning.planfile import save_plan

        with self._session.work.scratch() as work:
            save_plan(plan, Path(path), work)

    def run(
        self,
        name: str,
        *,
        full: bool = False,
        limit: int | None = None,
        only_rejected: bool = False,
        progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> RunResult:
        """Send what changed. What goes wrong is in the result; `stop` ends it after the batches in flight."""
        from tailrace.running.runner import RunRequest, run_sync

        sync = self._sync(name)
        only = self._rejected_keys(sync) if only_rejected else None
        plan = PlanRequest(full=full, limit=limit, only=only)
        timeout = sync.config.timeout
        return run_sync(self._session, sync, RunRequest(plan, progress=progress, stop=stop, timeout=timeout))

    def apply(
        self,
        path: str | Path,
        *,
        overrides: Collection[str] = (),
        progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> RunResult:
        """Carry out exactly a saved plan; blocked when the world no longer matches it.

        `overrides` lets guards pass for this plan alone.
        """
        from tailrace.planning.planfile import load_plan

        unknown = set(overrides) - OVERRIDABLE
        if unknown:
            raise UsageError(
                f"there is no guard {', '.join(sorted(unknown))}", hint=f"guards are {', '.join(sorted(OVERRIDABLE))}"
            )
        with self._session.work.scratch() as work:
            expected = load_plan(Path(path), work)
            return self._apply(expected, overrides, progress, stop)

    def _apply(
        self,
        expected: Plan,
        overrides: Collection[str],
        progress: OnProgress | None,
        stop: threading.Event | None,
    ) -> RunResult:
        from tailrace.running.runner import RunRequest, run_sync

        plan = PlanRequest(full=expected.basis.full, at=expected.made_at)
        sync = self._sync(expected.sync)
        request = RunRequest(plan, expected, overrides, progress, stop, sync.config.timeout)
        return run_sync(self._session, sync, request)

    def due(self) -> list[str]:
        """Syncs whose schedule says so now, parents first, but for those that some run holds and those that are paused.

        A run that broke off counts as due, if its sync has a schedule.
        """
        from tailrace.running.ledger import last_runs

        configs, state = {name: sync.config for name, sync in self.syncs.items()}, self._session.state
        # Asked before and after: a run that begins or ends meanwhile looks as if it had broken off.
        held = state.held_syncs()
        ran = last_runs(self._session)
        held |= state.held_syncs()
        return list(due(configs, ran, now(), but=held.union(state.paused())))

    def status(self) -> list[SyncStatus]:
        """How each sync stands."""
        from tailrace.running.ledger import sync_status

        counts = self._session.state.issue_counts()
        return [sync_status(self._session, sync, counts, now()) for sync in self.syncs.values()]

    def snapshot_rows(self, name: str) -> int:
        """Rows in the sync's snapshot; 0 when there is none. SnapshotError when it is damaged."""
        sync = self._sync(name)
        return self._session.snapshot(sync, known_identity(self._session, sync)).rows

    def runs(self, *, sync: str | None = None, limit: int = 20) -> list[RunSummary]:
        """The latest runs, newest first."""
        from tailrace.running.ledger import so_far

        if sync is not None:
            self._sync(sync)
        return so_far(self._session.state, self._session.state.runs(sync, limit))

    def run_details(self, run_id: str) -> RunDetails:
        """One run with its batches; any unambiguous beginning of the id, or of its last part, will do."""
        from tailrace.running.ledger import RunDetails, so_far
        from tailrace.state import Journal

        record = self._session.state.run(run_id)
        batches = Journal(self._session.state, record.run_id, record.token).batches()
        return RunDetails(so_far(self._session.state, [record])[0], tuple(batches))

    def rejected(self, name: str, *, dismissed: bool = False) -> list[TroubledRow]:
        """Rows the destination refused; with `dismissed`, those that were set aside instead."""
        from tailrace.running import trouble
        from tailrace.running.ledger import TroubledRow, next_attempt

        sync = self._sync(name)
        chosen = trouble.dismissed if dismissed else trouble.rejected
        return [TroubledRow(issue, next_attempt(sync, issue)) for issue in chosen(self._session, sync)]

    def export_rejected(self, name: str, path: str | Path, *, dismissed: bool = False) -> int:
        """Write the rows that `rejected` gives to a .csv, .jsonl or .parquet file; gives how many.

        The file is there whole or not at all, for its owner's eyes alone.
        """
        from tailrace.running.export import export

        rows = self.rejected(name, dismissed=dismissed)
        export(rows, self._sync(name).config.key, Path(path))
        return len(rows)

    def retry(self, name: str, *, key: Mapping[str, str] | None = None) -> int:
        """Make rejected rows, dismissed ones too, due for the next run; gives how many."""
        from tailrace.running import trouble

        return trouble.retry(self._session, self._sync(name), key)

    def dismiss(self, name: str, *, key: Mapping[str, str] | None = None) -> int:
        """Set rejected rows aside until they change; gives how many."""
        from tailrace.running import trouble

        return trouble.dismiss(self._session, self._sync(name), key)

    def resolve(self, name: str, way: Way | None = None) -> list[TroubledRow]:
        """Rows of unknown outcome; with a way, settle them and give those that were settled."""
        from tailrace.running.ledger import TroubledRow, next_attempt
        from tailrace.running.resolve import resolve

        sync = self._sync(name)
        return [TroubledRow(issue, next_attempt(sync, issue)) for issue in resolve(self._session, sync, way)]

    def explain(self, name: str, key: Mapping[str, str]) -> Story:
        """Everything ever done to one row; key values as text."""
        from tailrace.running.story import tell

        return tell(self._session, self._sync(name), key, now())

    def adopt(self, name: str, *, trust: bool = False) -> Adopted:
        """Take what the destination holds (or, with `trust`, the model's rows) as the snapshot."""
        from tailrace.running.adopt import adopt

        return adopt(self._session, self._sync(name), trust=trust)

    def reset(self, name: str) -> None:
        """Forget the sync's snapshot and its rows in trouble. Nothing is deleted at the destination."""
        from tailrace.running.lease import leased

        sync = self._sync(name)
        with leased(self._session, sync) as lease:
            unsettled = {issue.run_id for issue in self._session.state.held(name)}
            for run in self._session.state.unfinished_runs(name):
                message = "broke off; its outcomes were forgotten by a reset"
                self._session.state.finish_run(run.run_id, "interrupted", message=message, token=lease.token)
                unsettled.add(run.run_id)
            self._session.forget_snapshot(sync, known_identity(self._session, sync))
            self._session.state.drop_issues(sync.name)
            for run_id in unsettled:
                self._session.finish_files(sync, run_id)

    def move_snapshot(self, name: str, to: Place) -> Moved:
        """Move the sync's snapshot to its warehouse, or back to files; nothing is sent again."""
        from tailrace.running.move import move

        return move(self._session, self._sync(name), to)

    def _rejected_keys(self, sync: Sync) -> frozenset[str]:
        from tailrace.running import trouble

        return frozenset(issue.key_text for issue in trouble.rejected(self._session, sync) if issue.due)

    def _sync(self, name: str) -> Sync:
        if name in self.syncs:
            return self.syncs[name]
        close = get_close_matches(name, self.syncs, n=1)
        hint = f"did you mean {close[0]}?" if close else f"syncs: {', '.join(self.syncs) or 'none'}"
        raise UsageError(f"there is no sync {name}", hint=hint)


__all__ = ["Project"]
