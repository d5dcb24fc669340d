"""The story of one row: planned, sent, answered, held back, in doubt, recovered, looked up, sent again."""

import json
from importlib import import_module

import pytest
from tests.e2e.labs import MemoryLab, in_memory

from tailrace.cli import render
from tailrace.errors import AccessDenied, AnswerLost
from tailrace.state import Journal
from tailrace.testing.plugin import store

SYNC = """\
model: people
destination: mem
object: people
mode: MODE
batch_size: 1
key: id
match: {id: id}
fields: {name: name}
"""
PEOPLE = [(1, "Ann", None, 1), (2, "Bob", None, 1), (3, "Cid", None, 1)]


class Lab(MemoryLab):
    """A project over the in-memory adapter, a batch for each row."""

    def __init__(self, workspace, mode):
        super().__init__(workspace, SYNC.replace("MODE", mode))
        self.store = store("first")
        workspace.people(*PEOPLE)

    def dies(self, monkeypatch, *, at, after="send"):
        """A run that ends like a killed process when batch `at` was sent, or when its outcome was recorded."""
        settle, calls = Journal.settle, []

        def killed(journal, number, outcomes):
            calls.append(number)
            if len(calls) == at:
                if after == "settle":
                    settle(journal, number, outcomes)
                raise KeyboardInterrupt
            settle(journal, number, outcomes)

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "settle", killed)
            with pytest.raises(KeyboardInterrupt):
                self.run()

    def story(self, key):
        with self.project() as project:
            return project.explain("people", {"id": str(key)})

    def events(self, key):
        """Status, code and run of each event."""
        return [(event.status, event.code, event.run_id) for event in self.story(key).events]

    def told(self, key):
        """As the command shows it."""
        return render.story(self.story(key))


@pytest.fixture
def make(workspace, monkeypatch):
    """Makes the project in a mode."""
    in_memory(monkeypatch)
    monkeypatch.setattr(import_module("tailrace.delivery.deliver"), "_AHEAD_S", 0.0)  # as if it took its time
    return lambda mode="mirror": Lab(workspace, mode)


def test_a_row_is_planned_sent_and_answered(make):
    """Each run that sent it, with fields, batch, record, and the times of sending and of the answer."""
    lab = make()
    first = lab.run()
    lab.workspace.people((1, "Anna", None, 1), *PEOPLE[1:])
    second = lab.run()
    one, two = lab.story(1).events
    assert (one.run_id, one.action, one.status, one.batch) == (first.run_id, "upsert", "acknowledged", 1)
    assert (two.run_id, two.action, two.status) == (second.run_id, "update", "acknowledged")
    assert two.fields == {"name": {"old": "Ann", "new": "Anna"}}
    assert one.at <= one.sent_at <= one.answered_at <= two.at <= two.sent_at
    assert lab.story(3).events[0].batch == 3
    assert "upsert acknowledged record m1 (batch 1, sent " in lab.told(1)


def test_runs_that_held_a_row_back_are_told(make):
    """Those that planned it and left it out, with the reason; runs in a row with one reason are one line."""
    lab = make()
    lab.store.refuse(lambda row: row.values.get("name") == "Bob", "NO", "not this one")
    refused = [lab.run().run_id for _ in range(2)]
    waited = [lab.run().run_id for _ in range(3)]
    with lab.project() as project:
        project.dismiss("people")
    dismissed = lab.run().run_id
    assert lab.events(2) == [
        ("rejected", "NO", refused[0]),
        ("rejected", "NO", refused[1]),
        ("held", "waiting", waited[0]),
        ("held", "dismissed", dismissed),
    ]
    held = lab.story(2).events[2]
    assert (held.runs, held.last_run) == (3, waited[2])
    assert held.message.startswith(f"refused in run {refused[1]}: waits until 20")
    assert f"3 runs, {waited[0]} to {waited[2]}: planned and held back" in lab.told(2)
    assert [event.status for event in lab.story(1).events] == ["acknowledged"]


def test_a_row_in_flight_in_a_crash_is_told_before_and_after_its_recovery(make, monkeypatch):
    """First that no answer is recorded; then that the run broke off, who recovered it, and that it was sent again."""
    lab = make()
    lab.dies(monkeypatch, at=2)
    assert [(event.status, event.code) for event in lab.story(1).events] == [("acknowledged", None)]
    assert [(event.status, event.code) for event in lab.story(2).events] == [(None, "IN_FLIGHT")]
    assert [(event.status, event.code) for event in lab.story(3).events] == [(None, None)]
    assert "in flight (batch 2, sent " in lab.told(2)
    assert "not sent yet" in lab.told(3)
    again = lab.run()
    assert [str(each) for each in again.recovered] == [
        f"recovered 2 rows of run {again.recovered[0].run_id}: 1 acknowledged, 1 sent again"
    ]
    broken, sent = lab.story(2).events
    assert (broken.status, broken.code, broken.batch) == ("unknown", "IN_FLIGHT", 2)
    assert broken.run_message == f"broke off; run {again.run_id} recovered its outcomes"
    assert (sent.run_id, sent.status) == (again.run_id, "acknowledged")
    assert f"(broke off; run {again.run_id} recovered its outcomes): upsert unknown" in lab.told(2)
    with lab.project() as project:
        assert project.status()[0].unknown == 0


def test_a_created_row_that_a_look_up_found_says_so(make, monkeypatch):
    """What recovery found at the destination is acknowledged, with how that is known."""
    lab = make("insert")
    lab.dies(monkeypatch, at=2)
    again = lab.run()
    assert str(again.recovered[0]).endswith(": 2 acknowledged")
    (event,) = lab.story(2).events
    assert (event.status, event.code, event.record_id) == ("acknowledged", "FOUND", "m2")
    assert "a look-up found the record" in lab.told(2)


def test_a_created_row_that_a_look_up_did_not_find_is_planned_again(make, monkeypatch):
    """The broken run has no outcome for it, but says that it was in flight; the next one sends it."""
    lab = make("insert")
    lab.store.fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    again = lab.run()
    assert str(again.recovered[0]).endswith("1 row of run " + again.recovered[0].run_id + ": 1 sent again")
    assert lab.events(1) == [
        (None, "IN_FLIGHT", again.recovered[0].run_id),
        ("acknowledged", None, again.run_id),
    ]


@pytest.mark.parametrize("mode", ["mirror", "insert"])
def test_a_row_that_was_sent_twice_in_one_run_says_so(make, mode):
    """A lost answer in between is part of the story."""
    lab = make(mode)
    lab.store.fail(AnswerLost("timeout"))
    lab.run()
    assert [event.code for event in lab.story(1).events] == ["SENT_AGAIN"]
    assert "sent again: an answer was lost before" in lab.told(1)
    assert [event.code for event in lab.story(2).events] == [None]


def test_a_row_that_was_refused_for_now_says_so(make):
    """It went through in a later round of the same run."""
    lab = make()
    lab.store.refuse(lambda row: row.values["name"] == "Bob", "BUSY", "locked", recovery="retry")
    with lab.project() as project:
        project.run("people", progress=lambda at: lab.store.heal() if at.done == 2 else None)
    (event,) = lab.story(2).events
    assert (event.status, event.code, event.message) == (
        "acknowledged",
        "SENT_AGAIN",
        "sent again: refused for now",
    )
    assert event.batch == 4


@pytest.mark.parametrize(
    ("way", "status", "code"),
    [("look_up", "acknowledged", "FOUND"), ("skip", "acknowledged", "SKIP"), ("resend", None, "RESEND")],
)
def test_what_resolve_made_of_a_row_is_told(make, way, status, code):
    """A row that was held for a person shows what the person chose."""
    lab = make("append")
    lab.store.fail(AccessDenied("not you"), "find", times=None)
    lab.store.fail(AnswerLost("timeout"), after_commit=True)
    lab.run()
    lab.store.heal()
    with lab.project() as project:
        assert [row.issue.key["id"] for row in project.resolve("people")] == [1]
        project.resolve("people", way)
    first, resolved = lab.story(1).events[:2]
    assert (first.status, resolved.action, resolved.status, resolved.code) == ("unknown", "resolve", status, code)


def test_a_row_in_flight_is_sent_again_though_the_model_took_it_back(make, monkeypatch):
    """What was sent may be there, though the model has the old value again: nobody needs to resolve it."""
    lab = make()
    lab.run()
    lab.workspace.people((1, "Anna", None, 1), *PEOPLE[1:])
    lab.dies(monkeypatch, at=1)
    lab.workspace.people(*PEOPLE)
    again = lab.run()
    assert (again.acknowledged, str(again.recovered[0]).partition(": ")[2]) == (1, "1 sent again")
    with lab.project() as project:
        assert project.resolve("people") == []
    assert sorted(record["name"] for record in lab.store.records("people").values()) == ["Ann", "Bob", "Cid"]
    assert [event.status for event in lab.story(1).events] == ["acknowledged", "unknown", "acknowledged"]


def test_json_has_it_all(make):
    """Every event has the same names, and times in ISO 8601."""
    lab = make()
    lab.store.refuse(lambda row: row.values.get("name") == "Bob", "NO", "not this one")
    for _ in range(3):
        lab.run()
    events = json.loads(json.dumps(lab.story(2).to_json()))["events"]
    assert {tuple(event) for event in events} == {tuple(events[0])}
    assert [event["status"] for event in events] == ["rejected", "rejected", "held"]
    assert events[0]["answered_at"].endswith("Z")
    assert (events[2]["runs"], events[2]["sent_at"]) == (1, None)
