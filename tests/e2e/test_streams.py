"""The program's ends: exit codes, and output that nobody reads, that finds no room, or that is a lot."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

LONG = 20_000
"""So many changes are more than a pipe holds, many times over."""
BUFFERED, UNBUFFERED = {"PYTHONUNBUFFERED": ""}, {"PYTHONUNBUFFERED": "1"}
"""Output that fails does so at the end of the program, or in its midst."""


@pytest.fixture
def start(workspace):
    """Starts the program in the project's folder, with pipes for its output unless told otherwise."""

    def begin(*arguments, env=BUFFERED, **streams):
        return subprocess.Popen(
            workspace.command(*arguments),
            cwd=workspace.root,
            env={**os.environ, **env},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )

    return begin


def ended(process):
    """How a program ended: exit code, stdout, stderr. Never with a traceback."""
    out, err = process.communicate(timeout=120)
    assert b"Traceback" not in (err or b""), err
    assert b"Exception ignored" not in (err or b""), err
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def left(process):
    """How a program ended whose output nobody reads any more: exit code, stderr."""
    process.stdout.close()
    with process.stderr as stream:
        return process.wait(120), stream.read()


def closing(*streams):
    """What closes some of a program's streams before it starts."""
    return lambda: [os.close(stream) for stream in streams]


def many(workspace):
    """A model of many rows."""
    rows = f"select range as id, 'n' || range as name, null as email, 1 as spent from range({LONG})"
    workspace.write("models/people.sql", rows)


@pytest.mark.parametrize("env", [BUFFERED, UNBUFFERED])
def test_a_reader_that_has_seen_enough_is_no_error(workspace, start, env):
    """As with `| head -1`: nothing is said on stderr, and the exit code tells that not all was printed."""
    many(workspace)
    process = start("plan", "--limit", "0", env=env)
    assert process.stdout.readline().startswith(b"people  mirror")
    assert left(process) == (1, b"")


def test_output_without_a_reader_costs_no_row(workspace, start):
    """A run whose output nobody reads sends everything all the same, as do the syncs after it."""
    sync = (workspace.root / "syncs/people.yml").read_text()
    workspace.write("syncs/second.yml", sync.replace("object: people", "object: second"))
    assert left(start("run", "--all", env=UNBUFFERED)) == (1, b"")
    assert len(workspace.table("people")) == len(workspace.table("second")) == 3


@pytest.mark.parametrize(
    ("line", "env"), [("status", BUFFERED), ("plan --limit 0 --json", UNBUFFERED), ("run people", BUFFERED)]
)
def test_a_full_device_is_an_error(workspace, start, line, env):
    """What could not be printed is told on stderr, exit code 1; what was to be done is done."""
    with Path("/dev/full").open("w") as full:
        code, _, err = ended(start(*line.split(), env=env, stdout=full))
    assert (code, err.partition("\n")[0]) == (1, "error: cannot print: No space left on device")
    assert (workspace.root / "app.db").exists() == (line == "run people")


def test_help_that_finds_no_room_is_an_error(start):
    """Also what the library prints for us."""
    with Path("/dev/full").open("w") as full:
        code, _, err = ended(start("--help", stdout=full))
    assert code == 1
    assert "No space left on device" in err


@pytest.mark.parametrize("streams", [[2], [1, 2]])
def test_exit_codes_do_not_need_streams(start, streams):
    """An error that cannot be told still has its exit code, as has success."""
    running = [start(*line, preexec_fn=closing(*streams)) for line in (["plan", "nobody"], ["plan", "--exit-code"])]
    assert [ended(process)[0] for process in running] == [2, 10]


def test_a_stderr_without_room_costs_no_exit_code(start):
    """It cannot be told what went wrong, but that it did."""
    with Path("/dev/full").open("w") as full:
        assert ended(start("plan", "nobody", stderr=full))[0] == 2


def test_a_program_without_streams_does_its_work(workspace, start):
    """Started by a careless daemon, with no stream at all: nothing is printed into a file that took their place."""
    process = start("run", "people", "--log-level", "debug", preexec_fn=closing(0, 1, 2))
    assert ended(process) == (0, "", "")
    assert len(workspace.table()) == 3


@pytest.mark.parametrize("env", [BUFFERED, UNBUFFERED])
def test_a_lot_of_output_arrives_whole(workspace, start, env):
    """A reader gets every byte of what is more than a pipe holds before the program has ended."""
    many(workspace)
    code, out, err = ended(start("plan", "--limit", "0", "--json", "--exit-code", env=env))
    assert (code, err) == (10, "")
    assert [change["key"]["id"] for change in json.loads(out)["plans"][0]["changes"]] == list(range(LONG))


def test_exit_codes_are_the_promised_ones(workspace, start):
    """Those of errors; and where a guard stopped the run, whose report is on stdout all the same."""
    workspace.run("run", "people")
    workspace.people()
    code, out, err = ended(start("run", "people"))
    assert (code, err, "on_empty" in out) == (3, "", True)
    workspace.write("models/people.sql", "selec 1")
    assert ended(start("run", "people"))[0] == 1


def test_a_line_is_there_when_it_is_said(start):
    """Who reads what `serve` says in a pipe need not wait until it has said a lot more."""
    process = start("serve", "--no-web")
    assert process.stdout.readline() == b"serving; stop with Ctrl-C\n"
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def test_a_stop_is_graceful_without_anybody_watching(workspace, start, hook):
    """Ctrl-C ends `tee` too: what is in flight is finished and recorded, and the exit code is that of a stop."""
    hook.hold(after=1)
    process = start("run", "people")
    assert hook.waiting.wait(60)
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGINT)
    hook.go.set()
    assert process.wait(60) == 130
    (run,) = workspace.run("runs", "--json").json["runs"]
    assert (run["status"], run["acknowledged"], len(hook.names)) == ("interrupted", 2, 2)
    assert workspace.run("run", "people", "--json").json["runs"][0]["acknowledged"] == 1
