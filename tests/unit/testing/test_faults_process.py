"""The proxy in a process of its own."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

COMMAND = [sys.executable, "-m", "tailrace.testing.faults"]


@contextmanager
def process(*options):
    """A running proxy; the line it begins with, and the process."""
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield json.loads(running.stdout.readline()), running
        finally:
            running.kill()


def ended(running):
    """Ask it to end; its exit code, and whatever it had left to say."""
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def statuses(url, count):
    """Ask that often; the statuses, 0 for a closed connection."""
    found = []
    for number in range(count):
        try:
            found.append(requests.post(f"{url}/things", data=str(number), timeout=60).status_code)
        except requests.RequestException:
            found.append(0)
    return found


def test_it_tells_where_it_is_and_ends_when_told(server):
    """One line of JSON, requests served, SIGTERM: exit code 0 and nothing more said."""
    with process("--upstream", server.url, "--rate", "0") as (started, running):
        assert started == {
            "url": started["url"], "upstream": server.url, "seed": started["seed"], "rate": 0.0, "pid": running.pid,
        }  # fmt: skip
        assert statuses(started["url"], 3) == [200] * 3
        assert ended(running) == (0, "", "")
    assert len(server.carried_out) == 3


def test_a_failure_is_replayed_by_its_seed(server, tmp_path, until):
    """The seed that one process chose gives another the same faults, and the same log."""
    faults = ["--fault", "503=2", "--fault", "drop", "--fault", "drop_after_commit", "--rate", "0.5"]
    with process("--upstream", server.url, *faults, "--log", str(tmp_path / "1")) as (started, running):
        first = statuses(started["url"], 30)
        until(lambda: (tmp_path / "1").read_text().count("\n") == 30)  # while it runs
        assert ended(running)[0] == 0
    seed = str(started["seed"])
    with process("--upstream", server.url, *faults, "--log", str(tmp_path / "2"), "--seed", seed) as (again, running):
        assert again["seed"] == started["seed"]
        assert statuses(again["url"], 30) == first
        assert ended(running)[0] == 0
    assert (tmp_path / "1").read_text() == (tmp_path / "2").read_text()
    entries = [json.loads(line) for line in (tmp_path / "1").read_text().splitlines()]
    assert [entry["answer"] or 0 for entry in entries] == first
    assert sum(entry["forwarded"] for entry in entries) * 2 == len(server.carried_out)


def test_what_lingers_lands_before_it_ends(server, tmp_path):
    """SIGTERM loses no request that was taken in, and the log has it."""
    options = ["--fault", "linger", "--rate", "1", "--log", str(tmp_path / "log")]
    with process("--upstream", server.url, *options) as (started, running):
        assert statuses(started["url"], 1) == [0]
        assert ended(running)[0] == 0
    assert len(server.carried_out) == 1
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["fault"], entry["forwarded"], entry["status"], entry["answer"]) == ("linger", True, 200, None)


def test_faults_can_be_kept_to_some_requests(server):
    """By method, path and kind, where a POST may read and another may sign in."""
    options = ["--rate", "1", "--fault", "503", "--kind", "write", "--reads", "/search$", "--signs-in", "/token$"]
    with process("--upstream", server.url, *options, "--path", "things", "--method", "POST") as (started, _):
        ask = {path: requests.post(started["url"] + path, timeout=60).status_code for path in ("/things", "/others")}
        assert ask == {"/things": 503, "/others": 200}
        for path in ("/things/search", "/things/token"):
            assert requests.post(started["url"] + path, timeout=60).status_code == 200
        assert requests.put(f"{started['url']}/things", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--upstream", "nowhere"], "no address of a server"),
        (["--upstream", "http://127.0.0.1:1", "--fault", "flood"], "there is no fault 'flood'"),
        (["--upstream", "http://127.0.0.1:1", "--rate", "20"], "no share of requests"),
        (["--upstream", "http://127.0.0.1:1", "--path", "("], "no regular expression"),
        (["--upstream", "http://127.0.0.1:1", "--log", "/no/such/folder/log"], "cannot be written"),
        ([], "--upstream"),
    ],
)
def test_a_wrong_call_is_told(options, words):
    """Exit code 2, what is wrong on stderr, no traceback."""
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
