"""The scheduler's parts: what is ready, where there is room, how long to wait, which project is the last good one."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import Problem, ProjectError
from tailrace.project.config import DbtConfig, ProjectConfig
from tailrace.project.operating import Serve
from tailrace.serving import patience
from tailrace.serving.keeper import Keeper
from tailrace.serving.patience import Patience
from tailrace.serving.places import Place, Places, ready
from tailrace.stopping import RunStop, Stop, StopNow, heed, heeding

NAMES = "abcdef"


class Fake:
    """A project that knows whether it is open."""

    def __init__(self, manifest=None):
        self.closed, self.released = False, []
        self.config = ProjectConfig(dbt=manifest and DbtConfig(manifest=manifest))

    def close(self):
        self.closed = True

    def release_warehouse(self, name):
        self.released.append(name)


def place(project, sync="a", destination="crm", warehouse="main"):
    """A run."""
    return Place(sync, destination, warehouse, project, Stop())


@pytest.mark.parametrize(
    ("names", "running", "expected"),
    [
        ("abc", "", "ac"),
        ("bc", "", "bc"),
        ("bc", "a", "c"),
        ("b", "c", "b"),
        ("", "a", ""),
    ],
)
def test_children_wait_for_parents_that_run_or_are_to_run(names, running, expected):
    """Here `b` follows `a`, and `c` nobody."""
    assert ready(names, {"b": {"a"}}, running) == list(expected)


@given(st.data())
def test_something_is_always_ready_when_nothing_runs(data):
    """Whatever the graph, so no round stands still; and no child is ready with its parent."""
    parents = {
        name: data.draw(st.sets(st.sampled_from(NAMES[:number]))) if number else set()
        for number, name in enumerate(NAMES)
    }
    names = [name for name in NAMES if data.draw(st.booleans())]
    found = ready(names, parents, ())
    assert bool(found) == bool(names)
    assert not any(parents[child] & set(names) for child in found)


def test_there_is_room_overall_and_for_each_destination():
    """And for each sync once."""
    places, project = Places(), Fake()
    most = Serve(runs=3, runs_per_destination=2)
    places.take(place(project, "a"))
    assert not places.free("a", "other", most)
    assert places.free("b", "crm", most)
    places.take(place(project, "b"))
    assert not places.free("c", "crm", most)
    assert places.free("c", "other", most)
    places.take(place(project, "c", "other"))
    assert not places.free("d", "third", most)


def test_a_warehouse_is_closed_when_its_last_run_ends():
    """Of one project; that of another stays."""
    places, one, two = Places(), Fake(), Fake()
    runs = [place(one, "a"), place(one, "b"), place(one, "c", warehouse="lake"), place(two, "d")]
    for each in runs:
        places.take(each)
    places.leave(runs[0])
    assert one.released == []
    places.leave(runs[1])
    assert (one.released, two.released) == (["main"], [])
    places.leave(runs[2])
    assert one.released == ["main", "lake"]


def test_what_fails_before_it_runs_is_tried_less_and_less_often(monkeypatch):
    """After a tick, then two, up to five minutes; a run on record ends that."""
    at = [1_000.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: at[0])
    waits, held = [], Patience(5.0)
    for _ in range(9):
        held.failed("a")
        begun = at[0]
        while not held.is_due("a"):
            at[0] += 1
        waits.append(at[0] - begun)
    assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    held.failed("a")
    assert held.is_due("b")
    held.ran("a")
    assert held.is_due("a")


@pytest.fixture
def files(tmp_path):
    """A project's folder, and a loader that fails where a file says so."""
    made = []

    def load(root):
        text = (root / "tailrace.yml").read_text()
        if "broken" in text:
            raise ProjectError([Problem(root / "tailrace.yml", 3, 1, "it is broken")])
        made.append(Fake("dbt/manifest.json" if "dbt" in text else None))
        return made[-1]

    (tmp_path / "tailrace.yml").write_text("good")
    load.made, load.root = made, tmp_path
    return load


def test_files_are_read_when_they_change(files):
    """A model that is changed, added or removed counts too; what did not change is not read."""
    keeper = Keeper(files.root, files)
    assert not keeper.look()
    (files.root / "models/deep").mkdir(parents=True)
    (files.root / "models/deep/a.sql").write_text("select 1")
    assert keeper.look()
    assert not keeper.look()
    (files.root / "models/deep/a.sql").unlink()
    assert keeper.look()
    assert keeper.look(anyhow=True)
    assert [project.closed for project in files.made] == [True, True, True, False]
    keeper.close()
    assert files.made[-1].closed


def test_dbts_manifest_is_read_when_it_changes(files):
    """Also when it goes away and comes back, and where it was named only later."""
    (files.root / "dbt").mkdir()
    manifest = files.root / "dbt/manifest.json"
    keeper = Keeper(files.root, files)
    manifest.write_text("of nobody")
    assert not keeper.look()
    (files.root / "tailrace.yml").write_text("good, with dbt")
    while keeper.look():
        pass
    for change in (lambda: manifest.write_text("another one"), manifest.unlink, lambda: manifest.write_text("back")):
        change()
        assert keeper.look()
        assert not keeper.look()


def test_broken_files_keep_the_last_good_project(files):
    """The problem is told until they are right again."""
    keeper = Keeper(files.root, files)
    (files.root / "tailrace.yml").write_text("broken")
    assert not keeper.look()
    assert "tailrace.yml:3:1" in keeper.problem
    assert keeper.project is files.made[0]
    assert not files.made[0].closed
    (files.root / "tailrace.yml").write_text("right again")
    assert keeper.look()
    assert keeper.problem is None
    assert keeper.project is files.made[1]


def test_a_project_that_runs_use_stays_open(files):
    """It is closed when the last of them has ended, not before."""
    keeper = Keeper(files.root, files)
    held = [keeper.hold(), keeper.hold()]
    keeper.look(anyhow=True)
    keeper.drop(held[0])
    assert not held[0].closed
    keeper.drop(held[1])
    assert held[1].closed


def test_files_that_are_broken_from_the_start_are_refused(files):
    """There is no last good project then."""
    (files.root / "tailrace.yml").write_text("broken")
    with pytest.raises(ProjectError):
        Keeper(files.root, files)


def test_a_run_stops_with_the_whole_and_alone():
    """Alone it leaves the others be."""
    whole = threading.Event()
    one, two = RunStop(whole), RunStop(whole)
    one.ask("by ann")
    assert (one.is_set(), two.is_set(), whole.is_set(), one.reason) == (True, False, False, "by ann")
    assert one.wait(60)
    assert not two.wait(0.0)
    whole.set()
    assert two.wait(60)
    assert two.reason is None


def test_a_wait_ends_when_the_whole_is_stopped():
    """Also one that has begun, in another thread."""
    whole = threading.Event()
    stop, woken = RunStop(whole), []
    thread = threading.Thread(target=lambda: woken.append(stop.wait()))
    thread.start()
    whole.set()
    thread.join(60)
    assert woken == [True]


def test_a_run_that_is_to_stop_does_not_begin_to_plan():
    """Whoever handles signals sees what it is at."""
    whole = Stop()
    stop = RunStop(whole)
    with stop.during("sending"):
        assert (stop.phase, whole.phase) == ("sending", "sending")
    assert (stop.phase, whole.phase) == (None, None)
    stop.ask("by ann")
    with pytest.raises(StopNow), stop.during("planning"):
        raise AssertionError("it began")


def test_a_thread_heeds_its_own_run():
    """And none when its run has ended."""
    stop = RunStop()
    stop.ask("by ann")
    heed()
    with pytest.raises(StopNow), heeding(stop):
        heed()
    heed()
