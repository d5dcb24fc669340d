"""Failures between sending and saving, and what the next run makes of them; through the Python API."""

import sqlite3

import pytest
from tests.e2e.labs import MemoryLab, in_memory

from tailrace.errors import AccessDenied, AnswerLost, SnapshotError, StateError, UsageError
from tailrace.snapshot.store import SnapshotStore
from tailrace.state import Journal, Lease
from tailrace.testing.plugin import store

SYNC = """\
model: people
destination: mem
object: people
mode: append
batch_size: 1
key: id
fields:
  id: id
  name: name
"""


class Lab(MemoryLab):
    """A project whose destination is a store in this process."""

    def __init__(self, workspace):
        super().__init__(workspace, SYNC)

    def names(self, account="first"):
        return sorted(record["name"] for record in store(account).records("people").values())


@pytest.fixture
def lab(workspace, monkeypatch):
    """A project over the in-memory adapter."""
    in_memory(monkeypatch)
    return Lab(workspace)


def failing_once(monkeypatch, owner, name, error, *, at=1):
    """Make the call number `at` of a method raise, and no other."""
    original, calls = getattr(owner, name), []

    def method(*arguments, **named):
        calls.append(name)
        if len(calls) == at:
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, method)


@pytest.mark.parametrize(
    ("owner", "name", "error", "at"),
    [
        (SnapshotStore, "commit", SnapshotError("no space left on the device"), 1),
        (SnapshotStore, "commit", OSError(28, "No space left on device"), 1),
        (Journal, "settle", StateError("the state database is locked"), 2),
        (Journal, "intend_all", StateError("the state database is locked"), 2),
    ],
    ids=["snapshot not saved", "disk full", "outcome not recorded", "intent not recorded"],
)
def test_an_error_after_sending_began_is_recovered_by_the_next_run(lab, monkeypatch, owner, name, error, at):
    """The run fails and says that its journal is kept; the next run folds it in: nothing is created twice."""
    failing_once(monkeypatch, owner, name, error, at=at)
    failed = lab.run()
    assert (failed.status, failed.exit_code) == ("failed", 1)
    assert "next run" in failed.message
    second = lab.run()
    assert second.recovered
    in_doubt = {row.issue.key_text for row in lab.project().resolve("people")}
    assert len(lab.names()) + len(in_doubt) >= 3
    assert len(lab.names()) == len(set(lab.names()))
    assert lab.run().status == "nothing_to_do"


def test_rows_of_unknown_outcome_stay_held_while_the_model_lacks_them(lab):
    """A row that disappears for one run and comes back is not created a second time."""
    store("first").fail(AnswerLost("the connection broke"), times=3, after_commit=True)
    assert lab.run().unknown == 3
    lab.workspace.people((9, "Zoe", None, 1))
    lab.run()
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1), (9, "Zoe", None, 1))
    again = lab.run()
    assert again.status == "nothing_to_do"
    assert any("held back" in note for note in again.notes)
    assert lab.names() == ["Ann", "Bob", "Cid", "Zoe"]


def test_full_is_refused_where_it_would_create_everything_twice(lab):
    """`--full` in mode append is an error, not a second copy of every record."""
    lab.edit(SYNC.replace("mode: append", "mode: append\nappend: changes"))
    lab.run()
    assert "second time" in lab.run(full=True).message
    with lab.project() as project, pytest.raises(UsageError, match="second time"):
        project.plan("people", full=True)
    assert lab.names() == ["Ann", "Bob", "Cid"]


def test_a_mapping_edit_after_a_crash_does_not_block_the_sync(lab, monkeypatch):
    """The broken run is recovered with the fields it had."""
    failing_once(monkeypatch, Journal, "settle", KeyboardInterrupt(), at=2)
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    lab.edit(SYNC + "  spent: spent\n")
    assert lab.run().recovered
    assert lab.run().status == "nothing_to_do"


def test_a_plan_is_not_applied_to_another_account(lab, tmp_path):
    """A plan made for one account is refused when the credentials turn out to be another's."""
    with lab.project() as project:
        project.save_plan(project.plan("people", check=True), tmp_path / "p.plan")
    config = lab.root / "tailrace.yml"
    config.write_text(config.read_text().replace("store: first", "store: second"))
    with lab.project() as project:
        result = project.apply(tmp_path / "p.plan")
    assert (result.status, result.exit_code) == ("blocked", 3)
    assert "account" in result.message
    assert store("second").writes == 0


def test_a_crash_on_one_account_is_not_looked_up_on_another(lab, monkeypatch):
    """Rows that were being created elsewhere are held, not taken for absent and created again."""
    lab.edit(SYNC.replace("mode: append", "mode: append\nmatch: {id: id}").replace("  id: id\n", ""))
    failing_once(monkeypatch, Journal, "settle", KeyboardInterrupt(), at=1)
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    config = lab.root / "tailrace.yml"
    config.write_text(config.read_text().replace("store: first", "store: second"))
    assert lab.run().acknowledged == 3
    config.write_text(config.read_text().replace("store: second", "store: first"))
    back = lab.run()
    assert (back.acknowledged, back.rejected) == (2, 0)
    assert any("held back" in note for note in back.notes)
    assert lab.names("first") == ["Ann", "Bob", "Cid"]


def test_a_reset_after_a_crash_sends_everything_again(lab, monkeypatch):
    """What the broken run was told is forgotten too."""
    lab.edit(SYNC.replace("mode: append", "mode: upsert\nmatch: {id: id}").replace("  id: id\n", ""))
    failing_once(monkeypatch, Journal, "settle", KeyboardInterrupt(), at=2)
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    with lab.project() as project:
        project.reset("people")
    result = lab.run()
    assert (result.acknowledged, result.recovered) == (3, ())


def test_a_sync_that_is_held_is_not_due(lab):
    """`run --due` beside a run that is still going leaves that sync alone."""
    lab.edit(SYNC + "schedule: {every: 1h}\n")
    with lab.project() as project:
        assert project.due() == ["people"]
        lab.run(limit=0)
        with sqlite3.connect(lab.root / ".tailrace/state.db") as connection:
            connection.execute("delete from runs")
            connection.execute("update leases set holder = 'another', expires_at = 4e9, host = 'elsewhere'")
        assert project.due() == []


def test_status_survives_a_damaged_snapshot(lab):
    """One damaged manifest does not hide the other syncs."""
    lab.run()
    (manifest,) = lab.root.glob(".tailrace/snapshots/people/*/manifest.json")
    manifest.write_text("{")
    with lab.project() as project:
        assert project.status()[0].snapshot_rows is None


def test_rejected_rows_of_a_former_identity_are_not_shown(lab):
    """After the object changed, its rejected rows are no longer asked about."""
    store("first").refuse(lambda row: row.values["name"] == "Bob", "NO", "not this one")
    assert lab.run().rejected == 1
    lab.edit(SYNC.replace("object: people", "object: persons"))
    with lab.project() as project:
        assert project.rejected("people") == []
        assert project.status()[0].rejected == 0


@pytest.mark.parametrize(
    ("column", "typed"),
    [("cast(id as decimal(6, 2))", "2"), ("id = 2", "true"), ("date '2026-01-01' + cast(id as integer)", "2026-01-03")],
    ids=["decimal", "boolean", "date"],
)
def test_keys_are_found_as_people_type_them(lab, column, typed):
    """A key is parsed as its column's type, in retry, dismiss and explain, and shown as JSON in results."""
    lab.workspace.write("models/people.sql", f"select {column} as id, name from read_csv('people.csv') where id <= 2")
    lab.edit(SYNC + "guards: {max_invalid: off}\n")
    store("first").refuse(lambda row: row.values["name"] == "Bob", "NO", "not this one")
    result = lab.run()
    assert result.rejected == 1
    assert result.to_json()["errors"][0]["example"]["key"].keys() == {"id"}
    with lab.project() as project:
        assert project.dismiss("people", key={"id": typed}) == 1
        assert "dismissed" in project.explain("people", {"id": typed}).standing
        assert project.retry("people", key={"id": typed}) == 1
        assert "retry" in project.explain("people", {"id": typed}).standing
        with pytest.raises(UsageError, match="no rejected row"):
            project.retry("people", key={"id": "7"})


def test_a_record_whose_answer_was_lost_is_not_forgotten_when_its_row_leaves(lab):
    """The create arrived, its answer did not, the row left the model: the next run deletes the record."""
    lab.edit(SYNC.replace("mode: append", "mode: mirror\nmatch: {id: id}").replace("  id: id\n", ""))
    lab.run()
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1), (4, "Dee", None, 1))
    lose_answers(lab)
    with lab.project() as project:
        assert project.status()[0].unknown == 1
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1))
    assert lab.run().deletes == 1
    assert lab.names() == ["Ann", "Bob", "Cid"]
    with lab.project() as project:
        assert project.status()[0].unknown == 0
    assert lab.run().status == "nothing_to_do"


def lose_answers(lab):
    """A run whose every write is carried out and not answered."""
    store("first").fail(AnswerLost("the connection broke"), times=None, after_commit=True)
    assert lab.run().status in {"failed", "partial"}
    store("first").heal()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_delete_whose_answer_was_lost_is_not_forgotten_when_its_row_comes_back(lab, arrived):
    """The record may be gone although the model has the row again, as it was: it is written anew."""
    lab.edit(SYNC.replace("mode: append", "mode: mirror\nmatch: {id: id}").replace("  id: id\n", ""))
    lab.run()
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1))
    store("first").fail(AnswerLost("the connection broke"), times=None, after_commit=arrived)
    lab.run()
    store("first").heal()
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1))
    assert lab.run().acknowledged == 1
    assert lab.names() == ["Ann", "Bob", "Cid"]
    assert lab.run().status == "nothing_to_do"


@pytest.mark.parametrize("way", [None, "look_up", "resend"])
def test_an_update_whose_answer_was_lost_is_not_forgotten_when_the_model_takes_it_back(lab, way):
    """The new value may have arrived although the model has the old one again: sent anew, resolved or not."""
    lab.edit(SYNC.replace("mode: append", "mode: mirror\nmatch: {id: id}").replace("  id: id\n", ""))
    lab.run()
    lab.workspace.people((1, "Anna", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1))
    lose_answers(lab)
    assert lab.names() == ["Anna", "Bob", "Cid"]
    lab.workspace.people((1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1))
    with lab.project() as project:
        assert project.status()[0].unknown == 1
        assert way is None or len(project.resolve("people", way)) == 1
    assert lab.run().acknowledged == 1
    assert lab.names() == ["Ann", "Bob", "Cid"]
    assert lab.run().status == "nothing_to_do"


@pytest.mark.parametrize("change", ["insert", "update", "delete"])
def test_what_was_in_flight_is_not_forgotten_when_the_model_takes_it_back(lab, monkeypatch, change):
    """The same where the run died before the answer: what it may have done is done again, or undone."""
    lab.edit(SYNC.replace("mode: append", "mode: mirror\nmatch: {id: id}").replace("  id: id\n", ""))
    lab.run()
    before = [(1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1)]
    after = {"insert": [*before, (4, "Dee", None, 1)], "update": [(1, "Anna", None, 1), *before[1:]]}
    lab.workspace.people(*after.get(change, before[1:]))
    with monkeypatch.context() as patch:
        failing_once(patch, Journal, "settle", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    assert lab.names() != ["Ann", "Bob", "Cid"]
    lab.workspace.people(*before)
    result = lab.run()
    assert (result.acknowledged, len(result.recovered)) == (1, 1)
    assert lab.names() == ["Ann", "Bob", "Cid"]
    assert lab.run().status == "nothing_to_do"


def test_a_record_made_anew_gets_a_field_that_is_mapped_again(lab):
    """Its row was written whole when someone had deleted the record, but without that field: later it is sent."""
    sync = SYNC.replace("mode: append", "mode: mirror\nmatch: {id: id}").replace("  id: id\n", "")
    lab.edit(sync + "  email: email\n")
    lab.workspace.people((1, "Ann", "ann@example.com", 1))
    lab.run()
    lab.edit(sync)
    vendor = store("first")
    (record,) = vendor.records("people")
    vendor._remove(vendor._table("people"), record, archive=False)
    lab.workspace.people((1, "Anna", "ann@example.com", 1))
    assert lab.run().acknowledged == 1
    lab.edit(sync + "  email: email\n")
    assert lab.run().acknowledged == 1
    assert [record["email"] for record in vendor.records("people").values()] == ["ann@example.com"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_sync_that_cannot_be_given_back_does_not_change_how_its_run_ended(lab, monkeypatch, fails, caplog):
    """Everything was sent and recorded, or the run failed for a reason of its own: that is what it tells."""
    error = StateError("the state database is locked")
    monkeypatch.setattr(Lease, "release", lambda _: (_ for _ in ()).throw(error))
    if fails:
        store("first").fail(AccessDenied("no"), "check", times=None)
    result = lab.run()
    with lab.project() as project:
        assert project.status()[0].status == result.status == ("failed" if fails else "succeeded")
    assert str(error) not in str(result.message)
    assert "could not be given back" in caplog.text
