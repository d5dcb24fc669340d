"""What takes rows into the snapshot without sending them: adopt and resolve, and the snapshot of a delete sync."""

import re
import sqlite3
from dataclasses import replace

import pytest

from tailrace.api import Project
from tailrace.destination import Record, plugins
from tailrace.errors import AccessDenied, AnswerLost, UsageError
from tailrace.project import load_project
from tailrace.running.adopt import Adopted
from tailrace.testing.memory import MemoryDestination
from tailrace.testing.plugin import forget_stores, plugin, store

LOG = """\
model: people
destination: log
object: people
mode: append
append: changes
key: id
match: {id: id}
fields: {name: name}
"""


def with_mode(workspace, mode):
    """Rewrite the sync's mode; mode delete has no fields."""
    text = re.sub(r"mode: \w+", f"mode: {mode}", workspace.root.joinpath("syncs/people.yml").read_text())
    workspace.write("syncs/people.yml", re.sub(r"fields:\n(  .*\n)+", "", text) if mode == "delete" else text)


def table(workspace, *rows):
    """A table of people that others own."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(
            "create table people (id integer primary key, name text, email text, spent real, source text)"
        )
        connection.executemany("insert into people values (?, ?, ?, ?, 'warehouse')", rows)


class Log(MemoryDestination):
    """An adapter of a log: each row created is one more record, whatever has its match value."""

    def push(self, batch):
        """Create without regard to match."""
        rows = tuple(
            replace(row, match=(), values={**row.values, **dict(zip(batch.match, row.match, strict=True))})
            for row in batch.rows
        )
        return super().push(replace(batch, match=(), rows=rows))


class Texts(Log):
    """An adapter whose look-ups give match values back as text, as many vendors do."""

    def find(self, object, match, values, fields=()):
        """The records found, with texts for match."""
        for record in super().find(object, match, values, fields):
            yield replace(record, match=tuple(str(value) for value in record.match))


@pytest.fixture
def log(workspace, monkeypatch):
    """A project that appends to a store in memory: `log(ADAPTER)` loads it as its files are then."""
    forget_stores()
    settings = "  log: {type: memory, store: log, settle: 0s}\n  other: {type: memory, store: other}\n"
    workspace.write("tailrace.yml", workspace.root.joinpath("tailrace.yml").read_text() + settings)
    workspace.write("syncs/people.yml", LOG)
    opened = []

    def load(adapter=Log):
        memory = replace(plugin, open=lambda config, context: adapter(store(config.store), context))
        known = {**plugins(), "memory": memory}
        monkeypatch.setattr("tailrace.running.session.plugins", lambda: known)
        opened.append(Project(load_project(workspace.root, plugins=known)))
        return opened[-1]

    yield load
    for project in opened:
        project.close()


class Doubles(Log):
    """An adapter whose look-ups give every record, and so both where two have one match value."""

    def find(self, object, match, values, fields=()):
        """All records of the object."""
        for name, record in store("log").records(object).items():
            yield Record(name, tuple(record[each] for each in match), {each: record.get(each) for each in fields})


def edit(workspace, before, after):
    """Change a word of the sync's file."""
    path = workspace.root / "syncs/people.yml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def lost(project, *, carried_out):
    """Run while no answer comes to any request."""
    account = store("log")
    account.fail(AnswerLost("the line went dead"), "push", times=None, after_commit=carried_out)
    account.fail(AccessDenied("not now"), "find", times=None)
    result = project.run("people")
    account.heal()
    return result


def name_of(people):
    """Names in the store, by id."""
    return sorted((values["id"], values["name"]) for values in store("log").records(people).values())


# Adopt.


def test_adopt_of_a_delete_sync_is_refused(workspace):
    """What is found there is what is to be deleted: to take it for done would leave it there for good."""
    table(workspace, (1, "Ann", None, 1))
    with_mode(workspace, "delete")
    for arguments in ((), ("--trust",)):
        refused = workspace.run("adopt", "people", *arguments, "--yes", code=2)
        assert "mode is delete" in refused.err
    workspace.run("run", "people")
    assert workspace.table() == []


def test_adopt_knows_a_match_value_in_another_form(workspace):
    """The model's decimal 1.00 is the table's integer 1."""
    table(workspace, (1, "Ann", "ann@example.com", 10.5), (2, "Bob", None, 20), (3, "Old", "cid@example.com", 0))
    edit(workspace, "model: people", "model: exact")
    model = workspace.root.joinpath("models/people.sql").read_text()
    workspace.write("models/exact.sql", model.replace("select id,", "select id::decimal(12, 2) as id,"))
    adopted = workspace.run("adopt", "people", "--json").json
    assert (adopted["adopted"], adopted["absent"], adopted["ambiguous"]) == (3, 0, 0)
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert (plan["inserts"], plan["updates"]) == (0, 1)


def test_adopt_leaves_ambiguous_rows_out_and_says_so(workspace, log):
    """Two records have one match value: neither may be taken for the row's own, though the snapshot knew one."""
    edit(workspace, "mode: append\nappend: changes", "mode: upsert")
    project = log(Doubles)
    project.adopt("people", trust=True)
    for number, name in ((1, "Ann"), (1, "Other"), (2, "Bob")):
        store("log").put("people", {"id": number, "name": name})
    adopted = project.adopt("people")
    assert (adopted.adopted, adopted.absent, adopted.ambiguous) == (1, 1, 1)
    assert adopted.to_json()["ambiguous"] == 1
    assert [change.key["id"] for change in project.plan("people").changes()] == [1, 3]
    event = project.explain("people", {"id": "1"}).events[-1]
    assert (event.status, event.code) == (None, "AMBIGUOUS_MATCH")


def test_adopt_of_a_model_without_a_valid_row_takes_nothing(workspace):
    """Rows that cannot be told apart are no error: there is nothing to take."""
    table(workspace)
    workspace.people((1, "Ann", None, 1), (1, "Bob", None, 1))
    told = workspace.run("adopt", "people", "--yes", "--json").json
    assert (told["model_rows"], told["adopted"], told["absent"]) == (2, 0, 0)


def test_adopt_tells_of_rows_that_no_run_sends(workspace):
    """Rows without a key, or with one that another row has, are left out: how many, and which for example."""
    workspace.people((1, "Ann", None, 1), (2, "Bob", None, 2), (2, "Rob", None, 2), (None, "Nobody", None, 3))
    told = workspace.run("adopt", "people", "--trust", "--json").json
    assert (told["model_rows"], told["adopted"]) == (4, 1)
    assert told["invalid"] == [
        {"reason": "null_key", "rows": 1, "examples": [{"id": None}]},
        {"reason": "duplicate_key", "rows": 2, "examples": [{"id": 2}, {"id": 2}]},
    ]
    out = workspace.run("adopt", "people", "--trust", "--yes").out
    assert "people: 1 of 4 rows adopted, 0 not there yet\n" in out
    assert "  invalid: 1 null_key, e.g. id=∅: left out, and no run sends them\n" in out
    assert "  invalid: 2 duplicate_key, e.g. id=2, id=2: left out, and no run sends them\n" in out
    (entry, _) = workspace.run("runs", "--json").json["runs"]
    assert entry["message"] == "adopted 1 rows; 0 absent, 0 ambiguous, 3 invalid"
    workspace.people((1, "Ann", None, 1))
    assert "invalid" not in workspace.run("adopt", "people", "--trust", "--yes").out


def test_adopt_names_ambiguous_rows_to_people(workspace, monkeypatch):
    """The line is there when there are such rows."""
    table(workspace)
    told = Adopted("people", model_rows=3, adopted=1, absent=1, ambiguous=1)
    monkeypatch.setattr(Project, "adopt", lambda *_, **__: told)
    assert "1 left out: several records have their match value" in workspace.run("adopt", "people").out
    monkeypatch.setattr(Project, "adopt", lambda *_, **__: replace(told, ambiguous=0))
    assert "left out" not in workspace.run("adopt", "people").out


def test_adopt_shows_among_runs_and_in_the_story_of_a_row(workspace):
    """Explain tells what adopt read, and what it did not find; no schedule takes it for a run."""
    table(workspace, (1, "Anne", "ann@example.com", 10.5))
    edit(workspace, "mode: mirror", "mode: mirror\nschedule: {every: 1h}")
    workspace.run("adopt", "people")
    (listed,) = workspace.run("runs", "--json").json["runs"]
    assert (listed["mode"], listed["status"], listed["model_rows"], listed["acknowledged"]) == (
        "adopt",
        "succeeded",
        3,
        1,
    )
    assert listed["message"] == "adopted 1 rows; 2 absent, 0 ambiguous"
    assert "succeeded (adopt)" in workspace.run("runs").out
    story = workspace.run("explain", "people", "--key", "1", "--json").json
    (event,) = story["events"]
    assert (event["run_id"], event["action"], event["status"]) == (listed["run_id"], "adopt", "acknowledged")
    assert event["fields"]["name"]["new"] == "Anne"
    missing = workspace.run("explain", "people", "--key", "2", "--json").json
    assert [(each["status"], each["code"], each["fields"]) for each in missing["events"]] == [(None, "ABSENT", {})]
    assert "takes it up again" in missing["standing"]
    status = workspace.run("status", "--json").json["syncs"][0]
    assert (status["last_run"], status["freshness_s"]) == (None, None)
    assert workspace.run("run", "--due", "--json").json["runs"][0]["sync"] == "people"


def test_an_adopt_that_fails_is_recorded_with_its_reason(workspace):
    """A model that cannot be read ends the record as failed, and moves no snapshot."""
    table(workspace, (1, "Ann", None, 1))
    (workspace.root / "people.csv").unlink()
    workspace.run("adopt", "people", code=1)
    (listed,) = workspace.run("runs", "--json").json["runs"]
    assert (listed["mode"], listed["status"]) == ("adopt", "failed")
    assert "people.csv" in listed["message"]


# Modes that delete, and modes that write.


def test_turning_an_upsert_sync_into_a_delete_sync_deletes(workspace):
    """A snapshot of what was written does not say that it was deleted."""
    with_mode(workspace, "upsert")
    workspace.run("run", "people")
    with_mode(workspace, "delete")
    note = workspace.run("plan", "people", "--json").json["plans"][0]["notes"][0]
    assert "holds 'payloads' → 'deletions'" in note
    workspace.run("run", "people")
    assert workspace.table() == []
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"


def test_deleted_records_come_back_when_the_sync_writes_again(workspace):
    """Each kind of snapshot gives up the rows that the other kind has settled since."""
    text = workspace.root.joinpath("syncs/people.yml").read_text().replace("mode: mirror", "mode: upsert")
    workspace.write("syncs/people.yml", text)
    workspace.run("run", "people")
    for _ in range(2):
        with_mode(workspace, "delete")
        workspace.people((1, "Ann", "ann@example.com", 10.5), (2, "Bob", None, 20))
        workspace.run("run", "people")
        assert [row[0] for row in workspace.table()] == [3]
        workspace.write("syncs/people.yml", text)
        result = workspace.run("run", "people", "--json").json["runs"][0]
        assert (result["inserts"], result["updates"], len(workspace.table())) == (2, 0, 3)


# Resolve.


def test_look_up_keeps_a_changed_row_of_append_held(workspace, log):
    """The record found is the version from before: to take it for the change would lose the change."""
    project = log()
    project.run("people")
    workspace.people((1, "Anna", None, 1), (2, "Bob", None, 20), (3, "Cid", None, 0))
    assert lost(project, carried_out=False).unknown == 1
    assert project.resolve("people", "look_up") == []
    assert len(project.resolve("people")) == 1
    assert len(project.resolve("people", "resend")) == 1
    assert project.run("people").acknowledged == 1
    assert (1, "Anna") in name_of("people")


def test_look_up_knows_match_values_in_another_form(workspace, log):
    """An adapter that gives "1" back for 1 has found the row all the same, and nothing is created twice."""
    project = log(Texts)
    assert lost(project, carried_out=True).unknown == 3
    assert len(project.resolve("people", "look_up")) == 3
    assert project.run("people").status == "nothing_to_do"
    assert len(name_of("people")) == 3


def test_look_up_asks_for_the_object_the_rows_were_sent_to(workspace, log):
    """The sync was pointed at another object since: there, nothing would be found, and all sent again."""
    assert lost(log(), carried_out=True).unknown == 3
    edit(workspace, "object: people", "object: persons")
    assert len(log().resolve("people", "look_up")) == 3
    edit(workspace, "object: persons", "object: people")
    assert log().run("people").status == "nothing_to_do"


def test_look_up_asks_no_other_destination_than_the_one_they_were_sent_to(workspace, log):
    """Rows sent elsewhere are not looked for here: the refusal names both places, and they stay held."""
    assert lost(log(), carried_out=True).unknown == 3
    edit(workspace, "destination: log", "destination: other")
    project = log()
    with pytest.raises(UsageError, match="were sent to log, account log; the sync has other, account other, now"):
        project.resolve("people", "look_up")
    edit(workspace, "destination: other", "destination: log")
    assert len(log().resolve("people", "skip")) == 3


def test_resolve_shows_among_runs_and_in_the_story_of_a_row(workspace, log):
    """Explain tells how the row was settled, and by which record of `runs`."""
    project = log()
    lost(project, carried_out=True)
    project.resolve("people", "look_up")
    told = project.runs()[0].record
    assert (told.mode, told.status, told.tallies.acknowledged) == ("resolve", "succeeded", 3)
    event = project.explain("people", {"id": "1"}).events[-1]
    assert (event.run_id, event.action, event.status) == (told.run_id, "resolve", "acknowledged")
    assert event.record_id is not None
    assert event.message == "found at the destination: taken as delivered"


def test_resolve_leaves_what_is_missing_to_the_next_run(workspace, log):
    """Nothing arrived: the look-up says so in the row's story, and the rows go out once more."""
    project = log()
    assert lost(project, carried_out=False).unknown == 3
    assert len(project.resolve("people", "look_up")) == 3
    event = project.explain("people", {"id": "1"}).events[-1]
    assert (event.status, event.code) == (None, "ABSENT")
    assert project.run("people").acknowledged == 3
    assert len(name_of("people")) == 3


# What a killed run left behind comes first.


class Killed(BaseException):
    """The end of a process, as far as one process can play it."""


def killed(project, *, carried_out):
    """Run, and die in the first request, before or after the destination has carried it out."""
    store("log").fail(Killed(), "push", after_commit=carried_out)
    with pytest.raises(Killed):
        project.run("people")


def test_adopt_recovers_a_killed_run_first(workspace, log):
    """Recovered later, that run's outcomes would go over the new baseline."""
    project = log()
    killed(project, carried_out=True)
    assert project.adopt("people").adopted == 3
    assert [run.record.status for run in project.runs()] == ["succeeded", "interrupted"]
    assert project.run("people").recovered == ()


def test_resolve_settles_rows_that_recovery_holds(workspace, log):
    """One command is enough after a crash: the killed run's doubtful rows are held, then settled as asked."""
    project = log()
    project.run("people")
    workspace.people((1, "Anna", None, 1), (2, "Bob", None, 20), (3, "Cid", None, 0))
    killed(project, carried_out=True)
    assert [row.issue.key for row in project.resolve("people", "skip")] == [{"id": 1}]
    assert project.run("people").status == "nothing_to_do"
    assert (1, "Anna") in name_of("people")


def test_the_command_tells_which_rows_stay_held(workspace, log, monkeypatch):
    """A look-up that could not tell is not reported as a settled row."""
    project = log()
    project.run("people")
    workspace.people((1, "Anna", None, 1), (2, "Bob", None, 20), (3, "Cid", None, 0))
    lost(project, carried_out=True)
    monkeypatch.setattr(Project, "load", lambda _: project)
    told = workspace.run("resolve", "people", "--look-up").out
    assert "0 rows resolved (look up)" in told
    assert "1 rows were sent and no answer came" in told
    shown = workspace.run("resolve", "people", "--look-up", "--json").json
    assert (shown["unknown"], [row["key"] for row in shown["held"]]) == ([], [{"id": 1}])


def test_an_adopt_that_was_killed_is_no_obstacle(workspace, log):
    """It moved nothing: the next run ends its record and goes on as if it had not been."""
    project = log()
    store("log").fail(Killed(), "find")
    with pytest.raises(Killed):
        project.adopt("people")
    assert project.run("people").acknowledged == 3
    assert [run.record.status for run in project.runs()] == ["succeeded", "interrupted"]


def test_adopt_keeps_a_record_that_is_about_to_move(workspace):
    """A row whose match value changed is not found under the new one; its record moves in the next run."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(
        sync.read_text().replace("match: {id: id}", "match: {name: name}").replace("  name: name\n", "  id: id\n")
    )
    workspace.run("run", "people")
    workspace.people((1, "Anna", "ann@example.com", 10.5), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0))
    workspace.run("adopt", "people", "--yes")
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert [(change["op"], change["fields"].get("name")) for change in plan["changes"]] == [
        ("update", {"old": "Ann", "new": "Anna"})
    ]
    workspace.run("run", "people")
    assert len(workspace.table()) == 3
