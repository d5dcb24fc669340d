"""How commands heed Ctrl-C: what the first and the second one do, whatever the program is at."""

import os
import signal
import sys
import threading

import pytest
import typer

from tailrace.cli import common
from tailrace.cli.common import graceful


class Last:
    """An object during whose end the second Ctrl-C comes: Python drops what a handler raises then."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


def asked_twice(dropped):
    """What sends is asked by a signal, and once more where it does not hear."""
    with graceful() as stop, stop.during("sending"):
        os.kill(os.getpid(), signal.SIGINT)
        Last()
        assert dropped == ["StopNow"]
        threading.Event().wait(60)
        pytest.fail("nothing stopped it")


def test_a_second_signal_is_not_lost_where_python_drops_what_it_raises(monkeypatch, capsys):
    """The run that still sends is told again, until it has heard."""
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type.__name__))
    monkeypatch.setattr(common, "AGAIN_S", 0.01)
    with pytest.raises(typer.Exit) as stopped:
        asked_twice(dropped)
    assert stopped.value.exit_code == 128 + signal.SIGINT
    assert "did not end within" not in capsys.readouterr().err


def test_the_first_signal_lets_what_is_sent_end(capsys):
    """It only sets the event; afterwards the signals do what they did before."""
    before = signal.getsignal(signal.SIGTERM)
    with graceful() as stop, stop.during("sending"):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
    assert stop.exit_code == 128 + signal.SIGTERM
    assert "stopping after the batches in flight" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
