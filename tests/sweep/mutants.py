"""Faults built into the program on purpose: a sweep that does not find them proves nothing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tailrace.destination import acknowledged
from tailrace.snapshot.storage import LocalStorage
from tailrace.state.journal import Journal
from tailrace.state.leases import Lease
from tailrace.state.marks import Marks
from tailrace.state.records import Intent


def settled_too_early() -> None:
    """Rows count as acknowledged before they are sent, as if the snapshot were saved before the outcomes."""
    intend_all, settle_all = Journal.intend_all, Journal.settle_all

    def too_early(self: Journal, intents: Sequence[Intent]) -> None:
        intend_all(self, intents)
        settle_all(self, [(intent.number, [acknowledged(str(seq)) for seq in intent.seqs]) for intent in intents])

    Journal.intend_all = too_early  # type: ignore[method-assign]
    Journal.settle = lambda *_: None  # type: ignore[assignment, method-assign]


def forgetful() -> None:
    """Nobody looks what became of rows that were in flight, as where a run sends first and saves later."""
    Journal.doubts = lambda _: []  # type: ignore[assignment, method-assign]


def hasty() -> None:
    """Records are looked up at once, while requests of the dead run may still land."""
    job = importlib.import_module("tailrace.running.job")
    made = job.job

    def at_once(*args: Any) -> Any:
        return importlib.import_module("dataclasses").replace(made(*args), settle=0.0)

    job.job = at_once
    importlib.import_module("tailrace.running.runner").job = at_once


def unmarked() -> None:
    """Batches that were intended with others count as not sent, though they were."""
    Marks.sent = lambda *_: None  # type: ignore[assignment, method-assign]


def unnoted() -> None:
    """Answers wait in memory for the next transaction."""
    Marks.settled = lambda *_: None  # type: ignore[assignment, method-assign]


def unfenced() -> None:
    """A run that was taken over goes on as if nothing had happened."""
    importlib.import_module("tailrace.state.runs").check_token = lambda *_: None  # type: ignore[attr-defined]
    write = Journal._write

    def under_any_token(self: Journal, intents: Sequence[Intent], settled: Sequence[Any]) -> None:
        with self._direct.transaction() as cursor:
            self._token = self._latest.scalar(cursor)
        write(self, intents, settled)

    Journal._write = under_any_token  # type: ignore[method-assign]
    Lease.renew = lambda _: None  # type: ignore[assignment, method-assign]
    replace = LocalStorage.replace

    def regardless(self: LocalStorage, name: str, data: bytes, *, was: bytes | None) -> None:
        replace(self, name, data, was=self.read(name))

    LocalStorage.replace = regardless  # type: ignore[method-assign]


def brief_grace() -> None:
    """No fault: snapshot files that no row needs any more go after seconds, so that a soak sees what takes hours."""
    store = importlib.import_module("tailrace.snapshot.store")
    store.GRACE = timedelta(seconds=float(os.environ["TAILRACE_SOAK_GRACE_S"]))  # type: ignore[attr-defined]


BRIEF_GRACE = "brief grace"
MUTANTS: dict[str, Callable[[], None]] = {
    "settled too early": settled_too_early,
    "forgetful": forgetful,
    "hasty": hasty,
    "unfenced": unfenced,
    "unmarked": unmarked,
    "unnoted": unnoted,
    BRIEF_GRACE: brief_grace,
}


def apply(name: str) -> None:
    """Build one fault into this process."""
    MUTANTS[name]()
