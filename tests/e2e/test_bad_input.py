"""What goes wrong is said plainly: what, where, what to do; with the promised exit code and nothing half-written."""

import os
import resource
import sqlite3
import subprocess
import sys

import pytest

IGNORING_THE_SIGNAL = """
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tailrace.cli import main; main(['run', 'people'])
"""
CONFIG, SYNC, MODEL = "tailrace.yml", "syncs/people.yml", "models/people.sql"


def edit(workspace, name, old, new):
    path = workspace.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (SYNC, "model: people", "model: peeple", ["syncs/people.yml:1:8", "people"]),
        (SYNC, "mode: mirror", "mode: mirro", ["syncs/people.yml:4:7", "mirror"]),
        (SYNC, "key: id", "kye: id", ["syncs/people.yml:5:1", "key"]),
        (SYNC, "mode: mirror", "mode: mirror\nmode: upsert", ["syncs/people.yml:5:1"]),
        (SYNC, "destination: app", "destination: ap", ["syncs/people.yml:2:14", "app"]),
        (SYNC, "model: people", "model: ../people", ["syncs/people.yml:1:8"]),
        (SYNC, "mode: mirror", "mode: mirror\nbatchsize: 5", ["syncs/people.yml:5:1", "batch_size"]),
        (CONFIG, "type: sql", "type: sqll", ["tailrace.yml", "sql"]),
        (CONFIG, "create_table: true", "create_table: maybe", ["tailrace.yml:4"]),
        (CONFIG, "sqlite:///app.db", "postgresql+psycopg://u:hunter2secret@h/d", ["tailrace.yml:4", "${env:"]),
        (CONFIG, "destinations:", "destinations: &a [*a]\nx:", ["tailrace.yml"]),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_place(workspace, name, old, new, words):
    """Configuration errors exit with 2 and point at file, line, column and the nearest valid name."""
    edit(workspace, name, old, new)
    answer = workspace.run("plan", code=2)
    for word in words:
        assert word in answer.err
    assert "hunter2secret" not in answer.err + answer.out


def test_all_faults_are_reported_at_once(workspace):
    """One fault does not hide another, be it in another file."""
    edit(workspace, SYNC, "mode: mirror", "mode: mirro")
    edit(workspace, SYNC, "key: id", "kye: id")
    workspace.write(
        "syncs/other.yml",
        "model: nowhere\ndestination: app\nobject: x\nmode: upsert\nkey: id\nmatch: {id: id}\nfields: {a: b}\n",
    )
    err = workspace.run("check", code=2).err
    assert err.count("syncs/people.yml:") >= 2
    assert "syncs/other.yml:1" in err


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("select id", "selec id", "selec"),
        ("id, name, email", "id, name", "email"),
        ("read_csv('people.csv'", "read_csv('people2.csv'", "people2.csv"),
        ("select id", "select cast('x' || name as integer) as id", "xAnn"),
    ],
)
def test_a_model_that_does_not_run_fails_the_run(workspace, old, new, word):
    """The warehouse's own words are given, exit code 1, and nothing is written."""
    edit(workspace, MODEL, old, new)
    edit(workspace, SYNC, "source: {value: warehouse}", "source: {sql: \"coalesce(name, 'x')\"}")
    answer = workspace.run("run", "people", code=1)
    assert word in answer.out
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []


def test_a_column_the_model_lacks_is_named_with_the_nearest(workspace):
    """`nmae` is not a column; `name` is."""
    edit(workspace, SYNC, "name: name", "name: nmae")
    assert "name" in workspace.run("run", "people", code=1).out
    assert "nmae" in workspace.run("check", "people", code=2).out


def test_an_unreachable_destination_fails_the_run(workspace):
    """Connection refused is exit code 1, with the address and no secret."""
    edit(
        workspace,
        CONFIG,
        '{type: sql, url: "sqlite:///app.db", create_table: true}',
        '{type: sql, url: "postgresql+psycopg://me:${env:APP_PW}@127.0.0.1:9/ops", timeout: 2s}',
    )
    answer = workspace.spawn("run", "people", code=1, env={"APP_PW": "s3cret-canary"})
    assert "127.0.0.1" in answer.out
    assert "s3cret-canary" not in answer.out + answer.err


def test_a_missing_secret_is_named(workspace):
    """A reference to a variable that is not set says which, and where it is written."""
    edit(workspace, CONFIG, "sqlite:///app.db", "postgresql+psycopg://me:${env:TAILRACE_TEST_UNSET}@127.0.0.1/ops")
    answer = workspace.run("run", "people", code=2)
    assert "TAILRACE_TEST_UNSET" in answer.out + answer.err
    assert "tailrace.yml:4" in answer.out + answer.err


def test_a_damaged_snapshot_is_detected_and_never_used(workspace):
    """One flipped bit stops the run with the file's name and the way out; the table stays as it is."""
    workspace.run("run", "people")
    before = workspace.table()
    data, *_ = workspace.root.glob(".tailrace/snapshots/people/*/s*-0.*.parquet")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    workspace.people((1, "Changed", None, 1))
    answer = workspace.run("run", "people", code=1)
    assert data.name in answer.out
    assert "adopt" in answer.out
    assert workspace.table() == before
    workspace.run("reset", "people", "--yes")
    workspace.run("adopt", "people", "--yes")
    workspace.run("plan", "people")


def test_a_state_database_of_a_newer_version_is_left_alone(workspace):
    """A schema this program does not know is not touched."""
    workspace.run("run", "people")
    with sqlite3.connect(workspace.root / ".tailrace/state.db") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    answer = workspace.run("run", "people", code=1)
    assert "newer" in answer.out + answer.err


def test_a_state_database_that_is_none_is_said_to_be(workspace):
    """A file of another kind is not overwritten."""
    workspace.write(".tailrace/state.db", "this is no database, it is a text\n" * 50)
    answer = workspace.run("run", "people", code=1)
    assert "state.db" in answer.out + answer.err
    assert (workspace.root / ".tailrace/state.db").read_text().startswith("this is no database")


def test_a_second_run_is_told_who_holds_the_sync(workspace):
    """Two runs at once: the second one fails at once and sends nothing."""
    workspace.run("run", "people", "--limit", "1")
    with sqlite3.connect(workspace.root / ".tailrace/state.db") as connection:
        connection.execute("update leases set holder = 'somebody else', expires_at = 4e9")
    answer = workspace.run("run", "people", code=1)
    assert "somebody else" in answer.out
    assert len(workspace.table()) == 1


def test_a_full_disk_stops_the_run_before_it_sends(workspace):
    """When the changes cannot be made durable nothing goes out, and the next run does it all."""
    workspace.run("plan", "people")
    workspace.people(*((n, f"Person number {n} " + "x" * 50, f"p{n}@example.com", n) for n in range(1, 3000)))

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            IGNORING_THE_SIGNAL,
        ],
        cwd=workspace.root,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=no_room,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []
    assert workspace.run("run", "people", "--json").json["runs"][0]["acknowledged"] == 2999


def test_outside_a_project_the_way_in_is_named(tmp_path, workspace):
    """Without tailrace.yml the answer is `tailrace init`."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "tailrace init" in workspace.run("plan", "--project", str(empty), code=2).err


def test_init_does_not_overwrite(workspace):
    """A folder that holds a project keeps it."""
    before = (workspace.root / CONFIG).read_text()
    workspace.run("init", ".", code=2)
    assert (workspace.root / CONFIG).read_text() == before
