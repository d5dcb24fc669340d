"""Group commit: who waits for what, and what goes to the disk together."""

import threading

import pytest

from tailrace.errors import StateError
from tailrace.state import commits
from tailrace.state.commits import Commits


class Disk:
    """Remembers each transaction; may hold one up until it is let go, or fail."""

    def __init__(self):
        self.written = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.error = None

    def write(self, intents, settled):
        self.entered.set()
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        self.written.append((list(intents), list(settled)))


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def group(disk, monkeypatch):
    """A group commit whose settlements never go by themselves."""
    monkeypatch.setattr(commits, "LINGER_S", 3_600.0)
    made = Commits(disk.write)
    yield made
    disk.error = None
    made.close()


def test_an_outcome_joins_the_next_intent(disk, group):
    """One transaction for both: a batch is sent after the outcomes before it are durable."""
    group.commit(["i1"])
    group.add("s1")
    assert disk.written == [(["i1"], [])]
    group.commit(["i2"])
    assert disk.written == [(["i1"], []), (["i2"], ["s1"])]


def test_intents_apart_leave_outcomes_to_the_thread(disk, group):
    """Whoever announces batches then does not write for others as well; a flush, or an intent alone, still does."""
    group.add("s1")
    group.commit(["i1"], apart=True)
    assert disk.written == [(["i1"], [])]
    group.add("s2")
    group.commit(["i2"])
    assert disk.written[1:] == [(["i2"], ["s1", "s2"])]


def test_an_outcome_that_joins_is_durable_before_the_next_intents(disk, group):
    """And those before it; what comes later may be left again."""
    group.add("s1")
    group.add("s2", joins=True)
    group.add("s3")
    disk.error = StateError("the disk is full")
    with pytest.raises(StateError, match="full"):
        group.commit(["i1"], apart=True)
    disk.error = None
    group.commit(["i1"], apart=True)
    group.add("s4")
    group.commit(["i2"], apart=True)
    assert disk.written == [(["i1"], ["s1", "s2", "s3"]), (["i2"], [])]


def test_a_flush_writes_what_lingers_and_nothing_else(disk, group):
    """It returns when all is durable, and makes no transaction for nothing."""
    group.commit()
    group.add("s1")
    group.add("s2")
    group.commit()
    group.commit()
    assert disk.written == [([], ["s1", "s2"])]


def test_intents_of_several_threads_share_a_transaction(disk, group):
    """Those that come while one is being written go together in the next."""
    disk.go.clear()
    threads = [threading.Thread(target=group.commit, args=([name],)) for name in "abcd"]
    threads[0].start()
    assert disk.entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(group._waiting) < 3:
        threading.Event().wait(0.001)
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert [sorted(intents) for intents, _ in disk.written] == [["a"], ["b", "c", "d"]]


def test_an_error_is_raised_by_all_who_wait_and_settlements_are_kept(disk, group):
    """Nobody sends what is not journaled; an outcome is tried again with the next transaction."""
    disk.error = StateError("the disk is full")
    group.add("s1")
    with pytest.raises(StateError, match="full"):
        group.commit(["i1"])
    with pytest.raises(StateError, match="full"):
        group.commit(settled=["s2"])
    disk.error = None
    group.commit(["i2"])
    assert disk.written == [(["i2"], ["s1"])]


def test_an_outcome_goes_by_itself_when_no_intent_comes(disk, monkeypatch):
    """A moment later it is durable without anybody waiting for it, again and again."""
    monkeypatch.setattr(commits, "LINGER_S", 0.0)
    group = Commits(disk.write)
    for number in range(3):
        disk.entered.clear()
        group.add(number)
        assert disk.entered.wait(30)
    group.close()
    assert [settled for _, settled in disk.written] == [[0], [1], [2]]
    assert group._thread is None or not group._thread.is_alive()


def test_its_thread_ends_when_nothing_comes_and_begins_anew(disk, monkeypatch):
    """A journal that is not closed keeps no thread for ever."""
    monkeypatch.setattr(commits, "LINGER_S", 0.0)
    monkeypatch.setattr(commits, "_IDLE_S", 0.0)
    group = Commits(disk.write)
    for number in range(2):
        disk.entered.clear()
        group.add(number)
        assert disk.entered.wait(30)
        while group._thread is not None:
            threading.Event().wait(0.001)
    assert [settled for _, settled in disk.written] == [[0], [1]]


def test_a_signal_while_a_group_is_taken_is_told_to_all_of_it(disk, group):
    """Nobody goes on as if what they announced were durable."""

    class Interrupted:
        """A lock at whose end a signal comes, once."""

        def __init__(self, lock):
            self.lock, self.left = lock, 2

        def __enter__(self):
            return self.lock.__enter__()

        def __exit__(self, *why):
            self.lock.__exit__(*why)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        def __getattr__(self, name):
            return getattr(self.lock, name)

    group.add("s1")
    group._state = Interrupted(group._state)
    with pytest.raises(KeyboardInterrupt):
        group.commit(["i1"])
    assert disk.written == []
    group.commit(["i2"])
    assert disk.written == [(["i2"], ["s1"])]


@pytest.mark.parametrize("failure", [StateError("locked"), TimeoutError("no connection")])
def test_its_thread_leaves_errors_to_those_who_can_tell_them(disk, monkeypatch, failure):
    """It ends, and the next who waits meets the error."""
    monkeypatch.setattr(commits, "LINGER_S", 0.0)
    disk.error = failure
    group = Commits(disk.write)
    group.add("s1")
    while group._thread is not None:
        threading.Event().wait(0.001)
    with pytest.raises(type(failure), match=str(failure)):
        group.close()
    disk.error = None
    group.commit()
    assert disk.written == [([], ["s1"])]
