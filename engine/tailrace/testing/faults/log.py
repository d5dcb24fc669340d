"""What became of each request that arrived at the proxy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from tailrace.testing.faults.fault import Fault
from tailrace.testing.faults.request import Kind
from tailrace.testing.faults.schedule import Schedule


@dataclass(slots=True)
class Entry:
    """One request; what becomes of it is filled in as it goes on."""

    number: int
    """Place in the order of arrival; counts from 1."""
    method: str
    path: str
    """Without the query, which may hold credentials."""
    kind: Kind
    fault: Fault | None = None
    forwarded: bool = False
    """Whether the server got any of it."""
    status: int | None = None
    """What the server answered; None when it was not asked, or did not answer."""
    answer: int | None = None
    """What the client was answered; None when its connection was closed first."""

    def __str__(self) -> str:
        heard = self.status or ("no answer" if self.forwarded else "not asked")
        told = self.answer or "closed"
        fault = f"  {self.fault.name}" if self.fault else ""
        return f"{self.number:>5} {self.method} {self.path} ({self.kind})  server: {heard}  client: {told}{fault}"

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON-ready data; a fault by its name."""
        return asdict(self) | {"fault": self.fault.name if self.fault else None}


class Log(Sequence[Entry]):
    """All requests that met one schedule, in the order of their arrival.

    `str(log)` begins with the schedule and its seed: show it where a test fails, and the failure can be replayed.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._entries: list[Entry] = []

    def append(self, entry: Entry) -> None:
        """Add a request that has just arrived."""
        self._entries.append(entry)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        """The entry there, or the entries of a slice."""
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))  # the proxy may be adding to it

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Log) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __str__(self) -> str:
        return "\n".join([repr(self.schedule), *map(str, self)])

    __repr__ = __str__

    @property
    def forwarded(self) -> int:
        """Requests that the server got."""
        return sum(entry.forwarded for entry in self)

    @property
    def writes(self) -> int:
        """Requests that write and that the server got: 0 after a dry run."""
        return sum(entry.forwarded and entry.kind == "write" for entry in self)

    @property
    def faults(self) -> Counter[str]:
        """How many requests met each fault, by its name."""
        return Counter(entry.fault.name for entry in self if entry.fault)
