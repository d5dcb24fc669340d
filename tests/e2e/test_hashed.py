"""`snapshot: {values: hashed}` through the command line: what may not be kept is nowhere, and nothing else changes."""

import datetime as dt
import hashlib
import json
import shutil
import sqlite3

import polars as pl
import pytest

from tailrace.errors import AnswerLost, SnapshotError
from tailrace.snapshot import store
from tailrace.snapshot.storage import Place

HASHED = "snapshot: {values: hashed}\n"
CANARIES = ("canary-ann", "canary-bob", "canary-dee", "canary-new", "47110815.25", "4711081525", "47120816")
"""Long enough that no digest holds one by chance: of four digits, one in thirty runs does."""
FIRST = (
    (1, "canary-ann", "canary-ann@example.com", 47110815.25),
    (2, "canary-bob", None, 20),
    (3, "Cid", "cid@example.com", 0),
)
SECOND = (
    (1, "canary-ann", "canary-new@example.com", 47110815.25),
    (2, "canary-bob", None, 20),
    (4, "canary-dee", None, 47120816),
)


@pytest.fixture
def hashed(workspace):
    """The people, of whose values digests are kept."""
    hide(workspace)
    workspace.people(*FIRST)
    return workspace


def hide(workspace, config=HASHED):
    path = workspace.root / "tailrace.yml"
    path.write_text(config + path.read_text())


def edit(workspace, name, old, new):
    path = workspace.root / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def texts(root):
    """All that can be read in a project's `.tailrace`: bytes of files, and values of the tables in them."""
    for path in (root / ".tailrace").rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            for column in pl.read_parquet(path).iter_columns():
                plain = column if column.dtype.is_nested() else column.cast(pl.String)
                yield path, repr(plain.to_list())


def telling(root, words=CANARIES):
    """Files, as seen from the project, in which one of these words can be found."""
    return {path.relative_to(root).as_posix() for path, text in texts(root) if any(word in text for word in words)}


def planned(workspace):
    (plan,) = workspace.run("plan", "people", "--json").json["plans"]
    return plan


def said(workspace):
    """What a plan would do: operation and field names by key."""
    return {(change["op"], change["key"]["id"]): set(change["fields"]) for change in planned(workspace)["changes"]}


def ran(workspace, *arguments, code=0):
    (run,) = workspace.run("run", "people", "--json", *arguments, code=code).json["runs"]
    return run


def later(monkeypatch):
    """From now on what is no longer needed has been so for long enough."""
    monkeypatch.setattr(store, "GRACE", dt.timedelta(seconds=-1))


def test_in_clear_the_values_are_there(workspace):
    """What is looked for would be found: in the snapshot, and in the run's own files."""
    workspace.people(*FIRST)
    ran(workspace)
    assert {name.split("/")[3] for name in telling(workspace.root)} == {"runs", *snapshots(workspace)}


def snapshots(workspace):
    """Names of the snapshots' folders."""
    return {path.name for path in (workspace.root / ".tailrace/snapshots/people").iterdir() if path.name != "runs"}


def test_no_value_is_left_anywhere(hashed):
    """Neither in a snapshot nor in a settled run nor in the state database, after inserts, updates, deletes, adopt."""
    ran(hashed)
    assert telling(hashed.root) == set()
    hashed.people(*SECOND)
    plan = hashed.run("plan", "people")
    assert "canary-new" in plan.out
    assert ran(hashed)["acknowledged"] == 3
    hashed.run("adopt", "people", "--yes")
    ran(hashed, "--full")
    assert telling(hashed.root) == set()


def test_a_plan_shows_what_will_be_and_not_what_was(hashed):
    """Names and new values of fields that change, and no old value, which nobody knows any more."""
    ran(hashed)
    hashed.people(*SECOND)
    plan = planned(hashed)
    assert not plan["old_known"]
    shown = {(change["op"], change["key"]["id"]): change["fields"] for change in plan["changes"]}
    assert shown.keys() == {("update", 1), ("insert", 4), ("delete", 3)}
    assert shown["update", 1] == {"email": {"old": None, "new": "canary-new@example.com", "old_known": False}}
    assert shown["insert", 4]["spent"] == {"old": None, "new": "47120816.00"}
    out = hashed.run("plan", "people").out
    assert "  ~ id=1    email ? → canary-new@example.com\n" in out
    assert "canary-ann" not in out
    preview = hashed.run("run", "people", "--dry-run", "--json").json["plans"][0]
    assert preview["changes"] == plan["changes"]


def test_what_did_not_change_is_not_sent(hashed):
    """A second run sends nothing, and one that has a change sends just that field."""
    ran(hashed)
    assert ran(hashed)["status"] == "nothing_to_do"
    hashed.people(*FIRST[:2], (3, "Cid", "cid@example.com", 1))
    with sqlite3.connect(hashed.root / "app.db") as table:
        table.execute("update people set name = 'kept', email = 'kept' where id = 3")
    assert said(hashed) == {("update", 3): {"spent"}}
    assert ran(hashed)["updates"] == 1
    assert hashed.table()[2][:3] == (3, "kept", "kept")
    assert ran(hashed)["status"] == "nothing_to_do"


def test_a_saved_plan_is_applied(hashed):
    """It has the values that are to be sent, until somebody removes it."""
    ran(hashed)
    hashed.people(*SECOND)
    hashed.run("plan", "people", "--out", "people.plan")
    (run,) = hashed.run("apply", "people.plan", "--json").json["runs"]
    assert (run["status"], run["acknowledged"]) == ("succeeded", 3)
    assert telling(hashed.root) == set()


def test_a_rows_story_is_told_without_values(hashed):
    """Runs, operations and the names of fields are still known."""
    ran(hashed)
    hashed.people(*SECOND)
    ran(hashed)
    story = hashed.run("explain", "people", "--key", "1", "--json").json
    assert [(event["op"], event["status"], set(event["fields"])) for event in story["events"]] == [
        ("insert", "acknowledged", {"name", "email", "spent", "source"}),
        ("update", "acknowledged", {"email"}),
    ]
    assert {event["values_kept"] for event in story["events"]} == {False}
    out = hashed.run("explain", "people", "--key", "1").out
    assert "update acknowledged record 1" in out
    assert out.endswith("    email\n")
    gone = hashed.run("explain", "people", "--key", "3").out
    assert "delete acknowledged" in gone


def test_a_rejected_row_leaves_no_hash_to_try_values_out_on(hashed):
    """What was sent is remembered to tell a change by, but as a digest with the key; so is the plan's hash."""
    hashed.run("adopt", "people", "--trust", "--yes")
    with sqlite3.connect(hashed.root / "app.db") as table:
        columns = "id bigint primary key, name text, email text check (email is null), spent numeric, source text"
        table.execute(f"create table people ({columns})")
        table.execute("insert into people (id) values (1), (2), (3)")
    hashed.people((1, "canary-ann", "canary-new@example.com", 47110815.25), *FIRST[1:])
    assert ran(hashed, code=4)["rejected"] == 1
    tried = json.dumps([["update", 1], {"email": "canary-new@example.com"}], sort_keys=True)
    with sqlite3.connect(hashed.root / ".tailrace/state.db") as state:
        ((kept,),) = state.execute("select payload_hash from row_issues").fetchall()
    assert kept != hashlib.sha256(tried.encode()).hexdigest()[:32]
    assert len(kept) == 32
    assert telling(hashed.root) == set()
    hashed.run("dismiss", "people")
    assert (planned(hashed)["held"], planned(hashed)["updates"]) == (1, 0)
    hashed.people((1, "canary-ann", "another@example.com", 47110815.25), *FIRST[1:])
    assert (planned(hashed)["held"], planned(hashed)["updates"]) == (0, 1)


def test_a_plans_hash_on_record_cannot_be_tried_out(hashed, monkeypatch):
    """The same plan has another hash where the key is another one."""
    edit(hashed, "tailrace.yml", "hashed}", "hashed, key: '${env:OUR_KEY}'}")
    monkeypatch.setenv("OUR_KEY", "one key")
    first = planned(hashed)
    assert planned(hashed)["hash"] == first["hash"]
    monkeypatch.setenv("OUR_KEY", "another key")
    assert planned(hashed)["hash"] != first["hash"]


@pytest.mark.parametrize("error", [SnapshotError("no space left on the device"), KeyboardInterrupt()])
def test_a_run_that_broke_off_before_it_sent_leaves_no_values(hashed, monkeypatch, error):
    """Rows that were written, but never so far that they could be sent, are removed: at once, or by the next run."""
    replace = Place.replace

    def fail(self, name, data, *, was):
        if name == "meta.json":
            raise error
        replace(self, name, data, was=was)

    with monkeypatch.context() as broken:
        broken.setattr(Place, "replace", fail)
        hashed.run("run", "people", code=None)
    left = telling(hashed.root)
    assert len(left) == (1 if isinstance(error, KeyboardInterrupt) else 0)
    assert ran(hashed)["acknowledged"] == 3
    assert telling(hashed.root) == set()


@pytest.mark.parametrize("command", [["resolve", "people", "--skip"], ["reset", "people", "--yes"]])
def test_rows_that_are_held_keep_their_values_until_they_are_settled(hashed, memory_store, command):
    """They may have to be sent again; what settles them, a reset too, is their end."""
    edit(hashed, "tailrace.yml", '{type: sql, url: "sqlite:///app.db", create_table: true}', "{type: memory}")
    edit(hashed, "syncs/people.yml", "mode: mirror", "mode: append")
    edit(hashed, "syncs/people.yml", "match: {id: id}\n", "")
    memory_store().fail(AnswerLost("the connection broke"), times=1, after_commit=True)
    assert ran(hashed, code=4)["unknown"] == 3
    assert {name.split("/")[3] for name in telling(hashed.root)} == {"runs"}
    hashed.run(*command)
    assert telling(hashed.root) == set()


def test_switching_resends_nothing_and_leaves_nothing(workspace, monkeypatch):
    """From clear to hashed: the next commit rewrites the snapshot; an hour later a run removes what was in clear."""
    workspace.people(*FIRST)
    ran(workspace)
    hide(workspace)
    assert ran(workspace)["status"] == "nothing_to_do"
    plan = planned(workspace)
    assert (plan["unchanged"], plan["old_known"]) == (3, True)
    workspace.people(*FIRST[:2], (3, "Cid", "cid@example.com", 7))
    assert said(workspace) == {("update", 3): {"spent"}}
    assert ran(workspace)["acknowledged"] == 1
    old = {name for name in telling(workspace.root) if "/runs/" not in name}
    assert old, "the old files stay for those who are reading them"
    later(monkeypatch)
    assert ran(workspace)["status"] == "nothing_to_do"
    for run in (workspace.root / ".tailrace/snapshots/people/runs").iterdir():
        meta = json.loads((run / "meta.json").read_text())
        if meta["rows"]["file"] != "written.parquet":
            shutil.rmtree(run)  # as the docs say: runs from before keep their values
    assert telling(workspace.root) == set()
    assert ran(workspace)["status"] == "nothing_to_do"
    assert not planned(workspace)["old_known"]


def test_going_back_is_refused(hashed):
    """Values cannot be had from digests: the error says what to do, and nothing is sent."""
    ran(hashed)
    edit(hashed, "tailrace.yml", HASHED, "")
    for command in ("plan", "run"):
        answer = hashed.run(command, "people", code=1)
        assert "holds digests of values, and the values are to be kept in clear" in answer.out + answer.err
        assert "`tailrace reset people`, then `tailrace adopt people`" in answer.out + answer.err


@pytest.mark.parametrize("lost", ["variable", "state"])
def test_a_lost_key_is_an_error_that_says_what_to_do(hashed, monkeypatch, lost):
    """Be it that the variable has another value, or that the state database is gone; and then it can be done."""
    if lost == "variable":
        edit(hashed, "tailrace.yml", "hashed}", "hashed, key: '${env:OUR_KEY}'}")
        monkeypatch.setenv("OUR_KEY", "the key that everything was made with")
    ran(hashed)
    before = hashed.table()
    if lost == "variable":
        monkeypatch.setenv("OUR_KEY", "something else altogether")
    else:
        (hashed.root / ".tailrace/state.db").unlink()
        hashed.run("check", "people")
    hashed.people(*SECOND)
    for command in ("plan", "run"):
        answer = hashed.run(command, "people", code=1)
        text = answer.out + answer.err
        assert "the snapshot of 'people' was made with another key" in text
        assert "Restore the key" in text
        assert "`tailrace reset people`, then `tailrace adopt people`" in text
        assert "OUR_KEY" not in text
    assert hashed.table() == before
    hashed.run("reset", "people", "--yes")
    hashed.run("adopt", "people", "--yes")
    assert said(hashed) == {("update", 1): {"email"}, ("insert", 4): {"name", "spent", "source"}}


def test_a_missing_key_is_named(hashed):
    """A variable that is not set is an error of the configuration, and nothing is sent."""
    edit(hashed, "tailrace.yml", "hashed}", "hashed, key: '${env:TAILRACE_TEST_UNSET}'}")
    answer = hashed.run("run", "people", code=2)
    assert "TAILRACE_TEST_UNSET" in answer.out + answer.err
    assert not (hashed.root / "app.db").exists() or hashed.table("sqlite_master") == []


def test_one_sync_may_hide_and_another_not(workspace):
    """A sync's own `snapshot` replaces the project's."""
    workspace.people(*FIRST)
    sync = (workspace.root / "syncs/people.yml").read_text()
    workspace.write("syncs/secret.yml", sync.replace("object: people", "object: secret") + HASHED)
    workspace.run("run", "--all")
    assert {name.split("/")[2] for name in telling(workspace.root)} == {"people"}
    assert {run["status"] for run in workspace.run("run", "--all", "--json").json["runs"]} == {"nothing_to_do"}
