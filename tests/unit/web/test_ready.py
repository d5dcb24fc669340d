"""`/readyz` of a process that serves: not ready while its own scheduler does not do its work."""

import threading
import time

import pytest
from tests.unit.web.conftest import Console

from tailrace.errors import StateError
from tailrace.serving import Pulse, Scheduler
from tailrace.serving.scheduler import STALL_S
from tailrace.web.server import Listening

FAILED = "the last look at schedules and requests failed; the log says why"


@pytest.fixture
def pulse():
    """Of no scheduler yet."""
    return Pulse()


@pytest.fixture
def console(root, pulse):
    """A console beside that scheduler."""
    made = Console(root, Listening(), pulse.trouble)
    yield made
    made.close()


@pytest.fixture
def scheduler(root, pulse, console):
    """A scheduler that goes on, and looks often."""
    made = Scheduler(root, tick=0.1)
    pulse.feel(made)
    made.start()
    told(console, None)
    yield made
    made.stop()


def told(console, problem):
    """Return once it tells that; the test's own timeout ends the wait."""
    pause = threading.Event()
    wanted = (200, {"status": "ok"}) if problem is None else (503, {"status": "not ready", "problem": problem})
    while ((answer := console.client.get("/readyz")).status_code, answer.json()) != wanted:
        pause.wait(0.02)


def test_it_is_not_ready_before_the_scheduler_has_begun(console, pulse, root):
    """Neither before there is one, nor before it is started."""
    said = {"status": "not ready", "problem": "the scheduler has not begun yet"}
    assert console.json("/readyz", code=503) == said
    scheduler = Scheduler(root)
    pulse.feel(scheduler)
    assert console.json("/readyz", code=503) == said
    scheduler.stop()


@pytest.mark.parametrize("error", [StateError("canary of an address"), ZeroDivisionError("canary of a fault")])
def test_looks_that_fail_are_told_until_one_does_not(console, scheduler, monkeypatch, error):
    """Without their words, as anybody may ask."""

    def fail(**_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "_look", fail)
        told(console, FAILED)
        assert "canary" not in console.get("/readyz", code=503).text
    told(console, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_scheduler_that_has_ended_is_told(console, scheduler, monkeypatch):
    """Whatever ended its thread; the process, and with it the console, goes on."""

    def end(**_):
        raise SystemExit

    monkeypatch.setattr(scheduler, "_look", end)
    told(console, "the scheduler has ended, and the process must be started anew")
    assert console.json("/healthz") == {"status": "ok"}


def test_a_scheduler_that_hangs_is_told(console, scheduler, monkeypatch):
    """By how long it has not looked; once it does again, all is well."""
    hangs, go = threading.Event(), threading.Event()

    def hang(**_):
        hangs.set()
        assert go.wait(60)

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "_look", hang)
        assert hangs.wait(60)
        scheduler.looked_at = time.monotonic() - STALL_S - 100
        problem = console.json("/readyz", code=503)["problem"]
        assert problem.startswith("the scheduler has not looked at schedules and requests for 16")
    go.set()
    told(console, None)
