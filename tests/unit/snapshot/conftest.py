"""A sync over its runs, each in a line: a model, a destination that answers as it is told, and the store."""

import datetime as dt
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pyarrow as pa
import pytest

from tailrace.canonical.source import ModelRows
from tailrace.changes import ChangeSet, DiffSpec
from tailrace.diff import engine
from tailrace.diff.digests import Digests
from tailrace.diff.engine import Options
from tailrace.snapshot.store import Delivered, Identity, SnapshotStore

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SPEC = DiffSpec(key=("id",), match=("ext",), fields=("a", "b"))
OUTCOMES = {"seq": pl.Int64, "status": pl.String, "record_id": pl.String, "code": pl.String, "message": pl.String}


@dataclass
class Run:
    """What one comparison found."""

    found: ChangeSet
    changes: pl.DataFrame
    misses: int
    """Rows of the model that were not known by their name."""

    @property
    def said(self):
        """By key, what is to be done, and which fields are to be written."""
        fields = [name[2:] for name in self.changes.columns if name.startswith("c:")]
        keys = [name for name in self.changes.columns if name.startswith("k:")]
        return {
            _bare([row[name] for name in keys]): (row["op"], {name for name in fields if row[f"c:{name}"]})
            for row in self.changes.to_dicts()
        }

    @property
    def events(self):
        """What was said of columns."""
        return [(event.kind, event.column) for event in self.found.events]


def _bare(key):
    return key[0] if len(key) == 1 else tuple(key)


class Sync:
    """One sync. `held` is the oracle, by key: match value, record id, and the fields that were acknowledged."""

    def __init__(self, root: Path, spec: DiffSpec = SPEC, *, hashed: bool = False, **options: Any) -> None:
        self.root = root
        self.spec = spec
        self.hashed = hashed
        """Whether digests are kept in place of values, from the next commit on."""
        self.options = Options(**options)
        self.now = NOON
        self.identity = Identity("contacts", "crm", "00D1", "Contact", spec.key, spec.match)
        self.held = {}
        self._numbers = itertools.count(1)

    @property
    def store(self):
        """The store, as another process would open it."""
        return SnapshotStore(self.root / "snapshots", work=self.root / "work", clock=lambda: self.now)

    @property
    def folder(self):
        """Where the snapshot's files are."""
        return self.root / "snapshots" / "contacts" / self.identity.digest

    @property
    def digests(self):
        """What stands for values that may not be kept."""
        return Digests(self.options.secret) if self.hashed else None

    def open(self):
        """The snapshot."""
        return self.store.open(self.identity)

    def compare(self, *batches, snapshot=None, **columns):
        """Compare a model with the snapshot; the columns are named by role with an underscore: k_id, m_ext, f_a."""
        folder = self.root / f"run-{next(self._numbers)}"
        folder.mkdir()
        rows = ModelRows.from_batches(batches or [batch(**columns)])
        seen = []
        real = engine.stream

        def stream(*args, **kwargs):
            seen.append(real(*args, **kwargs))
            return seen[0]

        known = snapshot or self.open()
        options = replace(self.options, hashed=known.values == "hashed")
        with mock.patch.object(engine, "stream", stream):
            found = engine.diff(rows, known, self.spec, folder, options)
        return Run(found, found.rows.collect(), seen[0].rows)

    def delivered(self, run, outcomes, *, origin=True):
        """The changes with their outcomes; without `origin`, as a recovered run has them."""
        found = run.found
        return Delivered(found.rows, found.types, outcomes, self.spec, found.origin if origin else None)

    def commit(self, run, outcomes=None, *, origin=True):
        """Commit what came of the changes; everything was acknowledged where nothing else is said."""
        said = answers(run.changes) if outcomes is None else outcomes
        self._take(run.changes, said)
        delivered = self.delivered(run, said, origin=origin)
        return self.store.commit(self.open(), delivered, "run", digests=self.digests)

    def run(self, *batches, refused=(), origin=True, **columns):
        """Compare and commit; the changes of the keys given are refused."""
        run = self.compare(*batches, **columns)
        self.commit(run, answers(run.changes, refused), origin=origin)
        return run

    def known(self):
        """What the snapshot holds, as the oracle has it."""
        rows = self.open().frame().to_dicts()
        keys, matches = [f"k:{name}" for name in self.spec.key], [f"m:{name}" for name in self.spec.match]
        return {
            _bare([row[name] for name in keys]): {
                "match": [row.get(name) for name in matches],
                "id": row["record_id"],
                **{n[2:]: row[n] for n in row if n[:2] == "f:" and n[2:] not in row["unknown"]},
            }
            for row in rows
        }

    def check(self):
        """The snapshot holds what was acknowledged, and nothing else."""
        assert self.known() == self.held

    def _take(self, changes, outcomes):
        """Ten lines over dicts: what the destination holds after its answers."""
        answered = {row["seq"]: row["record_id"] for row in outcomes.to_dicts() if row["status"] == "acknowledged"}
        for row in (row for row in changes.to_dicts() if row["seq"] in answered):
            key = _bare([row[f"k:{name}"] for name in self.spec.key])
            old = self.held.pop(key, {}) if row["op"] == "update" else {"id": self.held.pop(key, {}).get("id")}
            if row["op"] != "delete":
                sent = {name[2:]: row[f"n:{name[2:]}"] for name in row if name.startswith("c:") and row[name]}
                match = [row[f"m:{name}"] for name in self.spec.match]
                self.held[key] = {**old, **sent, "match": match, "id": answered[row["seq"]] or old["id"]}


def batch(**columns):
    """A batch from columns named by role with an underscore: k_id, m_ext, f_a."""
    arrays = {name.replace("_", ":", 1): values for name, values in columns.items()}
    return pa.record_batch({n: v if isinstance(v, pa.Array) else pa.array(v) for n, v in arrays.items()})


def answers(changes, refused=()):
    """Everything was acknowledged but for some keys; what is new got a record id."""
    keys = [name for name in changes.columns if name.startswith("k:")]
    said = [
        (row["seq"], "rejected", None, "NO", None)
        if _bare([row[name] for name in keys]) in refused
        else (
            row["seq"],
            "acknowledged",
            f"R{_bare([row[n] for n in keys])}" if row["op"] == "insert" else None,
            None,
            None,
        )
        for row in changes.to_dicts()
    ]
    return pl.DataFrame(said, schema=OUTCOMES, orient="row")


@pytest.fixture
def sync(tmp_path):
    """A sync without a snapshot yet."""
    return Sync(tmp_path)


@pytest.fixture(scope="session")
def make_sync():
    """Makes syncs, for tests that need several or other ones: a folder, the spec, and options of the comparison."""
    return Sync


@pytest.fixture(scope="session")
def make_batch():
    """Makes batches out of columns."""
    return batch


@pytest.fixture(scope="session")
def make_answers():
    """Makes outcomes out of changes."""
    return answers
