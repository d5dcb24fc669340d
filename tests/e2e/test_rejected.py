"""Rejected rows through the command line: tried again after growing gaps, replaced when they change, exported."""

import csv
import json
import sqlite3
import stat
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from tailrace import api, clock
from tailrace.running import export, planner
from tailrace.running.export import harmless
from tailrace.state import database

TABLE = "create table people (id integer primary key, name text, email text, spent real, source text, check ({}))"
GOOD = [(n, f"P{n}", None, n) for n in range(2, 40)]


class Time:
    """The clock of the process, moved by hand."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return datetime.fromtimestamp(time.time() + self.ahead, UTC)

    def passes(self, **delta):
        self.ahead += timedelta(**delta).total_seconds()


@pytest.fixture
def moved(monkeypatch):
    """Moves the time that runs, plans and the state database go by."""
    made = Time()
    for module in (api, clock, planner):
        monkeypatch.setattr(module, "now", made)
    moving = {**vars(time), "time": lambda: made().timestamp()}
    monkeypatch.setattr(database, "time", SimpleNamespace(**moving))
    return made


@pytest.fixture
def refusing(workspace):
    """A project whose table refuses people named Bad; row 1 is one."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(TABLE.format("name <> 'Bad'"))
    workspace.people((1, "Bad", None, 1), *GOOD)
    return workspace


def run(workspace, *options, code=0):
    return workspace.run("run", "people", *options, "--json", code=code).json["runs"][0]


def kept(workspace, *options):
    (row,) = workspace.run("rejected", "people", *options, "--json").json["rejected"]
    return row


def attempts(workspace, code):
    """A run, and how often the row was refused by then."""
    run(workspace, code=code)
    return kept(workspace)["attempts"]


def test_attempts_come_after_growing_gaps(refusing, moved):
    """At once, after 15 minutes, 1, 4, 12, 24 and 24 hours; in between the row waits, and the run says until when."""
    found = [attempts(refusing, 4), attempts(refusing, 4)]
    for gap in ({"minutes": 15}, {"hours": 1}, {"hours": 4}, {"hours": 12}, {"hours": 24}, {"hours": 24}):
        waiting = run(refusing)
        assert (waiting["status"], waiting["held"], waiting["waiting"]) == ("nothing_to_do", 1, 1)
        due = datetime.fromisoformat(waiting["next_attempt"])
        assert timedelta(0) < due - moved() <= timedelta(**gap)
        assert kept(refusing)["next_attempt"] == waiting["next_attempt"]
        moved.passes(**gap)
        found.append(attempts(refusing, 4))
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]
    assert refusing.table()[0][0] == 2


def test_a_row_is_given_up_after_its_last_attempt(refusing, moved):
    """Then there is no next attempt, whatever time passes, until someone retries it."""
    sync = refusing.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "rejects: {max_attempts: 2}\n")
    assert [attempts(refusing, 4), attempts(refusing, 4)] == [1, 2]
    moved.passes(days=30)
    assert run(refusing)["waiting"] == 0
    assert (kept(refusing)["state"], kept(refusing)["next_attempt"]) == ("dead", None)
    assert "given up" in refusing.run("rejected", "people").out
    refusing.run("retry", "people")
    assert kept(refusing)["next_attempt"] is not None
    assert run(refusing, code=4)["rejected"] == 1


def test_a_daily_run_tries_each_day(refusing, moved):
    """A run that starts a minute earlier than the day before is still the one that was meant."""
    found = []
    for _ in range(7):
        found.append(attempts(refusing, 4))
        moved.passes(days=1, minutes=-1)
    assert found == [1, 2, 3, 4, 5, 6, 7]


def test_a_changed_row_replaces_the_stale_one_at_once(refusing, moved):
    """While it waits the row is corrected: the next run sends the new values, and the old ones never come."""
    run(refusing, code=4)
    run(refusing, code=4)
    assert run(refusing)["waiting"] == 1
    refusing.people((1, "Good", "new@example.com", 1), *GOOD)
    assert run(refusing)["acknowledged"] == 1
    assert refusing.run("rejected", "people", "--json").json == {"rejected": []}
    for _ in range(3):
        moved.passes(days=2)
        assert run(refusing)["status"] == "nothing_to_do"
        assert refusing.table()[0][:3] == (1, "Good", "new@example.com")


def test_an_old_value_is_never_sent_over_a_newer_one(refusing, moved):
    """A refused update waits, the model moves on to a value that is taken, and no later attempt brings the old one."""
    refusing.people((1, "First", None, 1), *GOOD)
    run(refusing)
    refusing.people((1, "Bad", None, 1), *GOOD)
    run(refusing, code=4)
    run(refusing, code=4)
    refusing.people((1, "Newer", None, 1), *GOOD)
    run(refusing)
    with sqlite3.connect(refusing.root / "app.db") as connection:
        connection.execute("create table log (name text)")
        connection.execute("create trigger t after update on people begin insert into log values (new.name); end")
        connection.execute("create trigger u after insert on people begin insert into log values (new.name); end")
    refusing.run("retry", "people", "--now")
    moved.passes(days=9)
    run(refusing)
    assert refusing.table("log") == []
    assert refusing.table()[0][:2] == (1, "Newer")


def test_a_row_that_changes_and_is_refused_again_counts_anew(refusing, moved):
    """New values deserve new attempts, and the first of them comes with the next run."""
    for _ in range(2):
        run(refusing, code=4)
    refusing.people((1, "Bad", "new@example.com", 1), *GOOD)
    assert [attempts(refusing, 4), attempts(refusing, 4)] == [1, 2]


def test_a_waiting_row_can_be_sent_now(refusing, moved):
    """`retry --now` asks for it, and so does a run of everything."""
    for _ in range(2):
        run(refusing, code=4)
    assert run(refusing)["waiting"] == 1
    now = refusing.run("retry", "people", "--now", "--json", code=4).json["runs"][0]
    assert (now["rejected"], kept(refusing)["attempts"]) == (1, 1)
    run(refusing, code=4)
    full = run(refusing, "--full", code=4)
    assert (full["acknowledged"], full["rejected"], full["held"]) == (len(GOOD), 1, 0)


def test_a_dismissed_row_is_left_out_of_a_full_run(refusing):
    """Who set it aside did not ask for it by asking for everything."""
    run(refusing, code=4)
    refusing.run("dismiss", "people")
    full = run(refusing, "--full")
    assert (full["acknowledged"], full["rejected"], full["held"]) == (len(GOOD), 0, 1)


def test_plan_and_report_say_who_waits_and_until_when(refusing, moved):
    """In words, with the time, and with what to do for who cannot wait."""
    for _ in range(2):
        run(refusing, code=4)
    until = f"{datetime.fromisoformat(kept(refusing)['next_attempt']) + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
    for command in ("plan", "run"):
        assert f"1 rejected row waits until {until}; tailrace retry people --now" in refusing.run(command, "people").out
    assert f"(2 attempts, waits until {until})" in refusing.run("rejected", "people").out
    assert f"waits until {until}" in refusing.run("explain", "people", "--key", "1").out
    plan = refusing.run("plan", "people", "--json").json["plans"][0]
    assert (plan["held"], plan["waiting"], plan["next_attempt"]) == (1, 1, kept(refusing)["next_attempt"])


def test_a_saved_plan_does_not_grow_stale_by_waiting(refusing, moved):
    """Time alone makes a waiting row due, and must not keep a plan from being applied; the row stays out of it."""
    for _ in range(2):
        run(refusing, code=4)
    refusing.people((1, "Bad", None, 1), *GOOD, (99, "New", None, 1))
    refusing.run("plan", "people", "--out", "people.plan")
    moved.passes(hours=2)
    applied = refusing.run("apply", "people.plan", "--json").json["runs"][0]
    assert (applied["status"], applied["acknowledged"], applied["waiting"]) == ("succeeded", 1, 1)


def test_a_sync_with_manual_retries_names_no_next_attempt(refusing, moved):
    """Nothing but a person, or another value, has the row sent."""
    sync = refusing.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "rejects: {retry: manual}\n")
    run(refusing, code=4)
    moved.passes(days=5)
    assert (run(refusing)["held"], run(refusing)["waiting"], kept(refusing)["next_attempt"]) == (1, 0, None)


NASTY = "=cmd|' /C calc'!A0"


@pytest.fixture
def nasty(workspace):
    """A sync with two keys, whose rejected row has a formula for a key."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        columns = "id integer, name text, email text check (email <> 'x'), primary key (id, name)"
        connection.execute(f"create table people ({columns})")
    sync = (workspace.root / "syncs/people.yml").read_text()
    sync = sync[: sync.index("key:")] + "key: [id, name]\nmatch: {id: id, name: name}\nfields: {email: email}\n"
    workspace.write("syncs/people.yml", sync + "guards: {max_invalid: off}\n")
    workspace.write(
        "models/people.sql", f"select 7 as id, '{NASTY.replace(chr(39), chr(39) * 2)}' as name, 'x' as email"
    )
    workspace.run("run", "people", code=4)
    return workspace


def test_rows_are_exported_as_csv_that_no_spreadsheet_runs(nasty):
    """Each row with key, code, message and times; a text that would begin a formula is marked as a text."""
    assert "1 row written to out.csv" in nasty.run("rejected", "people", "--out", "out.csv").out
    with (nasty.root / "out.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    known = kept(nasty)
    assert (row["key.id"], row["key.name"]) == ("7", f"'{NASTY}")
    assert (row["code"], row["attempts"], row["first_seen"]) == (known["code"], "1", known["first_seen"])
    assert row["next_attempt"] == known["next_attempt"]
    assert "CHECK" in row["message"]
    assert stat.S_IMODE((nasty.root / "out.csv").stat().st_mode) == 0o600


def test_rows_are_exported_as_they_are_for_programs(nasty):
    """JSON lines and parquet have the key itself, and moments as moments."""
    nasty.run("rejected", "people", "--out", "out.jsonl")
    (line,) = (json.loads(text) for text in (nasty.root / "out.jsonl").read_text().splitlines())
    assert line.items() >= kept(nasty).items()
    assert line["key"] == {"id": 7, "name": NASTY}
    answer = nasty.run("rejected", "people", "--out", "out.parquet", "--json")
    assert answer.json["rejected"] == [kept(nasty)]
    frame = pl.read_parquet(nasty.root / "out.parquet")
    assert frame.select("key.id", "key.name", "attempts").rows() == [(7, NASTY, 1)]
    assert frame.schema["first_seen"] == pl.Datetime("us", "UTC")
    assert frame["payload_hash"].str.len_chars().to_list() == [32]


def test_an_export_of_nothing_has_its_columns(workspace):
    """A script that reads the file every day meets no missing file, and no file without a head."""
    workspace.run("rejected", "people", "--out", "out.csv")
    workspace.run("rejected", "people", "--dismissed", "--out", "out.parquet")
    assert (workspace.root / "out.csv").read_text().count("\n") == 1
    assert pl.read_parquet(workspace.root / "out.parquet").columns[:2] == ["key.id", "op"]


@pytest.mark.parametrize(("name", "words"), [("out.xls", ".csv, .jsonl, .parquet"), ("no/out.csv", "no folder")])
def test_a_place_that_cannot_be_written_is_told(workspace, name, words):
    """Another ending, or a folder that is not there: exit 2, and what to do."""
    assert words in workspace.run("rejected", "people", "--out", name, code=2).err


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\t'=1"),
        ('"=1', "\"'=1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - what is tested
        ("\ufeff=1", "\ufeff'=1"),
        ("a;=1;b", "a;'=1;b"),
        ("a\n=1", "a\n'=1"),
        ('a,"@x', "a,\"'@x"),
        ("-12.50", "-12.50"),
        ("+3", "+3"),
        ("a = b - c", "a = b - c"),
        ("x >= 3", "x >= 3"),
        ("", ""),
    ],
)
def test_only_what_could_begin_a_formula_is_marked(text, made):
    """At the start, or behind what some spreadsheets take for a border; numbers and plain texts stay."""
    assert harmless(text) == made


def test_a_long_message_is_made_harmless_in_no_time():
    """A vendor's message of a million borders is read once, not once for each of them."""
    assert harmless("\n;" * 500_000) == "\n;" * 500_000
    assert export._OPENS.sub("", ";" * 1_000_000 + "=") == "="
