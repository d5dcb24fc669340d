"""A proxy that loses, delays and refuses requests on purpose, to prove that no row is lost or doubled.

    from tailrace.testing.faults import Drop, FaultProxy, Match, Schedule

    lost = Schedule.script([Drop(commit=True)], only=Match(kind="write"))
    with FaultProxy("http://127.0.0.1:8572", lost) as proxy:
        ...  # point the adapter, in this process or another, at proxy.url
        assert proxy.log.writes == 2, proxy.log

`Schedule.random(seed=7, rate=0.2)` draws faults, the same ones whenever it has the same seed. `python -m
tailrace.testing.faults` runs the proxy in a process of its own.
"""

from tailrace.testing.faults.fault import (
    FAULTS,
    Answer,
    Delay,
    Drop,
    ExpireSession,
    Fault,
    Linger,
    Passage,
    Reorder,
    Truncate,
)
from tailrace.testing.faults.log import Entry, Log
from tailrace.testing.faults.proxy import FaultProxy
from tailrace.testing.faults.request import Kind, Kinds, Match, Request, by_content, by_path
from tailrace.testing.faults.schedule import PEACE, USUAL, Schedule
from tailrace.testing.faults.wire import Reply, reply

__all__ = [
    "FAULTS",
    "PEACE",
    "USUAL",
    "Answer",
    "Delay",
    "Drop",
    "Entry",
    "ExpireSession",
    "Fault",
    "FaultProxy",
    "Kind",
    "Kinds",
    "Linger",
    "Log",
    "Match",
    "Passage",
    "Reorder",
    "Reply",
    "Request",
    "Schedule",
    "Truncate",
    "by_content",
    "by_path",
    "reply",
]
