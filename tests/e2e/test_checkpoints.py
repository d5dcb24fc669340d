"""A long run folds what became of its rows in as it goes; through the Python API, over a store in this process."""

import sqlite3
from importlib import import_module

import pytest
from tests.e2e.labs import MemoryLab, in_memory

from tailrace.delivery import checkpoints, deliver
from tailrace.snapshot.history import RunFiles
from tailrace.snapshot.store import SnapshotStore
from tailrace.state import Journal, StateDB
from tailrace.testing.plugin import store

SYNC = """\
model: people
destination: mem
object: people
mode: mirror
batch_size: 1
key: id
match: {ref: id}
fields:
  name: name
guards: {max_deletes: "100%", max_changes: "100%"}
"""
APPEND = SYNC.replace("mode: mirror", "mode: append").replace("match: {ref: id}\n", "").replace(
    "  name: name", "  ref: id\n  name: name"
)  # fmt: skip


class Lab(MemoryLab):
    """A project whose destination is a store in this process, and whose runs make a checkpoint after each batch."""

    def __init__(self, workspace):
        super().__init__(workspace, SYNC)

    def model(self, *rows):
        self.workspace.people(*((key, name, None, 0) for key, name in rows))

    def records(self):
        return sorted((record["ref"], record["name"]) for record in store("first").records("people").values())

    def asked(self, query):
        with sqlite3.connect(self.root / ".tailrace/state.db") as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def lab(workspace, monkeypatch):
    """A project with a checkpoint after each batch of one row."""
    in_memory(monkeypatch)
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoints, "LEAST", 1)
    monkeypatch.setattr(import_module(deliver.__module__), "_CHUNK", 1)
    made = Lab(workspace)
    made.model((1, "Ann"), (2, "Bob"), (3, "Cid"), (4, "Dee"))
    return made


def counted(monkeypatch, owner, name):
    """Count the calls of a method."""
    original, calls = getattr(owner, name), []

    def method(*arguments, **named):
        calls.append(name)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, method)
    return calls


def dying(monkeypatch, owner, name, *, at, after):
    """Make a method's call number `at` end the process, before or after it did its work."""
    original, calls = getattr(owner, name), []

    def method(*arguments, **named):
        calls.append(name)
        if len(calls) == at and not after:
            raise KeyboardInterrupt
        done = original(*arguments, **named)
        if len(calls) == at:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(owner, name, method)


def test_a_run_with_checkpoints_leaves_what_one_without_would(lab, monkeypatch):
    """The snapshot is whole, nothing is sent twice, and each row's story is complete."""
    folds = counted(monkeypatch, Journal, "fold")
    result = lab.run()
    assert (result.status, result.acknowledged, len(folds)) == ("succeeded", 4, 4)
    assert lab.run().status == "nothing_to_do"
    assert lab.asked("select count(*) from batches where outcomes is not null or seqs is not null") == [(0,)]
    with lab.project() as project:
        for key in ("1", "4"):
            story = project.explain("people", {"id": key})
            assert [event.status for event in story.events] == ["acknowledged"]


def test_updates_and_deletes_are_folded_in_as_they_go(lab, monkeypatch):
    """A row that changed, one that left, one that is new and one that the destination refuses."""
    lab.run()
    folds = counted(monkeypatch, Journal, "fold")
    lab.model((1, "Anna"), (3, "Cid"), (4, "Del"), (5, "Eve"))
    store("first").refuse(lambda row: row.values.get("name") == "Del", "BAD", "no")
    result = lab.run()
    assert (result.acknowledged, result.rejected) == (3, 1)
    assert len(folds) >= 3
    assert lab.records() == [(1, "Anna"), (3, "Cid"), (4, "Dee"), (5, "Eve")]
    store("first").heal()
    with lab.project() as project:
        project.retry("people", key={"id": "4"})
    assert lab.run().acknowledged == 1
    assert lab.run().status == "nothing_to_do"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (SnapshotStore, "commit"),
        (StateDB, "record_issues"),
        (RunFiles, "save_outcomes"),
        (Journal, "fold"),
        (Journal, "intend"),
    ],
)
def test_a_run_that_dies_about_a_checkpoint_is_recovered(lab, monkeypatch, owner, name, at, after):
    """Whatever was folded in, and whatever was not: no row is lost, none is made twice, and each is accounted for."""
    lab.edit(APPEND)
    lab.model(*((key, f"name {key}") for key in range(1, 6)))
    store("first").refuse(lambda row: row.values["ref"] in {1, 2, 3} and owner is StateDB, "BAD", "no")
    with monkeypatch.context() as dead:
        dying(dead, owner, name, at=at, after=after)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    store("first").heal()
    sent = len(lab.records())
    again = lab.run()
    (recovered,) = again.recovered
    told = recovered.acknowledged + recovered.rejected + recovered.unknown + recovered.skipped + recovered.sent_again
    assert told >= sent
    with lab.project() as project:
        project.retry("people")
        project.resolve("people", "resend")
    lab.run()
    assert lab.records() == [(key, f"name {key}") for key in range(1, 6)]
    assert lab.run().status == "nothing_to_do"
