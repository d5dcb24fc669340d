"""Opening the state database, and what it says when it cannot."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

import tailrace.state
from tailrace.destination import acknowledged
from tailrace.errors import StateError
from tailrace.state import Journal, NewIssue, StateDB
from tailrace.state.dialect import compiled
from tailrace.state.errors import explain
from tailrace.state.schema import HEAD

URL = "sqlite:///.tailrace/state.db"


def test_makes_folder_and_file_for_their_owner_alone(tmp_path):
    """Messages of rejected rows hold personal data, so nobody else may read the file."""
    old = os.umask(0)
    try:
        StateDB.open(URL, tmp_path).close()
    finally:
        os.umask(old)
    folder = tmp_path / ".tailrace"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "state.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("fresh", [True, False])
def test_opens_without_alembic(tmp_path, fresh):
    """Neither a current database nor one that is to be made pays for the migration machinery."""
    if not fresh:
        StateDB.open(URL, tmp_path).close()
    program = (
        "import sys; from pathlib import Path; from tailrace.state import StateDB;"
        f"StateDB.open({URL!r}, Path({str(tmp_path)!r})).close();"
        "print('alembic' in sys.modules, 'polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_commits_reach_the_disk(tmp_path):
    """The journal is worth nothing unless each commit is synced."""
    with StateDB.open(URL, tmp_path) as state, state.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_a_table_of_somebody_else_is_left_alone(tmp_path):
    """Where a database has a table of that name, but none of alembic's, nothing is made."""
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("create table runs (theirs text)")
    connection.close()
    with pytest.raises(StateError, match="runs"):
        StateDB.open("sqlite:///state.db", tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    connection.close()
    assert names == ["runs"]


def test_what_one_database_compiled_serves_the_next(tmp_path):
    """Statements are compiled once in a process, not for each database that it opens."""

    def used(name):
        with StateDB.open(f"sqlite:///{name}.db", tmp_path) as state:
            state.acquire("contacts", "run", 60).release()
            return set(compiled.values())

    assert used("one") == used("two") != set()


def test_head_is_the_latest_revision():
    """The shortcut that skips migrating names the newest revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(tailrace.state.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_refuses_a_newer_database(tmp_path):
    """A revision this program does not know is left alone."""
    with StateDB.open(URL, tmp_path) as state, state.transaction() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StateError, match="newer version") as caught:
        StateDB.open(URL, tmp_path)
    assert "upgrade" in caught.value.hint


def test_says_when_the_file_is_no_database(tmp_path):
    """Garbage in place of the database is named as such, with a way out."""
    path = tmp_path / "state.db"
    path.write_bytes(b"this is no database at all, " * 100)
    with pytest.raises(StateError, match="damaged or is no SQLite database") as caught:
        StateDB.open("sqlite:///state.db", tmp_path)
    assert "backup" in caught.value.hint


def test_says_when_another_process_holds_it(tmp_path):
    """A writer that never ends is reported, not waited for forever."""
    StateDB.open(URL, tmp_path).close()
    other = sqlite3.connect(tmp_path / ".tailrace" / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with (
            StateDB.open(URL, tmp_path, busy_s=0.05) as state,
            pytest.raises(StateError, match="another process holds"),
        ):
            state.acquire("contacts", "run", 60)
    finally:
        other.close()


def test_goes_on_when_another_process_is_done(tmp_path):
    """A writer waits for another one's transaction, and its connection waits as before for whatever comes later."""
    StateDB.open(URL, tmp_path).close()
    other = sqlite3.connect(tmp_path / ".tailrace" / "state.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.05, other.execute, ["COMMIT"])
    timer.start()
    try:
        with StateDB.open(URL, tmp_path) as state, state.transaction() as connection:
            assert not other.in_transaction
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
    finally:
        timer.join()
        other.close()


def test_says_when_the_folder_cannot_be_made(tmp_path):
    """A file where the folder should be is an error with a path, not a traceback."""
    (tmp_path / ".tailrace").write_text("in the way")
    with pytest.raises(StateError, match=r"state\.db cannot be created"):
        StateDB.open(URL, tmp_path)


def test_says_when_the_disk_is_full(tmp_path):
    """SQLite's own words for a full disk become advice."""
    with StateDB.open(URL, tmp_path) as state:
        with state.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        with pytest.raises(StateError, match="cannot be written") as caught, state.transaction() as connection:  # noqa: PT012
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            connection.exec_driver_sql("create table filler (x)")
            connection.exec_driver_sql("insert into filler values (zeroblob(1000000))")
    assert "free some space" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "kept in a file"),
        ("sqlite:///:memory:", "kept in a file"),
        ("mysql://root@localhost/x", "cannot be kept in mysql"),
        ("not a url", "no database URL"),
    ],
)
def test_refuses_urls_that_cannot_hold_state(tmp_path, url, message):
    """Only a file or PostgreSQL survives a crash."""
    with pytest.raises(StateError, match=message):
        StateDB.open(url, tmp_path)


def test_does_not_show_the_password_of_an_unreachable_server(tmp_path):
    """The error names the server, and never the password."""
    with pytest.raises(StateError) as caught:
        StateDB.open("postgresql+psycopg://app:hunter2-secret@127.0.0.1:1/db", tmp_path)
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2-secret" not in str(caught.value)


def test_unknown_errors_keep_their_words():
    """What cannot be classified is passed on, with where to look."""
    error = explain(sa.exc.OperationalError("select 1", {}, Exception("odd thing")), "state.db")
    assert "odd thing" in str(error)


def test_works_on_postgresql(postgres_database, tmp_path):
    """Migration, lease, run, journal and issues work on the team database too."""
    with StateDB.open(postgres_database, tmp_path) as state:
        lease = state.acquire("contacts", "run", 60)
        state.start_run(
            "r1", sync="contacts", mode="upsert", destination="d", object="o", identity="i", token=lease.token
        )
        journal = Journal(state, "r1", lease.token)
        journal.intend(1, "upsert", [0, 1])
        journal.settle(1, [acknowledged("0", "id0")])
        lease.renew()
        issue = NewIssue('{"id":1}', "insert", "upsert", "rejected", "C", "m", "h")
        state.record_issues("contacts", "i", "r1", [issue], max_attempts=2)
        state.record_issues("contacts", "i", "r2", [issue], max_attempts=2)
        assert journal.outcomes()["record_id"].to_list() == ["id0"]
        assert [found.state for found in state.rejected("contacts")] == ["dead"]
        assert state.run("r").status == "running"
    with StateDB.open(postgres_database, tmp_path) as again:
        assert again.acquire("other", "run", 60).token == 1
