"""Plans made for the console: kept in files for a day, with a sample of their rows that can be searched."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from tailrace.clock import new_id, now
from tailrace.errors import TailraceError, UsageError
from tailrace.jsonform import iso, to_json
from tailrace.redact import redact
from tailrace.snapshot.files import FILE_MODE

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.planning import Change, Plan
    from tailrace.web.desk import Desk

log = logging.getLogger(__name__)

FOLDER = ".tailrace/plans"
SAMPLE = 10_000
"""Changes of a plan that can be looked at and searched: deletes first, then updates, then inserts, each a fair part."""
KEPT, KEPT_S = 50, 86_400.0
"""Most plans kept, and for how long."""
HEAD, FILE, ROWS = "head.json", "plan.tailrace", "rows.jsonl"
State: TypeAlias = Literal["making", "made", "failed"]
_ID = re.compile(r"[0-9T]{15}\.[0-9]{3}-[0-9a-f]{8}")
"""As `new_id` makes them: nothing else may become part of a path."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan made, in the making, or one that could not be made."""

    plan: str
    """Its id."""
    sync: str
    state: State
    by: str
    at: str
    checked: bool
    full: bool
    head: Mapping[str, Any] | None = None
    """The form of `plan --json`, without its changes."""
    basis: Mapping[str, Any] | None = None
    sampled: int = 0
    """Changes that can be looked at."""
    message: str | None = None
    """Why it could not be made."""

    @property
    def hash(self) -> str | None:
        """Names exactly these changes, made from exactly this basis."""
        return None if self.head is None else str(self.head["hash"])

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Found:
    """Some of a plan's changes."""

    changes: list[dict[str, Any]]
    matched: int
    """Changes of the sample that were searched for."""
    sampled: int
    total: int
    """All changes of the plan."""


def forms(project: Project, plans: Sequence[Kept]) -> list[dict[str, Any]]:
    """Each as `PlanForm`: `stale` is one that `apply` would refuse, as another run has moved the snapshot since."""
    syncs = {kept.sync for kept in plans if kept.basis is not None and kept.sync in project.syncs}
    marks = {name: project.snapshot_mark(name) for name in syncs}
    return [{**kept.to_json(), "stale": _is_stale(kept, marks.get(kept.sync))} for kept in plans]


def _is_stale(kept: Kept, mark: tuple[int, str | None] | None) -> bool:
    if kept.basis is None or mark is None:
        return False
    return (kept.basis["generation"], kept.basis["snapshot_run"]) != mark


class Plans:
    """Makes plans in threads of its own, one after another, and keeps them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._folder = desk.root / FOLDER
        self._making: dict[str, Kept] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def make(self, sync: str, by: str, *, check: bool, full: bool, wait: float) -> Kept:
        """Begin to make a plan; gives it made if that takes at most `wait` seconds."""
        plan = Kept(new_id(), sync, "making", by, iso(now()), check, full)
        with self._lock:
            if len(self._making) >= KEPT:
                raise UsageError("too many plans are being made", hint="wait until some of them are there")
            self._making[plan.plan] = plan
        thread = threading.Thread(target=self._make, args=(plan,), name=f"plan-{sync}", daemon=True)
        self._threads[plan.plan] = thread
        thread.start()
        thread.join(wait)
        return self.get(plan.plan) or plan

    def get(self, plan: str) -> Kept | None:
        """A plan by its id; None where there is none, or none any more."""
        with self._lock:
            if plan in self._making:
                return self._making[plan]
        if not _ID.fullmatch(plan):
            return None
        try:
            return Kept(**json.loads((self._folder / plan / HEAD).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def all(self, sync: str | None = None) -> list[Kept]:
        """Plans in the making and made, newest first."""
        with self._lock:
            making = list(self._making.values())
        with suppress(OSError):
            making += [kept for folder in self._folder.iterdir() if (kept := self.get(folder.name)) is not None]
        unique = {kept.plan: kept for kept in making if sync is None or kept.sync == sync}
        return sorted(unique.values(), key=lambda kept: kept.plan, reverse=True)

    def changes(
        self, plan: Kept, *, search: str = "", op: str | None = None, offset: int = 0, limit: int = 50
    ) -> Found:
        """Changes in the order of `plan`; `search` is looked for in keys, names of fields and values, whatever case."""
        total = 0 if plan.head is None else sum(plan.head[name] for name in ("inserts", "updates", "deletes"))
        wanted, matched, shown = search.casefold(), 0, []
        for line in self._lines(plan):
            change = json.loads(line)
            if (op is not None and change["op"] != op) or (wanted and wanted not in _text_of(change)):
                continue
            if offset <= matched < offset + limit:
                shown.append(change)
            matched += 1
        return Found(shown, matched, plan.sampled, total)

    def _lines(self, plan: Kept) -> Iterator[str]:
        try:
            with (self._folder / plan.plan / ROWS).open(encoding="utf-8") as file:
                yield from file
        except FileNotFoundError:
            return

    def _make(self, plan: Kept) -> None:
        try:
            with self._desk.planning, self._desk.using() as project:
                self._prune()
                done = self._save(project, plan)
        except TailraceError as error:
            done = replace(plan, state="failed", message=redact(str(error)))
        except Exception:
            log.exception("a plan of %s failed by a fault of Tailrace itself, please report it", plan.sync)
            done = replace(plan, state="failed", message="a fault of Tailrace itself; the log has more")
        with self._lock:
            if done.state == "made":
                del self._making[plan.plan]
            else:
                self._making[plan.plan] = done
            self._threads.pop(plan.plan, None)
            self._forget_failures()

    def _save(self, project: Project, plan: Kept) -> Kept:
        folder = self._folder / plan.plan
        folder.mkdir(mode=0o700, parents=True)
        try:
            made = project.plan(plan.sync, check=plan.checked, full=plan.full)
            project.save_plan(made, folder / FILE)
            sampled = _write_rows(folder / ROWS, made)
            head = json.loads(redact(json.dumps(made.head_json())))
            done = replace(plan, state="made", head=head, basis=_basis(made), sampled=sampled)
            with _private(folder / HEAD) as file:
                file.write(json.dumps(done.to_json(), ensure_ascii=False))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            project.release_warehouses()
        return done

    def _forget_failures(self) -> None:
        failed = [name for name, kept in self._making.items() if kept.state == "failed"]
        for name in failed[: -KEPT // 2]:
            del self._making[name]

    def _prune(self) -> None:
        """Remove plans that are too old, or too many."""
        with suppress(OSError):
            folders = sorted((path for path in self._folder.iterdir() if path.is_dir()), reverse=True)
            for number, folder in enumerate(folders):
                if number >= KEPT - 1 or time.time() - folder.stat().st_mtime > KEPT_S:
                    shutil.rmtree(folder, ignore_errors=True)


def _write_rows(path: Path, made: Plan) -> int:
    """Write the sample; gives how many changes it has."""
    count = 0
    with _private(path) as file:
        for change in made.changes(SAMPLE):
            file.write(redact(json.dumps(_form(change), ensure_ascii=False)) + "\n")
            count += 1
    return count


def _form(change: Change) -> dict[str, Any]:
    """As `plan --json` has it, and what the record has that is deleted."""
    was = {name: to_json(value) for name, value in change.was.items()}
    return {**change.to_json(), "action": change.action, "was": was}


def _text_of(change: Mapping[str, Any]) -> str:
    """What is searched in."""
    parts = [*change["key"].items(), *change["was"].items(), ("", change["record_id"])]
    parts += [(name, f"{part['old']}\n{part['new']}") for name, part in change["fields"].items()]
    return "\n".join(f"{name}\n{value}" for name, value in parts).casefold()


def _basis(made: Plan) -> dict[str, Any]:
    basis = made.basis
    return {
        "destination": basis.destination,
        "object": basis.object,
        "account": basis.account,
        "generation": basis.generation,
        "snapshot_run": basis.snapshot_run,
        "snapshot_saved_at": iso(basis.snapshot_saved_at) if basis.snapshot_saved_at else None,
    }


def _private(path: Path) -> IO[str]:
    """A new file that nobody else may read."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE_MODE), "w", encoding="utf-8")
