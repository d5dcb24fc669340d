"""A law: where rows change only with a rising cursor, what is read by it brings what reading everything would."""

import csv
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from tests.e2e.labs import MemoryLab, in_memory

from tailrace import failpoints
from tailrace.running import cursor
from tailrace.testing.plugin import forget_stores, store

CONFIG = """\
warehouses:
  main: {type: duckdb, path: main.duckdb}
destinations:
  mem: {type: memory, store: first, settle: 0s}
"""
MODEL = """\
select id, name, version
from read_csv('people.csv', header = true, columns = {'id': 'bigint', 'name': 'varchar', 'version': 'bigint'})
"""
SYNC = """\
model: people
destination: mem
object: people
mode: upsert
key: id
match: {id: id}
cursor: {column: version, overlap: OVERLAP, full: 400}
guards: {max_invalid: off, on_empty: allow}
fields: {name: name}
"""
OVERLAP = 5
CRASHES = (
    "changes.saved", "batch.intended", "batch.sent", "batch.settled", "delivery.ended", "manifest.ready",
    "manifest.replaced", "snapshot.saved", "issues.saved", "outcomes.saved", "run.finished",
)  # fmt: skip
IDS = st.integers(0, 5)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["new", "new", "late", "none", "twice", "once"]), IDS, st.integers(0, 9)), max_size=5
)
GENERATIONS = st.lists(
    st.tuples(
        CHANGES,
        st.frozensets(IDS, max_size=3),
        st.sampled_from([None, None, 1, 2]),
        st.none() | st.tuples(st.sampled_from(CRASHES), st.integers(1, 2)),
    ),
    min_size=2,
    max_size=5,
)
"""What changes, which rows the destination refuses, the run's limit, and where it dies."""


class Crash(BaseException):
    """The end of a process."""


class Bomb:
    """A failpoint that ends the run where it stands."""

    def __init__(self, name, count):
        self.name, self.left = name, count

    def passed(self, name):
        self.left -= name == self.name
        if not self.left:
            self.left = -1
            raise Crash


class World:
    """A table whose rows change only with a rising cursor, and the project over it."""

    def __init__(self, beside, *, there):
        forget_stores()
        workspace = type(beside)(Path(tempfile.mkdtemp(dir=beside.root)))
        workspace.write("models/people.sql", MODEL)
        self.workspace = workspace
        duckdb.connect(str(workspace.root / "main.duckdb")).close()
        config = f"snapshots: {'warehouse' if there else '.tailrace/snapshots'}\n{CONFIG}"
        self.lab = MemoryLab(workspace, SYNC.replace("OVERLAP", str(OVERLAP)), config)
        self.rows, self.high, self.names, self.reads = {}, 100, 0, []
        """By id the copies of a row; the highest cursor there ever was."""

    def change(self, how, key, low):
        """Change a row; `late` gives it a cursor that others have passed, within the overlap."""
        if how == "once":  # the other copy goes, this one stays as it is
            self.rows[key] = self.rows.get(key, [])[: 1 + low % 2][-1:]
            if not self.rows[key]:
                del self.rows[key]
            return
        copies = []
        for _ in range(1 + (how == "twice")):
            self.names += 1
            value = None
            if how == "late":
                value = self.high - low % (OVERLAP + 1)
            elif how != "none":
                self.high += 1 + low
                value = self.high
            copies.append((f"n{self.names}", value))
        self.rows[key] = copies

    def write(self):
        with (self.workspace.root / "people.csv").open("w") as file:
            lines = [(key, name, value) for key, copies in self.rows.items() for name, value in copies]
            csv.writer(file).writerows([("id", "name", "version"), *lines])

    def run(self, crash=None, **how):
        """Run, unless it dies."""
        failpoints._armed = Bomb(*crash) if crash else None
        try:
            result = self.lab.run(**how)
        except Crash:
            return None
        finally:
            failpoints._armed = None
        assert result.status not in {"failed", "blocked"}, result.message
        self.reads.append(result.extent.partial)
        return result

    @property
    def there(self):
        return {record["id"]: record["name"] for record in store("first").records("people").values()}


def live(workspace, generations, *, there):
    """Generation after generation; at last everything is well, and taken."""
    world = World(workspace, there=there)
    for changes, refused, limit, crash in generations:
        for change in changes:
            world.change(*change)
        world.write()
        store("first").refuse(lambda row, refused=refused: row.match[0] in refused)
        world.run(crash, limit=limit)
        store("first").heal()
    for key in list(world.rows):
        world.change("once", key, 0)
    world.write()
    with world.lab.project() as project:
        project.retry("people")
    for _ in range(3):
        world.run()
    return world


@pytest.fixture(
    params=[(cursor.MOST_AGAIN, False), (1, False), (2, True)],
    ids=["as it is", "few are read again by key", "snapshot in the warehouse"],
)
def there(request, monkeypatch):
    """Whether the snapshot is in the warehouse; and how many unsettled rows are read again by their keys."""
    most, there = request.param
    monkeypatch.setattr(cursor, "MOST_AGAIN", most)
    in_memory(monkeypatch)
    return there


@settings(
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@example([([("new", 1, 0)], {1}, None, None), ([("new", 2, 9)], set(), None, None), ([("new", 3, 9)], set(), 1, None)])
@example([([("new", 1, 0), ("none", 2, 0)], set(), None, None), ([("new", 3, 9), ("none", 2, 0)], set(), None, None)])
@example([([("new", 1, 0), ("new", 2, 0)], set(), None, None), ([("late", 2, 5), ("new", 3, 0)], set(), None, None)])
@example(
    [([("new", 1, 0)], set(), None, None), ([("twice", 1, 9)], set(), None, None), ([("new", 3, 9)], set(), None, None)]
)
@example(
    [([("new", 1, 0)], set(), None, None), ([("new", n, 9) for n in range(5)], set(), 1, None), ([], set(), 1, None)]
)
@given(generations=GENERATIONS)
def test_reading_by_cursor_brings_what_reading_all_would(workspace, there, generations):
    """Whatever is refused, left for later or cut off: each row arrives as the model has it at last."""
    world = live(workspace, generations, there=there)
    assert world.there == {key: copies[0][0] for key, copies in world.rows.items()}
    event(f"read a part {sum(world.reads)} times")
    with world.lab.project() as project:
        assert project.run("people").status == "nothing_to_do"


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(generations=GENERATIONS)
def test_reading_by_cursor_brings_what_reading_all_would_in_many_worlds(workspace, there, generations):
    """The same for many more of them."""
    world = live(workspace, generations, there=there)
    assert world.there == {key: copies[0][0] for key, copies in world.rows.items()}
