"""Calls that may take hours, and end when somebody wants them to."""

import threading

import pytest

from tailrace.stopping import ASKED, StopNow
from tailrace.warehouses.interrupt import interruptibly


class Query:
    """Works until it is cancelled. What is cancelled before it began does not know of it."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.begun = threading.Event()

    def run(self):
        self.begun.set()
        assert self.cancelled.wait(60)
        raise RuntimeError("interrupted")

    def cancel(self):
        if self.begun.is_set():
            self.cancelled.set()


def test_what_is_done_is_given_and_what_fails_is_raised():
    """As if nobody stood between."""
    assert interruptibly(lambda: 7, int) == 7
    with pytest.raises(ZeroDivisionError):
        interruptibly(lambda: 1 // 0, int)


def test_it_ends_though_the_exception_of_ctrl_c_was_lost(monkeypatch):
    """A library that caught all errors while it was loaded has taken the exception away; the wish stands."""
    query = Query()
    monkeypatch.setattr("tailrace.stopping.ASKED", asked := threading.Event())
    threading.Thread(target=lambda: (query.begun.wait(60), asked.set())).start()
    with pytest.raises(StopNow):
        interruptibly(query.run, query.cancel)
    assert query.cancelled.is_set()
    assert not ASKED.is_set()


def test_another_thread_than_the_first_waits_itself():
    """No signal goes to it."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(interruptibly(threading.current_thread, int)))
    thread.start()
    thread.join()
    assert seen == [thread]
