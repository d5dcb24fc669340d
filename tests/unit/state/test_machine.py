"""Whether the holder of a lease has died."""

import os
import subprocess
import sys

import pytest

from tailrace.state.machine import is_dead, this_machine


@pytest.fixture
def ended():
    """The id of a process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(" " not in this_machine(), reason="this machine has no /proc to tell it by")
def test_an_ended_process_of_this_machine_is_dead(ended):
    """Nobody needs to wait for its lease to run out."""
    assert is_dead(this_machine(), ended)


def test_a_running_process_is_not(ended):
    """A process that lives keeps its lease."""
    assert not is_dead(this_machine(), os.getpid())


def test_another_machines_process_is_not_judged(ended):
    """Its process ids mean nothing here."""
    assert not is_dead("elsewhere 1234 pid:[1]", ended)
    assert not is_dead(None, ended)
