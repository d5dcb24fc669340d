"""The scheduler: several syncs at once, requests, files that change, and faults that cost one sync alone."""

import signal
import subprocess
import threading
from contextlib import contextmanager

import pytest

from tailrace.api import Project
from tailrace.cli.serving import due_now
from tailrace.running import runner
from tailrace.serving import Scheduler

SYNC = """\
model: people
destination: {destination}
object: {name}
mode: upsert
key: id
match: {{id: id}}
fields: {{name: name}}
schedule: {schedule}
"""


def wait_for(happened, what="it"):
    """Return when it has happened."""
    pause = threading.Event()
    for _ in range(3_000):
        if happened():
            return
        pause.wait(0.01)
    raise AssertionError(f"{what} did not happen")


class Served:
    """A scheduler over the workspace, and what it reported."""

    def __init__(self, root):
        self.results = []
        self.scheduler = Scheduler(root, tick=0.1, report=self.results.append)

    @property
    def ran(self):
        return [result.sync for result in self.results]

    def wait(self, *syncs):
        """Return when so many runs of these syncs have ended."""
        wait_for(lambda: sorted(self.ran) == sorted(syncs), f"{syncs}, but {self.results},")

    def requested(self, request_id):
        """What became of a request, once it is done."""
        wait_for(lambda: self.scheduler.project.request_status(request_id).state == "done", "the request")
        return self.scheduler.project.request_status(request_id)


@contextmanager
def serving(root):
    """A scheduler that runs until the block ends."""
    served = Served(root)
    served.scheduler.start()
    try:
        yield served
    finally:
        assert served.scheduler.stop()


def sync(workspace, name, schedule="{every: 1h}", destination="app"):
    """Write a sync."""
    workspace.write(f"syncs/{name}.yml", SYNC.format(name=name, schedule=schedule, destination=destination))


@pytest.fixture
def free(workspace):
    """A workspace without syncs; its table may be written by several at once."""
    (workspace.root / "syncs/people.yml").unlink()
    return workspace


def test_what_is_due_runs_once_and_then_waits(free):
    """Each sync has one run, as the next one is an hour away; children follow their parents."""
    sync(free, "a")
    sync(free, "b", "{after: [a]}")
    with serving(free.root) as served:
        served.wait("a", "b")
        assert served.ran == ["a", "b"]
    assert [result.status for result in served.results] == ["succeeded", "succeeded"]


def test_runs_of_several_destinations_go_on_at_once_and_of_one_do_not(workspace, hook):
    """While one waits for its receiver, those of other destinations run, and the second of its own waits."""
    (workspace.root / "syncs/people.yml").unlink()
    sync(workspace, "a", destination="hook")
    sync(workspace, "b", destination="hook")
    sync(workspace, "c")
    hook.hold()
    with serving(workspace.root) as served:
        assert hook.waiting.wait(30)
        served.wait("c")
        assert served.scheduler.active == ("a",)
        hook.go.set()
        served.wait("a", "b", "c")


def test_no_more_runs_at_once_than_is_said(workspace, hook):
    """Overall, and for each destination."""
    (workspace.root / "syncs/people.yml").unlink()
    config = workspace.root / "tailrace.yml"
    config.write_text(config.read_text() + "serve: {runs: 2, runs_per_destination: 5}\n")
    for name in "abc":
        sync(workspace, name, destination="hook")
    hook.hold()
    with serving(workspace.root) as served:
        wait_for(lambda: len(served.scheduler.active) == 2, "two runs")
        served.scheduler.wake()
        assert hook.waiting.wait(30)
        assert len(served.scheduler.active) == 2
        hook.go.set()
        served.wait("a", "b", "c")


def test_a_request_is_carried_out_and_told(free):
    """By whichever process serves, also of a sync without a schedule; its result is that of `run --json`."""
    sync(free, "a", "null")
    with Project.load(free.root) as asking, serving(free.root) as served:
        request = asking.request("a", by="ann")
        done = served.requested(request)
        assert (done.result["status"], done.result["acknowledged"], done.who) == ("succeeded", 3, "ann")
        assert asking.run_details(done.run_id).summary.record.sync == "a"
        full = served.requested(asking.request("a", full=True, by="ann"))
        assert full.result["acknowledged"] == 3


def test_a_dry_run_on_request_gives_the_plan_and_writes_nothing(free):
    """Also while the sync is paused."""
    sync(free, "a", "null")
    with Project.load(free.root) as asking, serving(free.root) as served:
        asking.pause("a", by="ann")
        done = served.requested(asking.request("a", dry_run=True, by="ann"))
        assert (done.result["inserts"], done.run_id) == (3, None)
        assert len(done.result["changes"]) == 3
        assert asking.runs() == []


def test_exactly_a_saved_plan_is_carried_out_on_request(free):
    """A plan that the world has left behind is refused, and says so; a fresh one is applied."""
    sync(free, "a", "null")
    with Project.load(free.root) as asking, serving(free.root) as served:
        asking.save_plan(asking.plan("a", check=True), free.root / "a.plan")
        free.people((1, "Ann", None, 1))
        stale = served.requested(asking.request("a", plan=free.root / "a.plan", by="ann"))
        assert stale.result["status"] == "blocked"
        asking.release_warehouses()
        asking.save_plan(asking.plan("a", check=True), free.root / "a.plan")
        fresh = served.requested(asking.request("a", plan=free.root / "a.plan", by="ann"))
        assert (fresh.result["status"], fresh.result["acknowledged"]) == ("succeeded", 1)


def test_a_paused_sync_waits_with_schedule_and_requests(free):
    """Until it is unpaused; others go on."""
    sync(free, "a")
    sync(free, "b")
    with Project.load(free.root) as asking:
        asking.pause("a", by="ann")
        request = asking.request("a", by="ann")
        with serving(free.root) as served:
            served.wait("b")
            assert asking.request_status(request).state == "waiting"
            asking.unpause("a", by="ann")
            served.requested(request)
            assert [result.sync for result in served.results].count("a") >= 1


def test_changed_files_are_read_and_broken_ones_keep_the_last_good(free):
    """A new sync is taken up; a fault is told until it is put right, and what was good goes on meanwhile."""
    sync(free, "a")
    with serving(free.root) as served:
        served.wait("a")
        sync(free, "b", "{every: never}")
        wait_for(lambda: served.scheduler.problem is not None, "the problem")
        assert "syncs/b.yml" in served.scheduler.problem
        assert "schedule.every" in served.scheduler.problem
        done = served.requested(served.scheduler.project.request("a", by="ann"))
        assert done.result["status"] == "nothing_to_do"
        sync(free, "b")
        wait_for(lambda: "b" in served.ran, "b")
        assert served.scheduler.problem is None
        assert "b" in served.scheduler.project.syncs


def test_a_fault_of_one_sync_costs_that_sync_alone(free, monkeypatch):
    """An error that no program expects is logged, its sync is tried again later and later, and others run."""
    sync(free, "a")
    sync(free, "b")
    tries, run_sync = [], runner.run_sync

    def broken(session, chosen, request):
        if chosen.name == "a":
            tries.append(chosen.name)
            raise RuntimeError("a fault")
        return run_sync(session, chosen, request)

    monkeypatch.setattr(runner, "run_sync", broken)
    with serving(free.root) as served:
        served.wait("b")
        wait_for(lambda: len(tries) >= 2, "another try")
        assert served.scheduler.fault is None
    assert len(tries) < 10


def test_a_round_with_a_fault_fails(free, monkeypatch):
    """A supervisor learns of it by the exit code, and the other syncs ran."""
    sync(free, "a")
    sync(free, "b")
    run_sync = runner.run_sync

    def broken(session, chosen, request):
        if chosen.name == "a":
            raise RuntimeError("a fault")
        return run_sync(session, chosen, request)

    monkeypatch.setattr(runner, "run_sync", broken)
    assert due_now(free.root) == 1
    with Project.load(free.root) as project:
        assert [run.record.sync for run in project.runs()] == ["b"]


def test_requests_of_a_process_that_died_are_lost_and_recovered(free):
    """The lost one says so; another is made in its place, but not for a plan, which would send more than it says."""
    sync(free, "a", "null")
    with Project.load(free.root) as asking:
        lost, planned = (asking.state.request("a", "ann", plan=plan) for plan in (None, b"x"))
        code = f"""
import sys
from tailrace.api import Project
with Project.load(".") as project:
    assert project.state.take({lost!r})
    assert project.state.take({planned!r})
"""
        subprocess.run([*free.command()[:1], "-c", code], cwd=free.root, check=True, timeout=60)
        with serving(free.root) as served:
            wait_for(lambda: len(served.ran) == 1, "the recovery")
        states = {each.request_id: each.state for each in asking.requests()}
        assert (states[lost], states[planned]) == ("lost", "lost")
        (again,) = [each for each in asking.requests() if each.request_id not in {lost, planned}]
        assert (again.state, again.who) == ("done", "tailrace, as a requested run broke off")


def test_a_round_takes_requests_too(free):
    """`run --due` does what `serve` would do now, and ends."""
    sync(free, "a", "null")
    sync(free, "b")
    with Project.load(free.root) as asking:
        request = asking.request("a", by="ann")
        runs = free.run("run", "--due", "--json").json["runs"]
        assert sorted(run["sync"] for run in runs) == ["a", "b"]
        assert asking.request_status(request).state == "done"
    assert free.run("run", "--due", "--json").json == {"runs": []}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_batches_in_flight_end(workspace, hook, how):
    """The program ends with 0 when what it had sent is answered and saved; SIGHUP before it does no harm."""
    sync(workspace, "people", destination="hook")
    hook.hold(after=1)
    process = subprocess.Popen(
        workspace.command("--log-level", "info", "serve", "--no-web", "--tick", "0.1"),
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert hook.waiting.wait(60)
        process.send_signal(signal.SIGHUP)
        process.send_signal(how)
        assert not hook.go.wait(0.3)
        assert process.poll() is None
        hook.go.set()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, out + err
    assert "Traceback" not in err
    with Project.load(workspace.root) as project:
        (run,) = project.runs()
        assert run.record.status in {"interrupted", "succeeded"}
        assert run.record.tallies.acknowledged == len(hook.names) > 0
