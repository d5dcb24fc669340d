"""State databases as every earlier revision left them: opened, migrated, read and written as today's."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

import tailrace.state
from tailrace.errors import StateError
from tailrace.limits import Spent
from tailrace.state import Counts, IssueCounts, Journal, NewHold, NewIssue, StateDB, Tallies
from tailrace.state.schema import HEAD, metadata

FIXTURES = Path(__file__).parent / "fixtures"
REVISIONS = sorted(path.stem.removeprefix("revision-") for path in FIXTURES.glob("*.sql"))
URL = "sqlite:///state.db"
CONTACTS = "32b0fc00fe99497d"
MANY = 400
OPENING = """
import sys
from pathlib import Path
from tailrace.state import StateDB, migrate

asked = migrate._revision
def seen(connection):
    global seen
    revision = asked(connection)
    migrate._revision = asked
    print(revision, flush=True)
    sys.stdin.readline()
    return revision
migrate._revision = seen
with StateDB.open(sys.argv[1], Path(sys.argv[2])) as state:
    print(len(state.runs()), flush=True)
"""
"""Opens, but waits after the look at the revision that says whether to migrate."""


def upgraded(url, revision):
    """Bring an empty database to a revision, as the program of then did."""
    config = Config()
    config.set_main_option("script_location", str(Path(tailrace.state.__file__).parent / "migrations"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def restored(revision, path):
    """The recorded database as a file."""
    with sqlite3.connect(path) as connection:
        connection.executescript((FIXTURES / f"revision-{revision}.sql").read_text())
    connection.close()


def copied(revision, url, folder):
    """The recorded rows in a server's database, whose tables the migrations of then made."""
    upgraded(url, revision)
    restored(revision, folder / "recorded.db")
    source, target = sa.create_engine(f"sqlite:///{folder / 'recorded.db'}"), sa.create_engine(url)
    tables = sa.MetaData()
    with target.begin() as there, source.connect() as here:
        tables.reflect(there)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in here.execute(sa.text(f"select * from {table.name}")).mappings()]
            if rows and table.name != "alembic_version":
                there.execute(sa.insert(table), rows)
    source.dispose()
    target.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Puts a recorded database of some revision into a place, and gives its URL."""
    if request.param == "sqlite":

        def put(revision):
            restored(revision, tmp_path / "state.db")
            return URL

    else:
        url = request.getfixturevalue("postgres_database")

        def put(revision):
            copied(revision, url, tmp_path)
            return url

    return put


@pytest.fixture(params=REVISIONS)
def revision(request):
    """Each revision there ever was."""
    return request.param


@pytest.fixture
def state(place, revision, tmp_path):
    """An old database, opened."""
    with StateDB.open(place(revision), tmp_path) as opened:
        yield opened


def test_every_revision_is_on_record():
    """A new revision comes with a text of what a database of it looks like."""
    assert REVISIONS[-1] == HEAD
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_released_migrations_make_what_they_made(revision, tmp_path):
    """Up to each revision they still make the tables that the program of then had, column by column."""
    upgraded(f"sqlite:///{tmp_path / 'made.db'}", revision)
    restored(revision, tmp_path / "recorded.db")
    assert definitions(tmp_path / "made.db") == definitions(tmp_path / "recorded.db")


def definitions(path):
    with sqlite3.connect(path) as connection:
        found = connection.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    connection.close()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in found}


def test_migrations_make_the_tables_the_code_uses(tmp_path):
    """From nothing; and a database that is made at once differs from that in no table, alembic's among them."""
    url = f"sqlite:///{tmp_path / 'migrated.db'}"
    upgraded(url, HEAD)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    StateDB.open(URL, tmp_path).close()
    assert shape(tmp_path / "state.db") == shape(tmp_path / "migrated.db")


def shape(path):
    """By table: its columns, but for defaults, which a revision has for the rows that were there; keys and indexes."""
    engine = sa.create_engine(f"sqlite:///{path}")
    found = sa.inspect(engine)
    tables = {
        name: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)),
            found.get_pk_constraint(name),
            sorted(found.get_indexes(name), key=str),
        )
        for name in found.get_table_names()
    }
    engine.dispose()
    return tables


def test_opening_brings_it_to_the_tables_of_today(state):
    """Whatever revision it had, it has the newest afterwards, and the tables that the code uses."""
    with state.reading() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []


def test_runs_are_what_they_were(state):
    """Their counts, tallies, errors and words are all there."""
    first, second, third, fourth = (state.run(f"run-{number}") for number in (1, 2, 3, 4))
    assert (first.status, first.counts, first.tallies) == (
        "succeeded",
        Counts(model_rows=4, inserts=4),
        Tallies(acknowledged=4, calls=1),
    )
    assert (first.plan_hash, first.seconds) == ("a" * 64, {"query": 0.25})
    assert (second.status, second.counts) == ("partial", Counts(5, 4, 1, 2, 1, 1, 1))
    assert (second.tallies, second.message) == (Tallies(1, 2, 2, 0, 3, 1, 0.5), "5 rows are in trouble")
    assert [error["message"] for error in second.errors] == ["Straße"]
    assert (third.status, third.finished_at, third.identity) == ("running", None, CONTACTS)
    assert [run.run_id for run in state.unfinished_runs("contacts")] == ["run-3"]
    assert [run.run_id for run in state.unfinished_runs("orders")] == ["run-4"]
    assert first.started_at < second.started_at < third.started_at < fourth.started_at
    assert state.last_run("contacts", {"succeeded"}) == first


def test_journals_are_what_they_were(state):
    """Outcomes in whatever form they were packed, and the rows that were in flight."""
    token = state.acquire("orders", "today", 60).token
    journal = Journal(state, "run-4", token)
    held = {row["seq"]: row for row in journal.outcomes().rows(named=True)}
    assert sorted(held) == [0, 1, 2, 3, 5, 9, *range(100, 100 + MANY)]
    told = {seq: (row["status"], row["record_id"], row["code"], row["message"]) for seq, row in held.items()}
    assert [told[seq] for seq in (1, 3, 5, 9, 99 + MANY)] == [
        ("acknowledged", "O1", None, None),
        ("rejected", None, "BAD", "Straße\n'x'"),
        ("acknowledged", None, None, None),
        ("unknown", None, None, "no answer"),
        ("acknowledged", f"record {99 + MANY}", None, None),
    ]
    assert [(doubt.number, doubt.operation, doubt.seqs, doubt.receipt) for doubt in journal.doubts()] == [
        (4, "upsert", (10, 12, 11), None),
        (5, "upsert", tuple(range(20, 25)), None),
    ]
    assert [(batch.number, batch.rows, batch.acknowledged) for batch in journal.batches()] == [
        (1, 3, 3),
        (2, 3, 1),
        (3, MANY, MANY),
        (4, 3, 0),
        (5, 5, 0),
        (6, 1, 0),
    ]
    assert [(batch.rows, batch.rejected, batch.unknown) for batch in journal.batches()[1:2]] == [(3, 1, 1)]
    assert (journal.of_row(3).batch, journal.of_row(3).outcome.code) == (2, "BAD")
    assert (journal.of_row(22).batch, journal.of_row(22).settled) == (5, False)
    assert journal.next_number() == 7
    journal.close()


def test_a_pruned_journal_has_its_summary(state):
    """Of a run that was folded into the snapshot the batches stay, and their rows do not."""
    journal = Journal(state, "run-1", state.acquire("contacts", "today", 60).token)
    assert [(batch.rows, batch.acknowledged) for batch in journal.batches()] == [(4, 4)]
    assert journal.outcomes().is_empty()
    assert journal.doubts() == []
    journal.close()


def test_rows_in_trouble_are_what_they_were(state, revision):
    """Refused, given up, set aside and of unknown outcome; one of before the gaps waits for nothing."""
    found = {issue.key["id"]: issue for issue in state.issues("contacts", CONTACTS)}
    assert {key: (issue.kind, issue.state, issue.due) for key, issue in found.items()} == {
        7: ("rejected", "open", False),
        8: ("unknown", "open", True),
        9: ("unknown", "open", False),
        10: ("rejected", "dismissed", False),
        11: ("rejected", "dead", False),
    }
    seven = found[7]
    assert (seven.message, seven.code, seven.payload_hash, seven.attempts) == (
        "Straße: 'it' is\n\"too\" long",
        "TOO_LONG",
        "p7",
        1,
    )
    began = state.run("run-2").started_at
    assert seven.retry_at == (began if revision >= "0003" else None)
    assert state.issue_counts()["contacts", CONTACTS] == IssueCounts(rejected=2, dead=1, unknown=2, dismissed=1)


def test_the_rest_is_what_it_was(state, revision):
    """The account, the tokens that only grow, and where the revision has them keys and holds."""
    account = state.account("crm", "")
    assert (account.account_id, account.name, account.quota_left) == ("00D1", "Acme ß", 98_211)
    assert state.acquire("contacts", "today", 60).token == (5 if revision >= "0003" else 4)
    assert state.key("snapshot") == state.key("snapshot")
    with sqlite3.connect(":memory:") as recorded:
        recorded.executescript((FIXTURES / f"revision-{revision}.sql").read_text())
        if revision >= "0002":
            assert state.key("snapshot") == recorded.execute("select value from keys").fetchone()[0]
    recorded.close()
    held = [(hold.since, hold.reason, hold.runs) for hold in state.holds("contacts", '{"id":7}')]
    assert held == ([("run-2", "waiting", 1)] if revision >= "0003" else [])


def test_it_goes_on_from_there(state):
    """A run of today is written beside those of then, and a row in trouble is counted on."""
    lease = state.acquire("contacts", "today", 60)
    parts = {"destination": "crm", "object": "Contact", "identity": CONTACTS, "token": lease.token}
    state.start_run("today", sync="contacts", mode="mirror", **parts)
    again = NewIssue('{"id":7}', "insert", "upsert", "rejected", "TOO_LONG", "still", "p7")
    state.record_issues("contacts", CONTACTS, "today", [again], max_attempts=5)
    (seven,) = (issue for issue in state.rejected("contacts") if issue.key == {"id": 7})
    assert (seven.attempts, seven.message) == (2, "still")
    assert seven.retry_at > state.run("today").started_at
    state.record_holds(
        "contacts", CONTACTS, "today", [NewHold('{"id":9}', "run-2", "unknown", None)], token=lease.token
    )
    journal = Journal(state, "run-3", lease.token)
    ((number, seqs),) = [(doubt.number, doubt.seqs) for doubt in journal.doubts()]
    journal.settle_all([(number, [])])
    assert (journal.doubts(), len(seqs)) == ([], 1)
    assert state.retry("contacts", '{"id":11}') == 1
    journal.close()


@pytest.mark.parametrize("revision", ["0001"])
def test_two_who_open_it_at_once_migrate_once(place, revision, tmp_path):
    """Both have seen the old revision when either begins; one migrates, and the other finds it done."""
    url = place(revision)
    command = [sys.executable, "-c", OPENING, url, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        assert [one.stdout.readline().strip() for one in both] == [revision, revision]
        for one in both:
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [one.communicate(timeout=60) for one in both]
    finally:
        for one in both:
            one.kill()
            one.wait()
    assert [(one.returncode, out.strip(), err) for one, (out, err) in zip(both, said, strict=True)] == [
        (0, "4", "")
    ] * 2
    with StateDB.open(url, tmp_path) as state, state.reading() as connection:
        assert connection.scalars(sa.text("select version_num from alembic_version")).all() == [HEAD]


@pytest.mark.parametrize("revision", REVISIONS[:1])
def test_a_migration_that_breaks_off_leaves_all_as_it_was(place, revision, tmp_path, monkeypatch):
    """Tables change whole or not at all; the next one who opens it begins anew."""
    from alembic import op  # noqa: PLC0415

    def broken(*_):
        raise OSError("the power went")

    url = place(revision)
    with monkeypatch.context() as patched:
        patched.setattr(op, "add_column", broken)
        with pytest.raises(OSError, match="power"):
            StateDB.open(url, tmp_path)
    with StateDB.open(url, tmp_path) as state:
        assert len(state.runs()) == 4


def test_a_newer_one_is_left_alone(place, tmp_path):
    """A revision that this program does not know is refused, by name and with what to do; nothing is changed."""
    url = place(HEAD)
    target = sa.create_engine(url if "postgresql" in url else f"sqlite:///{tmp_path / 'state.db'}")
    with target.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '0999'"))
    with pytest.raises(StateError, match=r"belongs to a newer version of Tailrace \(revision 0999\)") as caught:
        StateDB.open(url, tmp_path)
    assert "upgrade this installation" in caught.value.hint
    with target.connect() as connection:
        assert connection.scalar(sa.text("select version_num from alembic_version")) == "0999"
        assert connection.scalar(sa.text("select count(*) from runs")) == 5
    target.dispose()


def test_what_people_asked_for_is_what_it_was(state, revision):
    """Since there is such a thing: a pause, requests, who cancelled what, and the log of it."""
    if revision < "0004":
        assert (state.paused(), state.requests(), state.actions(), state.alerts()) == ({}, [], [], [])
        return
    assert [(pause.sync, pause.who) for pause in state.paused().values()] == [("orders", "ann")]
    done, waiting = state.requests()
    assert (done.state, done.planned, done.overrides, done.run_id) == ("done", True, ("max_deletes",), "run-4")
    assert (done.result, done.who) == ({"status": "partial"}, "bob")
    assert (waiting.sync, waiting.state, waiting.full) == ("contacts", "waiting", True)
    assert state.request("orders", "eve", once="delivery-1") == done.request_id
    assert state.cancelled("contacts", 4) == "ann"
    (alert,) = state.alerts()
    assert (alert.sync, alert.kind, alert.message, alert.ended_at) == ("contacts", "rejected", "2 rejected rows", None)
    (action,) = state.actions()
    assert (action.role, action.action, action.subject, action.detail) == (
        "operator",
        "cancel",
        "contacts",
        {"why": "Straße"},
    )


def test_requests_are_counted_on(state, revision):
    """What the totals of then had stays; what is made today is added, and stands beside the hours of then."""
    before = {"0005": 4, "0006": 7}.get(revision, 0)
    assert state.totals().get("contacts", {}).get("calls", 0) == before
    with state.limits("crm").books() as books:
        books.count("contacts", Spent(calls=2))
    assert state.totals()["contacts"]["calls"] == before + 2


def test_a_plan_out_of_date_is_still_known_as_one(place, tmp_path):
    """Before there was a column for it, the message told."""
    url = place("0005")
    where = url if "postgresql" in url else f"sqlite:///{tmp_path / 'state.db'}"
    target = sa.create_engine(where)
    told = "the world no longer matches the plan: the model changed. Nothing was written"
    with target.begin() as connection:
        set_to = sa.text("update runs set status = 'blocked', message = :words where run_id = :run")
        connection.execute(set_to, {"words": told, "run": "run-1"})
        connection.execute(set_to, {"words": "guard max_deletes: 42%", "run": "run-2"})
    target.dispose()
    with StateDB.open(url, tmp_path) as state:
        assert [state.run(f"run-{number}").ending for number in (1, 2, 3)] == ["outdated", "blocked", "running"]
