"""A run that was stopped for longer than its lease, as on a machine that slept, harms nobody when it goes on."""

import random
import signal
import time

import pytest
from tests.sweep.process import Nursery
from tests.sweep.worlds import Insert, Upsert

from tailrace.failpoints import VARIABLE
from tailrace.sandbox import SandboxServer

LEASE_S = 2
POINTS = (
    "plan.made",
    "changes.saved",
    "batch.sent",
    "batch.settled",
    "delivery.ended",
    "lease.renewed",
    "segment.published",
    "manifest.ready",
    "manifest.replaced",
    "snapshot.saved",
    "outcomes.saved",
)


@pytest.fixture(scope="module")
def server():
    """The simulators."""
    with SandboxServer(salesforce=False) as running:
        yield running


class Stopped:
    """A world in which one run is stopped, and another one takes its sync over."""

    def __init__(self, world, first, second, mutant=""):
        self.world, self._first, self._second, self._mutant = world, first, second, mutant

    def play(self, point):
        """Stop a run at a place, let another do the work, and let the first go on; gives how that ended."""
        self.world.change()
        stopped = self._first.begin(
            ["run", "people", "--json"], self.world.root, {VARIABLE: f"{point}:1:stop"}, self._mutant
        )
        stopped.stopped()
        begun = time.monotonic()
        while (run := self.run()).code != 0:
            if "holds the state database" in run.out:  # it was stopped in a transaction: SQLite waits for nobody else
                stopped.send(signal.SIGCONT)
                stopped.end()
                return self.play(point)
            assert "holds this sync" in run.out, run.out
            assert time.monotonic() - begun < 60, "the lease never ended"
            time.sleep(0.1)
        manifest, records = self.manifest(), self.world.records()
        stopped.send(signal.SIGCONT)
        return stopped.end(), manifest, records

    def run(self):
        """Another run."""
        return self._second.begin(["run", "people", "--json"], self.world.root, {VARIABLE: ""}).end()

    def manifest(self):
        """The snapshot's manifest."""
        (path,) = self.world.root.glob(".tailrace/snapshots/*/*/manifest.json")
        return path.read_bytes()


@pytest.fixture
def stopped(tmp_path, server, monkeypatch, request):
    """Such a world."""
    monkeypatch.setenv("HUB_TOKEN", "hub-token-1")
    kind, mutant = getattr(request, "param", (Upsert, ""))
    world = kind(tmp_path, random.Random(7))  # noqa: S311 - to be repeated
    world.build(server.hubspot_url, server)
    config = tmp_path / "tailrace.yml"
    config.write_text(config.read_text().replace("lease: 20s", f"lease: {LEASE_S}s"))
    with Nursery(tmp_path) as first, Nursery(tmp_path) as second:
        yield Stopped(world, first, second, mutant)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [(Upsert, ""), (Insert, "")], indirect=True, ids=["upsert", "insert"])
def test_a_run_that_slept_harms_nobody(stopped):
    """Wherever it was stopped: it writes no snapshot and sends nothing any more, and says that it lost its sync."""
    for point in POINTS:
        ended, manifest, records = stopped.play(point)
        if point != "outcomes.saved":  # by then it was done but for the record of its end
            assert ended.code == 1, (point, ended.out)
        assert "another run took this sync over" in ended.out or "another run has saved it" in ended.out, (
            point,
            ended.out,
        )
        assert stopped.manifest() == manifest, point
        assert sorted(stopped.world.records()) == sorted(records), point
        assert stopped.run().code == 0
        assert stopped.world.faults(()) == [], point


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [(Upsert, "unfenced")], indirect=True)
def test_without_a_fence_that_is_found(stopped):
    """The test above does find a run that goes on as if nothing had happened."""
    found = []
    for point in ("batch.settled", "lease.renewed", "manifest.ready"):
        _, manifest, records = stopped.play(point)
        found.append(stopped.manifest() != manifest or sorted(stopped.world.records()) != sorted(records))
    assert any(found)
