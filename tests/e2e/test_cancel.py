"""Steering runs from elsewhere: cancelling one in mid-run, and a run that takes too long."""

import threading

import pytest

from tailrace.api import Project
from tailrace.errors import UsageError
from tailrace.running import heeding
from tailrace.running.runner import RunRequest, run_sync

SLOW = "select count(*) as id, 'x' as name from range(10000000) a, range(10000000) b where a.range + b.range > 0"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Runs look often for whoever cancels them."""
    monkeypatch.setattr(heeding, "LOOK_S", 0.02)


class Running:
    """A run of the people in a thread of its own, as `serve` has it."""

    def __init__(self, root, **request):
        self.project = Project.load(root)
        self.result = None
        self._request = request
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self):
        session, sync = self.project._session, self.project.syncs["people"]
        self.result = run_sync(session, sync, RunRequest(**self._request))

    def end(self):
        """Wait for its end, and give what it came to."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.project.close()
        return self.result


def wait_for_query():
    """Return when a run of this process waits for the answer of its warehouse."""
    pause = threading.Event()
    for _ in range(2_000):
        if any(thread.name == "query" for thread in threading.enumerate()):
            return
        pause.wait(0.01)
    raise AssertionError("no query began")


@pytest.fixture
def slow(workspace, hook):
    """A project whose model takes for ever."""
    workspace.write("models/people.sql", SLOW)
    return workspace


def test_a_run_is_cancelled_from_elsewhere_after_the_batches_in_flight(workspace, hook):
    """It says by whom; what was in flight is acknowledged, what was not stays for the next run."""
    hook.hold(after=1)
    running = Running(workspace.root)
    assert hook.waiting.wait(60)
    with Project.load(workspace.root) as other:
        other.cancel("people", by="ann")
        lost = threading.Event()
        threading.Timer(0.3, lambda: (hook.go.set(), lost.set())).start()
        assert lost.wait(60)
    result = running.end()
    assert result.status == "interrupted", result.message
    assert result.message == "stopped by ann, who cancelled the run; what was not sent stays for the next run"
    assert 1 <= result.acknowledged < 3
    assert len(hook.names) == result.acknowledged
    (again,) = workspace.run("run", "people", "--json").json["runs"]
    assert (again["status"], again["acknowledged"]) == ("succeeded", 3 - result.acknowledged)


def test_a_run_that_plans_is_cancelled_at_once(slow):
    """Also in the middle of a query, in a thread that no signal reaches; its sync is free again."""
    running = Running(slow.root)
    wait_for_query()
    with Project.load(slow.root) as other:
        other.cancel("people", by="ann")
        result = running.end()
        assert (result.status, result.message) == (
            "interrupted",
            "stopped by ann, who cancelled the run, before anything was sent",
        )
        with pytest.raises(UsageError, match="no run of people goes on"):
            other.cancel("people", by="ann")
        assert other.runs()[0].record.status == "interrupted"


def test_a_run_stops_at_its_timeout(slow):
    """It says so, and that nothing was sent."""
    result = Running(slow.root, timeout=0.3).end()
    assert result.status == "interrupted", result.message
    assert (result.message, result.exit_code) == ("stopped at its timeout, after 0 s, before anything was sent", 1)


def test_the_whole_program_stopping_stops_the_run(slow):
    """The event that all runs of a program share ends this one's query too."""
    stop = threading.Event()
    running = Running(slow.root, stop=stop)
    wait_for_query()
    stop.set()
    assert running.end().message == "stopped on request before anything was sent"


def test_a_run_leaves_no_limiter_behind(workspace, hook):
    """A process that stays has very many runs."""
    with Project.load(workspace.root) as project:
        project.run("people")
        kept = len(project._session._limiters)
        for number in range(3):
            workspace.people((1, f"Ann {number}", None, 1))
            project.run("people")
        assert len(project._session._limiters) == kept
