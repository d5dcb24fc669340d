"""Old runs are forgotten when their sync runs again, except those that somebody still needs."""

import sqlite3
from contextlib import closing

import pytest
from tests.e2e.labs import CONFIG, MemoryLab, in_memory

from tailrace.errors import AnswerLost, ProjectError, SnapshotError
from tailrace.running import retention
from tailrace.snapshot.history import RunFiles
from tailrace.testing.plugin import store

SYNC = """\
model: people
destination: mem
object: people
mode: append
append: changes
key: id
fields: {id: id, name: name}
"""
DAY_S = 86_400


class Lab(MemoryLab):
    """A project whose past can be made older."""

    def __init__(self, workspace):
        super().__init__(workspace, SYNC)
        self.said = 0
        self.keep("90d")

    def keep(self, text):
        """How long runs are kept."""
        self.workspace.write("tailrace.yml", f"keep_runs: {text}\n{CONFIG}")

    def run(self, *, change=True):
        """A run that has something to send."""
        self.said += change
        self.workspace.people((1, f"Ann {self.said}", None, 1), (2, "Bob", None, 1))
        return super().run()

    def days_pass(self, days):
        """Whatever is on record was so many days ago."""
        with closing(sqlite3.connect(self.root / ".tailrace/state.db")) as connection, connection:
            connection.execute(
                f"update runs set started_at = started_at - {days * DAY_S}, finished_at = finished_at - {days * DAY_S}"
            )

    @property
    def on_record(self):
        """Runs in the state database, and runs whose files are there; oldest first."""
        with self.project() as project:
            known = [summary.record.run_id for summary in project.runs(limit=1_000)]
        folder = self.root / ".tailrace/snapshots/people/runs"
        return sorted(known), sorted(path.name for path in folder.iterdir())


@pytest.fixture
def lab(workspace, monkeypatch):
    """A project over the in-memory adapter."""
    in_memory(monkeypatch)
    return Lab(workspace)


def test_old_runs_go_with_their_files_when_the_sync_runs_again(lab):
    """Young ones stay; the snapshot is not touched; `explain` tells what is left."""
    old = [lab.run().run_id for _ in range(3)]
    lab.days_pass(91)
    first, second = lab.run().run_id, lab.run().run_id
    assert lab.on_record == ([first, second], [first, second])
    with lab.project() as project:
        story = project.explain("people", {"id": "1"})
        assert [event.run_id for event in story.events] == [first, second]
        assert project.explain("people", {"id": "2"}).standing == "no run on record has sent anything for this key"
        assert project.snapshot_rows("people") == 2
    assert not set(old) & {first, second}


def test_runs_within_the_time_stay(lab):
    """To the day."""
    runs = [lab.run().run_id]
    lab.days_pass(89)
    runs.append(lab.run().run_id)
    assert lab.on_record == (runs, runs)


def test_nothing_is_forgotten_where_runs_are_kept_for_ever(lab):
    """`keep_runs: off`."""
    lab.keep("off")
    runs = [lab.run().run_id]
    lab.days_pass(9_000)
    runs.append(lab.run().run_id)
    assert lab.on_record == (runs, runs)


def test_a_run_whose_rows_are_held_is_never_forgotten(lab):
    """Years later it can still be settled by what was sent; then it goes."""
    store("first").fail(AnswerLost("the connection broke"), after_commit=True)
    held = lab.run()
    assert held.unknown == 2
    lab.days_pass(5_000)
    lab.run()
    assert held.run_id in lab.on_record[0]
    assert held.run_id in lab.on_record[1]
    with lab.project() as project:
        assert len(project.resolve("people", "skip")) == 2
    lab.run()
    assert held.run_id not in lab.on_record[0]
    assert held.run_id not in lab.on_record[1]


def test_the_last_run_that_got_through_is_kept(lab):
    """A sync that has failed for months still tells when it last ran well."""
    good = lab.run().run_id
    lab.days_pass(100)
    store("first").fail(SnapshotError("never mind what"), "check", times=None)
    failed = [lab.run().run_id]
    lab.days_pass(100)
    failed.append(lab.run().run_id)
    assert lab.on_record[0] == [good, failed[-1]]
    with lab.project() as project:
        assert project.status()[0].freshness_s > 199 * DAY_S


def test_a_backlog_is_worked_off_run_by_run(lab, monkeypatch):
    """What has to be caught up with does not hold one run up."""
    monkeypatch.setattr(retention, "MOST", 2)
    old = [lab.run().run_id for _ in range(5)]
    lab.days_pass(91)
    new = [lab.run().run_id]
    assert lab.on_record[0] == [*old[2:], *new]
    new.append(lab.run(change=False).run_id)
    assert lab.on_record[0] == [*old[4:], *new]


def test_a_crash_while_forgetting_is_made_good(lab, monkeypatch):
    """Files may be gone whose run is still on record: the next run finishes it."""
    old = lab.run().run_id
    lab.days_pass(91)
    remove = RunFiles.remove

    def half(self, sync, run_id):
        remove(self, sync, run_id)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, "remove", half)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    assert old in lab.on_record[0]
    assert old not in lab.on_record[1]
    with lab.project() as project:
        assert project.explain("people", {"id": "1"}).events
    lab.run()
    assert old not in lab.on_record[0]


def test_what_cannot_be_forgotten_costs_only_space(lab, monkeypatch):
    """The run ends as it would have ended."""
    lab.run()
    lab.days_pass(91)
    monkeypatch.setattr(RunFiles, "remove", lambda *_: (_ for _ in ()).throw(SnapshotError("read-only")))
    assert lab.run().status == "succeeded"


@pytest.mark.parametrize("text", ["0d", "ninety days", "-1d", "90", "true"])
def test_a_time_that_is_none_is_refused(lab, text):
    """The message says how it is written."""
    lab.keep(text)
    with pytest.raises(ProjectError, match=r"keep_runs.*should be a duration above zero"):
        lab.project()
