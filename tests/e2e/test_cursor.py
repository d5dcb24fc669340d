"""`cursor: updated_at` through the command line: people in DuckDB or PostgreSQL, sent to SQLite."""

import signal
import sqlite3
import time

import pytest
from tests.e2e.sources import Duck, Postgres

from tailrace.running import comparing

CONFIG = """\
lease: 2s
warehouses:
  main: {warehouse}
destinations:
  app: {{type: sql, url: "sqlite:///app.db", create_table: true, settle: 0s}}
"""
SYNC = """\
model: people
destination: app
object: people
mode: upsert
key: id
match: {id: id}
cursor: CURSOR
fields:
  name: name
"""
CURSOR = "{column: updated_at, overlap: 1h}"


class Lab:
    """A project over one of them."""

    def __init__(self, workspace, source, kind="timestamptz", *, there=False):
        self.workspace, self.source = workspace, source
        kept = "snapshots: warehouse\n" if there else ""
        workspace.write("tailrace.yml", kept + CONFIG.format(warehouse=source.config))
        workspace.write("models/people.sql", "select id, name, updated_at from people -- as it is")
        self.edit(CURSOR)
        source.run(
            "DROP TABLE IF EXISTS people",
            f"CREATE TABLE people (id bigint, name text, updated_at {kind})",
        )

    def edit(self, cursor, old="", new=""):
        """Write the sync anew."""
        self.workspace.write("syncs/people.yml", SYNC.replace("CURSOR", cursor).replace(old, new))

    def put(self, key, name, at):
        """Write a row; `at` is SQL."""
        self.source.run(
            f"DELETE FROM people WHERE id = {key}",
            f"INSERT INTO people VALUES ({key}, '{name}', {at})",
        )

    def run(self, *arguments, code=0):
        """What a run came to, and its `cursor`."""
        (run,) = self.workspace.run("run", "people", "--json", *arguments, code=code).json["runs"]
        return run

    def dies(self, point):
        """Run until a failpoint, where the process is killed; whether it came there."""
        answer = self.workspace.spawn("run", "people", code=None, env={"TAILRACE_FAILPOINT": point})
        assert answer.code in {0, -signal.SIGKILL}, answer.err
        return answer.code != 0

    def recovers(self):
        """Run once the lease of a process that was killed is free."""
        for _ in range(60):
            answer = self.workspace.run("run", "people", "--json", code=None)
            (run,) = answer.json["runs"]
            if "holds" not in (run["message"] or ""):
                return run
            time.sleep(0.1)  # its lease is of two seconds
        raise AssertionError(run)

    def plan(self, *arguments, code=0):
        (plan,) = self.workspace.run("plan", "people", "--json", *arguments, code=code).json["plans"]
        return plan

    @property
    def there(self):
        return dict(self.workspace.table())


LABS = ("duckdb", "postgres", "postgres, with the snapshot")


@pytest.fixture(params=LABS)
def lab(request, workspace):
    """The people in either."""
    if request.param == "duckdb":
        return Lab(workspace, Duck(workspace))
    there = request.param != "postgres"
    return Lab(workspace, Postgres(request.getfixturevalue("postgres_database")), there=there)


def at(hour, minute=0, day=1):
    """A moment of November 2026, as SQL."""
    return f"timestamptz '2026-11-{day:02} {hour:02}:{minute:02}:00+00:00'"


def test_only_what_is_new_is_read(lab):
    """The first run reads all; the next from the mark on, less the overlap; and says so."""
    for key in range(1, 6):
        lab.put(key, f"n{key}", at(key))
    first = lab.run()
    assert first["cursor"] == {
        "column": "updated_at", "read": "all", "since": None, "why": "how far updated_at was read is not known yet",
    }  # fmt: skip
    assert lab.there == {key: f"n{key}" for key in range(1, 6)}
    lab.put(2, "two", at(6))
    lab.put(6, "n6", at(6, 30))
    lab.source.run("DELETE FROM people WHERE id = 1")
    plan = lab.plan()
    assert plan["cursor"] == {"column": "updated_at", "read": "since", "since": "2026-11-01T04:00:00Z", "why": ""}
    # 4 and 5 lie in the overlap; 1 has left, and nobody can tell.
    assert (plan["model_rows"], plan["unchanged"], plan["inserts"], plan["updates"], plan["deletes"]) == (4, 2, 1, 1, 0)
    assert plan["snapshot_rows"] == 5
    assert any("rows that left the model" in note for note in plan["notes"])
    assert lab.run()["acknowledged"] == 2
    assert lab.there == {1: "n1", 2: "two", 3: "n3", 4: "n4", 5: "n5", 6: "n6"}
    again = lab.run()
    assert (again["status"], again["cursor"]["since"]) == ("nothing_to_do", "2026-11-01T05:30:00Z")


@pytest.fixture
def duck(request, workspace):
    """The people in DuckDB, where it does not matter which warehouse it is; the snapshot is in files, or there."""
    return Lab(workspace, Duck(workspace), there=getattr(request, "param", "in files") != "in files")


EITHER = pytest.mark.parametrize("duck", ["in files", "with the snapshot"], indirect=True)


def test_late_rows_within_the_overlap_are_found_and_those_beyond_wait(lab):
    """As documented: a row that comes later than the overlap permits is seen when all rows are read again."""
    lab.edit("{column: updated_at, overlap: 1h, full: 1d}")
    lab.put(1, "n1", at(10))
    lab.run()
    lab.put(2, "late", at(9, 30))
    lab.put(3, "too late", at(8, 59))
    lab.put(4, "undated", "NULL")
    assert lab.run()["inserts"] == 2
    assert lab.there == {1: "n1", 2: "late", 4: "undated"}
    lab.put(4, "undated still", "NULL")
    lab.put(5, "n5", at(10, day=2))
    assert lab.run()["acknowledged"] == 2
    full = lab.run()
    assert full["cursor"]["why"] == "updated_at has risen by 1d or more since they last were"
    assert lab.there == {1: "n1", 2: "late", 3: "too late", 4: "undated still", 5: "n5"}
    assert lab.run()["cursor"]["read"] == "since"


POINTS = (
    "changes.saved",
    "batch.sent",
    "batch.settled",
    "manifest.ready",
    "manifest.replaced",
    "snapshot.saved",
    "issues.saved",
    "outcomes.saved",
)


@pytest.mark.parametrize(
    ("lab", "point"),
    [*((LABS[0], point) for point in POINTS), *((LABS[2], point) for point in POINTS[3:6])],
    indirect=["lab"],
)
def test_a_run_that_is_killed_moves_rows_and_mark_or_neither(lab, point):
    """Whatever was sent and saved when it died: what is new arrives, once, and nothing that differs is passed over."""
    lab.put(1, "n1", at(1))
    lab.run()
    lab.put(2, "n2", at(5))
    assert lab.dies(point)
    lab.put(3, "n3", at(9))
    assert lab.recovers()["status"] in {"succeeded", "nothing_to_do"}
    lab.put(4, "n4", at(13))
    assert lab.recovers()["cursor"]["read"] == "since"
    assert lab.there == {1: "n1", 2: "n2", 3: "n3", 4: "n4"}
    lab.edit("{column: updated_at, overlap: 2h}")  # all is read
    assert lab.run()["status"] == "nothing_to_do"


def constrained(lab):
    """Have the destination refuse a name."""
    with sqlite3.connect(lab.workspace.root / "app.db") as connection:
        connection.execute(
            "create trigger no before insert on people when new.name = 'bad' begin select raise(abort, 'no'); end"
        )


def healed(lab):
    with sqlite3.connect(lab.workspace.root / "app.db") as connection:
        connection.execute("drop trigger no")


def test_a_refused_row_is_sent_again_when_the_window_has_long_moved_on(lab):
    """Read by its key, with what the model has now; also when it was dismissed, and is asked for after all."""
    lab.put(1, "n1", at(1))
    lab.run()
    constrained(lab)
    lab.put(2, "bad", at(2))
    assert lab.run(code=4)["rejected"] == 1
    for day in range(2, 6):
        lab.put(day + 1, f"n{day + 1}", at(1, day=day))
        run = lab.run(code=None)
        assert run["cursor"]["read"] == "since"
    lab.workspace.run("dismiss", "people", "--yes")
    lab.put(9, "n9", at(1, day=8))
    assert lab.run()["held"] == 1
    healed(lab)
    assert 2 not in lab.there
    lab.workspace.run("retry", "people")
    run = lab.run()
    assert (run["acknowledged"], run["cursor"]["since"]) == (1, "2026-11-08T00:00:00Z")
    assert lab.there[2] == "bad"
    assert lab.run()["status"] == "nothing_to_do"


def test_a_canary_leaves_the_rest_for_later(lab):
    """`--limit` sends some; the others are read again however far the cursor has come."""
    lab.put(1, "n1", at(1))
    lab.run()
    for key in range(2, 8):
        lab.put(key, f"n{key}", at(key))
    assert lab.run("--limit", "2")["acknowledged"] == 2
    lab.put(8, "n8", at(20))
    lab.run("--limit", "1")
    lab.run()
    assert lab.there == {key: f"n{key}" for key in range(1, 9)}


@EITHER
def test_rows_that_shared_a_key_are_sound_once_one_has_gone(duck):
    """The one that stays need not change for it."""
    duck.put(1, "n1", at(1))
    duck.edit(CURSOR, "mode: upsert", "mode: upsert\nguards: {max_invalid: off}")
    duck.run()
    duck.put(2, "good", at(2))
    duck.source.run(f"INSERT INTO people VALUES (2, 'double', {at(2)})")
    assert duck.run()["invalid"] == 2
    duck.put(3, "n3", at(20))
    duck.run()
    duck.source.run("DELETE FROM people WHERE name = 'double'")
    duck.run()
    assert duck.there[2] == "good"


@EITHER
def test_an_edit_reads_all_and_taking_it_back_does_too(duck):
    """What was sent as the sync was meanwhile is not what its earlier mark speaks of."""
    duck.put(1, "n1", at(1))
    duck.put(2, "n2", at(20))
    duck.run()
    duck.edit(CURSOR, "name: name", "name: {sql: upper(name)}")
    edited = duck.run()
    assert (edited["updates"], edited["cursor"]["why"]) == (2, "the sync or its model was edited since they last were")
    duck.edit(CURSOR)
    assert duck.run()["updates"] == 2
    assert duck.there == {1: "n1", 2: "n2"}
    duck.edit(CURSOR, "cursor: ", "# ")
    duck.put(1, "nobody tells", at(1))
    assert duck.run()["updates"] == 1
    duck.edit(CURSOR)
    assert duck.run()["cursor"]["read"] == "all"


@EITHER
def test_a_run_that_died_while_all_was_read_leaves_no_mark_of_before(duck):
    """Or its rows would be passed over once the edit is taken back."""
    duck.put(1, "n1", at(1))
    duck.put(2, "n2", at(20))
    duck.run()
    duck.edit(CURSOR, "name: name", "name: {sql: upper(name)}")
    assert duck.dies("delivery.ended")
    duck.edit(CURSOR)
    assert duck.recovers()["cursor"]["read"] == "all"
    assert duck.there == {1: "n1", 2: "n2"}


@EITHER
def test_full_and_adopt_begin_anew(duck):
    """`--full` reads and sends all; after `adopt` all is compared with what was found."""
    duck.put(1, "n1", at(1))
    duck.put(2, "n2", at(20))
    duck.run()
    assert duck.run("--full")["acknowledged"] == 2
    assert duck.run()["cursor"]["read"] == "since"
    with sqlite3.connect(duck.workspace.root / "app.db") as connection:
        connection.execute("update people set name = 'edited' where id = 1")
    duck.workspace.run("adopt", "people", "--yes")
    again = duck.run()
    assert (again["updates"], again["cursor"]["read"]) == (1, "all")
    assert duck.there == {1: "n1", 2: "n2"}


@EITHER
def test_a_saved_plan_fits_until_the_mark_has_moved(duck):
    """Also where the run in between had nothing to send."""
    duck.put(1, "n1", at(1))
    duck.run()
    duck.put(2, "n2", at(2))
    saved = duck.plan("--out", "p.tailrace")
    assert saved["cursor"]["since"] == "2026-11-01T00:00:00Z"
    shown = duck.workspace.run("plan", "people").out
    assert "2 rows of model people (updated_at from 2026-11-01T00:00:00Z on)" in shown
    assert "1 of those read unchanged" in shown
    duck.source.run("DELETE FROM people WHERE id = 2")
    duck.put(1, "n1", at(9))
    assert duck.run()["status"] == "nothing_to_do"
    stale = duck.workspace.run("apply", "p.tailrace", code=3)
    assert "another run has read further since" in stale.out + stale.err
    duck.put(2, "n2", at(10))
    duck.plan("--out", "p.tailrace")
    duck.workspace.run("apply", "p.tailrace")
    assert duck.there == {1: "n1", 2: "n2"}


def test_a_dry_run_moves_no_mark(duck):
    """Whatever it reads, the next run begins where it did."""
    duck.put(1, "n1", at(1))
    duck.run()
    before = sorted((path, path.read_bytes()) for path in duck.workspace.root.glob(".tailrace/snapshots/**/*.json"))
    duck.put(2, "n2", at(9))
    for _ in range(2):
        assert duck.plan()["inserts"] == 1
    assert duck.workspace.run("run", "people", "--dry-run", "--json").json["plans"][0]["inserts"] == 1
    after = sorted((path, path.read_bytes()) for path in duck.workspace.root.glob(".tailrace/snapshots/**/*.json"))
    assert before == after


@pytest.mark.parametrize(
    ("kind", "cursor", "first", "late", "later"),
    [
        ("bigint", "{column: updated_at, overlap: 5}", "100", "95", "120"),
        ("date", "updated_at", "date '2026-11-10'", "date '2026-11-09'", "date '2026-11-20'"),
        (
            "timestamp",
            "updated_at",
            "timestamp '2026-11-10 12:00:00.5'",
            "timestamp '2026-11-10 11:45:00.5'",
            "timestamp '2026-11-11'",
        ),
        ("numeric(20, 0)", "{column: updated_at, overlap: 5}", "100", "95", "120"),
    ],
)
@pytest.mark.parametrize("warehouse", ["duckdb", "postgres"])
def test_cursors_of_each_kind(request, workspace, warehouse, kind, cursor, first, late, later):
    """Numbers, days and moments without a zone; the first value that is read lies in the overlap."""
    source = Duck(workspace) if warehouse == "duckdb" else Postgres(request.getfixturevalue("postgres_url"))
    lab = Lab(workspace, source, kind)
    lab.edit(cursor)
    lab.put(1, "n1", first)
    lab.run()
    lab.put(2, "late", late)
    lab.put(3, "n3", later)
    run = lab.run()
    assert (run["cursor"]["read"], run["acknowledged"]) == ("since", 2)
    assert lab.there == {1: "n1", 2: "late", 3: "n3"}
    assert lab.run()["cursor"]["read"] == "since"


def test_what_cannot_go_with_a_cursor_is_refused_by_place(duck):
    """Line and column, why, and what to do."""
    duck.edit(CURSOR, "mode: upsert", "mode: mirror")
    told = duck.workspace.run("plan", "people", code=2).err
    assert "people.yml:7:1: `cursor` cannot go with mode mirror: a row that left the model" in told
    duck.edit("{column: updated_at, overlap: soon}")
    assert "people.yml:7:" in (told := duck.workspace.run("plan", "people", code=2).err)
    assert "should be a duration with its unit, such as 15m" in told
    duck.edit("{column: updated_at, overlap: 15m, full: 100}")
    assert "both durations, or both whole numbers" in duck.workspace.run("plan", "people", code=2).err
    duck.edit("{column: updated_at, overlap: 5}")
    for command in ("plan", "check"):
        told = duck.workspace.run(command, "people", code=2)
        assert (
            "people.yml:7:1: cursor: updated_at is a timestamp with time zone, so overlap and full are"
            in told.out + told.err
        )
    duck.edit("name")
    assert "must be a timestamp, a date or a whole number" in duck.workspace.run("plan", "people", code=2).err
    duck.edit("updated")
    told = duck.workspace.run("plan", "people", code=1).err
    assert "the model has no column 'updated'" in told


@EITHER
def test_a_column_that_changes_its_type_is_read_whole(duck):
    """Rows that were not read are of the old type, and must be compared under the new one."""
    duck.source.run("DROP TABLE people", "CREATE TABLE people (id bigint, name bigint, updated_at timestamptz)")
    duck.source.run(f"INSERT INTO people VALUES (1, 1, {at(1)}), (2, 2, {at(20)})")
    duck.run()
    duck.source.run("ALTER TABLE people ALTER name TYPE varchar")
    duck.source.run(f"INSERT INTO people VALUES (3, 'three', {at(21)})")
    run = duck.run(code=3)  # SQLite's column was made for numbers
    assert run["cursor"]["why"] == "name changed its type"
    duck.source.run("UPDATE people SET name = '3' WHERE id = 3", "ALTER TABLE people ALTER name TYPE bigint")
    assert duck.run()["cursor"]["read"] == "since"
    duck.source.run("ALTER TABLE people ALTER updated_at TYPE date")
    run = duck.run()
    assert run["cursor"]["why"] == "updated_at was a timestamp with time zone and is now a date"
    assert duck.run()["cursor"] == {"column": "updated_at", "read": "since", "since": "2026-10-31", "why": ""}


def test_what_arrives_while_all_is_compared_is_new_to_the_next_run(workspace, postgres_database, monkeypatch):
    """The highest cursor is asked for before that: a row that came after it must not be passed over."""
    lab = Lab(workspace, Postgres(postgres_database), there=True)
    lab.put(1, "n1", at(1))
    compare = comparing._in_warehouse

    def late(*arguments, **named):
        lab.put(2, "n2", at(9))
        return compare(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(comparing, "_in_warehouse", late)
        assert lab.run()["acknowledged"] == 2
    assert lab.plan()["cursor"]["since"] == "2026-11-01T00:00:00Z"  # an hour before the first row


def test_what_was_never_sent_is_unknown_beside_a_snapshot_there(workspace):
    """What a NULL left alone is shown as not known, as it is with files."""
    lab = Lab(workspace, Duck(workspace), there=True)
    lab.edit(CURSOR, "  name: name", "  name: {column: name, nulls: skip}\n  other: {sql: upper(name)}")
    lab.source.run(f"INSERT INTO people VALUES (1, NULL, {at(1)}), (2, 'two', {at(1)})")
    lab.run()
    lab.put(1, "one", at(2))
    (change,) = lab.plan()["changes"]
    assert change["fields"] == {
        "name": {"old": None, "new": "one", "old_known": False}, "other": {"old": None, "new": "ONE"},
    }  # fmt: skip


@pytest.mark.parametrize("to", ["warehouse", "local"])
def test_a_snapshot_takes_its_mark_along_when_it_moves(workspace, to):
    """Also one that never held a row, as the destination refused all of them."""
    lab = Lab(workspace, Duck(workspace), there=to == "local")
    lab.put(1, "bad", at(1))
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("create table people (id integer primary key, name text)")
    constrained(lab)
    assert lab.run(code=4)["rejected"] == 1
    config = CONFIG.format(warehouse=lab.source.config)
    for place in (to, "local" if to == "warehouse" else "warehouse"):
        workspace.write("tailrace.yml", f"snapshots: warehouse\n{config}" if place == "warehouse" else config)
        workspace.run("snapshot", "move", "people", "--to", place)
        assert lab.plan()["cursor"]["read"] == "since"
    healed(lab)
    workspace.run("retry", "people")
    lab.put(2, "n2", at(5))
    assert lab.run()["acknowledged"] == 2
    assert lab.there == {1: "bad", 2: "n2"}
    assert (lab.run()["status"], lab.plan()["snapshot_rows"]) == ("nothing_to_do", 2)


@EITHER
def test_an_emptied_window_stops_nothing_and_a_mass_of_invalid_rows_does(duck):
    """Guards judge by the snapshot: an empty window is the ordinary case."""
    for key in range(1, 41):
        duck.put(key, f"n{key}", at(1))
    duck.put(50, "n50", at(20))
    duck.run()
    duck.source.run("DELETE FROM people WHERE id = 50")
    assert duck.run()["status"] == "nothing_to_do"
    duck.source.run(f"INSERT INTO people VALUES (NULL, 'x', {at(20)})")
    assert duck.run()["invalid"] == 1
    for _ in range(3):
        duck.source.run(f"INSERT INTO people VALUES (NULL, 'x', {at(20)})")
    blocked = duck.run(code=3)
    assert "max_invalid" in blocked["message"]


@pytest.mark.parametrize("warehouse", ["duckdb", "postgres"])
def test_unsettled_rows_are_asked_for_by_keys_of_several_columns(request, workspace, warehouse):
    """Texts with quotes, days and moments among them."""
    source = Duck(workspace) if warehouse == "duckdb" else Postgres(request.getfixturevalue("postgres_url"))
    lab = Lab(workspace, source)
    workspace.write(
        "models/people.sql",
        "select id, name, date '2026-11-01' + cast(id as int) as day, timestamptz '2026-11-01 00:00:00.5+02' as at, "
        "updated_at from people",
    )
    lab.edit(CURSOR, "key: id", "key: [name, day, at, id]")
    lab.put(1, "n1", at(1))
    lab.run()
    for key in (2, 3, 4):
        lab.put(key, f"it''s \\ {key}", at(key))
    lab.run("--limit", "1")
    lab.put(5, "n5", at(20))
    run = lab.run()
    assert (run["cursor"]["read"], run["acknowledged"]) == ("since", 3)
    assert lab.there == {1: "n1", 5: "n5", **{key: f"it's \\ {key}" for key in (2, 3, 4)}}


@EITHER
def test_a_match_value_of_a_row_that_was_not_read_is_not_taken_over(duck):
    """Nobody knows whether that row is still there: the new one waits until all rows are read."""
    match = "match: {email: email}\nguards: {max_invalid: off}"
    duck.edit("{column: updated_at, overlap: 1h, full: 1d}", "match: {id: id}", match)
    duck.workspace.write("models/people.sql", "select id, name, 'same@example.com' as email, updated_at from people")
    duck.put(1, "n1", at(1))
    duck.run()
    duck.source.run("DELETE FROM people")
    duck.put(2, "n2", at(5))
    run = duck.run()
    assert (run["cursor"]["read"], run["invalid"], run["acknowledged"]) == ("since", 2, 0)
    duck.put(2, "n2", at(5, day=2))
    duck.run()
    taken = duck.run()
    assert (taken["cursor"]["read"], taken["inserts"], taken["acknowledged"]) == ("all", 1, 1)
    assert duck.there == {"same@example.com": "n2"}


def test_a_snapshot_without_values_has_a_mark_too(duck):
    """Digests in their place are compared with what is new."""
    duck.edit(CURSOR, "mode: upsert", "mode: upsert\nsnapshot: {values: hashed}")
    for key in range(1, 4):
        duck.put(key, f"n{key}", at(key))
    duck.run()
    duck.put(1, "one", at(9))
    run = duck.run()
    assert (run["cursor"]["read"], run["updates"], run["acknowledged"]) == ("since", 1, 1)
    assert duck.run()["status"] == "nothing_to_do"
    assert duck.there == {1: "one", 2: "n2", 3: "n3"}
