"""Which batches of a dead run were sent, told by what it left in a file."""

import errno
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.destination import Outcome, acknowledged
from tailrace.errors import StateError
from tailrace.state import Journal, StateDB
from tailrace.state.marks import Left, Marks
from tailrace.state.records import Intent

HEAD, MARK = len(b"this boot 2\n"), 13


@pytest.fixture
def marks(tmp_path):
    """The marks of a run of this boot."""
    return Marks(tmp_path / "sent" / "r1", "this boot")


@pytest.fixture
def left(tmp_path):
    """What another process of some boot makes of them."""
    return lambda boot="this boot": Marks(tmp_path / "sent" / "r1", boot).left().unsent


@pytest.fixture
def left_all(tmp_path):
    """All that another process makes of them."""
    return lambda: Marks(tmp_path / "sent" / "r1", "this boot").left()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9))))
def test_unsent_is_what_was_intended_and_not_sent(tmp_path_factory, steps):
    """In whatever order threads do that."""
    marks = Marks(tmp_path_factory.mktemp("marks") / "sent" / "r1", "this boot")
    intended, sent = set(), set()
    for sends, number in steps:
        (sent if sends else intended).add(number)
        marks.sent(number) if sends else marks.intended([number])
    assert marks.left().unsent == intended - sent
    marks.drop()
    assert marks.left().unsent == frozenset()


def test_it_is_as_private_as_the_state(marks):
    """And gone when it is of no use any more."""
    marks.intended([1, 2])
    (file,) = (path for path in marks._path.parent.iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    marks.drop()
    assert not file.exists()
    marks.drop()


def test_the_marks_of_another_boot_say_nothing(marks, left):
    """What was not on the disk yet when the power went is missing, a batch that was sent perhaps."""
    marks.intended([1, 2])
    marks.sent(1)
    assert (left(), left("the next one"), left("this boo"), left("")) == ({2}, set(), set(), set())


@pytest.mark.parametrize("marks_kept", [0, 2, 3])
@pytest.mark.parametrize("more", [-1, 0, 1, MARK - 1])
def test_a_part_of_a_file_says_nothing_it_does_not_hold(marks, left, marks_kept, more):
    """A mark that is cut off may be that of a batch that was sent."""
    marks.intended([1, 2])
    marks.sent(1)
    os.truncate(marks._path, HEAD + marks_kept * MARK + more)
    assert left() == ({2} if marks_kept == 3 and more > 0 else set())


class Cut:
    """What bytes are written to, until the process is killed: after some of the writings, and a part of the next."""

    def __init__(self, write, left, part):
        self.write, self.left, self.part = write, left, part

    def __call__(self, at, data):
        if self.left == 0:
            self.write(at, data[: self.part])
            raise KeyboardInterrupt
        self.left -= 1
        self.write(at, data)

    def __setitem__(self, where, data):
        at, data = (where, bytes([data])) if isinstance(where, int) else (where.start, data)
        self(at, data)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(("writings", "part"), [(0, 0), (0, 1), (0, 6), (0, 15), (1, 0)])
def test_a_mark_that_was_being_written_is_none(marks, left_all, monkeypatch, mapped, writings, part):
    """Its first byte comes last: before that the process may be killed wherever it is."""
    if not mapped:
        monkeypatch.setattr("mmap.mmap", unmappable)
    marks.intended([1, 2])
    marks.sent(1)
    before = left_all()
    write = os.pwrite
    cut = Cut(lambda at, data: write(marks._file, data, at), writings, part)
    held, marks._map = marks._map, cut if mapped else None
    monkeypatch.setattr(os, "pwrite", lambda _file, data, at: (cut(at, data), len(data))[1])
    with pytest.raises(KeyboardInterrupt):
        marks.settled(1, b"acked")
    assert left_all() == before
    monkeypatch.setattr(os, "pwrite", write)
    marks._map = held
    marks.sent(2)  # as where a signal ended the writing, and not the process
    assert left_all() == Left()


@pytest.mark.parametrize("mapped", [True, False])
def test_many_marks_of_many_threads(marks, left_all, monkeypatch, mapped):
    """Room is made for them as they come, also where a file system cannot map files into memory."""
    if not mapped:
        monkeypatch.setattr("mmap.mmap", unmappable)
    note = b"\0acked" * 200

    def settle(number):
        marks.sent(number)
        marks.settled(number, note + bytes([number % 256]))

    numbers = range(1, 1001)
    marks.intended([*numbers, 1001])
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(settle, numbers))) == 1000
    marks.settled(1001, b"x" * 5_000_000)  # more than is made room for at once
    assert left_all().unsent == {1001}
    held = left_all().settled
    assert [held[number] for number in numbers] == [note + bytes([number % 256]) for number in numbers]
    assert held[1001] == b"x" * 5_000_000
    marks.forget()
    assert left_all() == Left()
    marks.intended([1002])
    assert left_all() == Left(frozenset([1002]))


def unmappable(*_):
    """As where the system cannot."""
    raise OSError(errno.ENODEV, "No such device")


def test_a_run_that_begins_its_marks_anew_does_not_harm_one_that_has_them_mapped(marks, left, tmp_path):
    """To cut a file short kills whoever writes beyond its end then."""
    marks.intended([1, 2])
    marks._put(marks._file, bytes(5 * 4096))
    other = Marks(tmp_path / "sent" / "r1", "this boot")
    other.intended([3])
    marks.sent(2)
    assert left() == {3}


def test_where_no_note_can_be_made_nothing_is_sent(marks, tmp_path):
    """The run ends, and says why."""
    (tmp_path / "sent").write_text("in the way")
    for note in (lambda: marks.intended([1, 2]), lambda: marks.sent(1)):
        with pytest.raises(StateError, match=r"sent cannot be noted in .*sent/r1: File exists"):
            note()


def test_on_a_full_disk_nothing_is_sent(marks, left, monkeypatch):
    """The run ends and says why, what was noted before stays, and once there is room marks are made again."""
    marks.intended([1, 2])
    write = os.pwrite

    def full(file, data, at):
        if len(data) < 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:-999], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StateError, match=r"sent cannot be noted in .*sent/r1: No space left on device"):
        marks.settled(1, b"x" * 100_000)
    assert left() == {1, 2}
    marks.sent(1)  # there was room for that
    monkeypatch.undo()
    marks.settled(1, b"x" * 100_000)
    assert left() == {2}


def test_a_thread_that_comes_late_adds_its_note(marks, left_all):
    """Who stops at once closes the file while a thread still waits for its answer; what was noted stays."""
    marks.intended([1, 2])
    marks.sent(1)
    marks.close()
    marks.settled(1, b"acked")
    marks.close()
    assert left_all() == Left(frozenset([2]), {1: b"acked"})
    marks.drop()
    with pytest.raises(StateError):
        marks.sent(2)


def test_an_outcome_that_could_not_be_noted_goes_with_the_next_intents(state, start, monkeypatch):
    """It would not outlive the process else, while batches behind it are announced."""
    journal = Journal(state, "r1", start().token)
    monkeypatch.setattr("tailrace.state.journal._NOTED_S", 3_600.0)
    journal.intend_all([Intent(number, "create", [number]) for number in (1, 2)])
    journal.begin(1)

    def full(_number, _note):
        raise StateError("the disk is full")

    monkeypatch.setattr(journal._marks, "settled", full)
    journal.settle(1, [acknowledged("1")])
    journal.intend_all([Intent(number, "create", [number]) for number in (3, 4)])
    assert Journal(state, "r1", 1).batch(1).settled_at is not None


def test_what_was_noted_is_written_with_its_moment(state, start, clock):
    """So that what waits for stray requests knows when the last answer came."""
    journal = Journal(state, "r1", start().token)
    journal._commits.add = lambda _settlement, **_: None
    journal.intend_all([Intent(number, "upsert", [number]) for number in (1, 2)])
    journal.begin(1)
    journal.settle(1, [acknowledged("1")])
    assert state.last_answer(["r1"]) is None
    Journal(state, "r1", 1).take_notes()
    assert state.last_answer(["r1"]) == pytest.approx(clock.now, abs=30)
    assert [doubt.number for doubt in Journal(state, "r1", 1).doubts()] == [2]


def test_batches_intended_together_are_told_apart(state, start):
    """What was intended alone may have been sent: its intent is all there is."""
    journal = Journal(state, "r1", start().token)
    assert journal.tells_sent
    journal.intend(1, "create", [1])
    journal.intend_all([Intent(number, "create", [number]) for number in (2, 3, 4)])
    journal.begin(3)
    assert [(doubt.number, doubt.sent) for doubt in Journal(state, "r1", 1).doubts()] == [
        (1, True),
        (2, False),
        (3, True),
        (4, False),
    ]
    journal.prune()
    assert list(state.folder.glob("sent/*")) == []


def test_marks_are_made_before_the_intents_are_on_record(state, start, monkeypatch):
    """Who is killed between the two has announced nothing; the other way round all of it would be in doubt."""
    journal = Journal(state, "r1", start().token)
    monkeypatch.setattr(journal._commits, "commit", lambda _intents, **_: left.append(journal._marks.left().unsent))
    left = []
    journal.intend_all([Intent(number, "create", [number]) for number in (1, 2)])
    assert left == [{1, 2}]


@pytest.mark.parametrize(
    ("cut", "unsent", "noted"), [(-1, {2}, {1, 3}), (0, set(), {1, 3}), (1, set(), {1}), (9, set(), {1})]
)
def test_a_note_that_is_cut_off_is_none(marks, left_all, cut, unsent, noted):
    """Its own beginning tells that it is a note, and not a batch that is sent."""
    marks.intended([1, 2, 3])
    for number in (1, 3):
        marks.sent(number)
    for number in (1, 3):
        marks.settled(number, b"acked")
    os.truncate(marks._path, marks._at - cut)
    assert (left_all().unsent, {*left_all().settled}) == (unsent, noted)
    assert left_all().settled[1] == b"acked"


def test_outcomes_outlive_the_process_before_they_are_on_record(state, start, monkeypatch):
    """Who is killed right after an answer knows what it was; the batch that was not answered is in doubt."""
    journal = Journal(state, "r1", start().token)
    monkeypatch.setattr(journal._commits, "add", lambda _settlement, **_: None)
    journal.intend_all([Intent(number, "create", [number, number + 10]) for number in (1, 2, 3)])
    for number in (1, 2):
        journal.begin(number)
    refused = Outcome("11", "rejected", code="BAD", message="no")
    journal.settle(1, [acknowledged("1", "A,1"), refused])
    recovering = Journal(state, "r1", 1)
    assert [(doubt.number, doubt.sent) for doubt in recovering.doubts()] == [(2, True), (3, False)]
    assert recovering.outcomes().rows() == [
        (1, "acknowledged", "A,1", None, None, 1),
        (11, "rejected", None, "BAD", "no", 1),
    ]
    record = recovering.batch(1)
    assert (record.acknowledged, record.rejected, record.unknown) == (1, 1, 0)
    assert record.intended_at <= record.settled_at


def test_the_file_begins_anew_when_all_is_on_record(state, start):
    """A long run folds now and then; what it noted does not pile up, and what is open stays noted."""
    journal = Journal(state, "r1", start().token)
    path = journal._marks._path
    journal.intend_all([Intent(number, "create", [number]) for number in (1, 2)])
    journal.begin(1)
    journal.settle(1, [acknowledged("1")])
    journal.fold()
    assert Journal(state, "r1", 1).doubts()[0].sent is False
    journal.begin(2)
    journal.settle(2, [acknowledged("2")])
    journal.fold()
    assert path.read_bytes() == b""
    journal.intend_all([Intent(number, "create", [number]) for number in (3, 4)])
    assert [doubt.sent for doubt in Journal(state, "r1", 1).doubts()] == [False, False]


KILLED = """
import os, signal, sys
from pathlib import Path
from tailrace.state import Journal, StateDB
from tailrace.state.records import Intent

state = StateDB.open("sqlite:///.tailrace/state.db", Path(sys.argv[1]))
journal = Journal(state, "r1", 1)
journal.intend_all([Intent(number, "create", [number]) for number in range(1, 1001)])
for number in range(1, 501):
    journal.begin(number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_marks_outlive_the_process(state, start, tmp_path):
    """A process that is killed has not waited for the disk; what it wrote is there."""
    start()
    script = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    doubts = Journal(state, "r1", 1).doubts()
    assert [doubt.number for doubt in doubts if doubt.sent] == [*range(1, 501)]
    assert len(doubts) == 1000


def test_a_machine_that_does_not_tell_its_boots_apart_has_no_marks(state, start, monkeypatch):
    """Nor does a server, where another machine may have to recover."""
    monkeypatch.setattr("tailrace.state.marks.this_boot", lambda: None)
    journal = Journal(state, "r1", start().token)
    assert not journal.tells_sent
    journal.intend_all([Intent(number, "upsert", [number]) for number in (1, 2)])
    journal.begin(1)
    assert all(doubt.sent for doubt in journal.doubts())


def test_a_state_server_has_no_marks(postgres_database, tmp_path):
    """Another machine may have to recover, and cannot see them."""
    with StateDB.open(postgres_database, tmp_path) as state:
        token = state.acquire("contacts", "r1", 60).token
        state.start_run("r1", sync="contacts", mode="upsert", destination="d", object="o", identity="i", token=token)
        assert not Journal(state, "r1", token).tells_sent
