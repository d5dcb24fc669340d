"""What the contract suite must know of an adapter: its author fills in a `Harness`.

Only the first part is a must. What a harness cannot do it leaves as it is, and the suite skips the behaviours
that need it, with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NoReturn

import pytest

from tailrace.destination import Calls, Context, Destination
from tailrace.values import Value

HOSTILE: tuple[str, ...] = (
    "O'Brien",
    'say "hi"',
    "line one\nline two",
    "tab\there",
    "back\\slash",
    "comma, semicolon; pipe|",
    "percent %s %(x)s {x} ${y}",
    "🙂 naïve Ω 漢字",
    "'; DROP TABLE people; --",
    "' OR Name != '",
    "<script>alert(1)</script>",
    "=1+1",
    "null",
    "007",
)
"""Texts that have broken quoting, escaping, CSV or type guessing somewhere."""


class Harness(ABC):
    """One adapter with a place to write to, empty at the start of each test."""

    object: str
    """An object that may be written."""
    match: str
    """A text field that is unique there."""
    fields: tuple[str, str]
    """Two other writable text fields that may be null and take 100 characters."""
    base: ClassVar[Mapping[str, Value]] = {}
    """Further values that every new record needs."""
    hostile: ClassVar[tuple[str, ...]] = HOSTILE
    """Texts that must come back as they were sent; leave out what the vendor is known to change."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Credentials in use: no error may show them."""

    @abstractmethod
    def open(self, calls: Calls) -> Destination:
        """Open the adapter with working credentials."""

    @abstractmethod
    def records(self) -> list[Mapping[str, Value]]:
        """Read all records of the object behind the adapter's back: the match field and `fields`, text or None."""

    def context(self, calls: Calls) -> Context:
        """A context for `open`."""
        return Context("contract", calls, ".")

    def match_value(self, number: int) -> str:
        """The match value of the record of that number."""
        return f"row-{number}"

    def poison(self) -> Mapping[str, Value]:
        """Values, under writable fields, for which the vendor refuses a row."""
        self._cannot("make a row the vendor refuses")

    def throttle(self, seconds: int) -> None:  # noqa: ARG002
        """Have the next request refused as too many, to be sent again after so many seconds."""
        self._cannot("make the vendor throttle")

    def drop_answer(self) -> None:
        """Have the next write carried out and its answer lost."""
        self._cannot("lose an answer after the write")

    def open_denied(self, calls: Calls) -> Destination:  # noqa: ARG002
        """Open the adapter with credentials the vendor refuses."""
        self._cannot("offer wrong credentials")

    def open_unreachable(self, calls: Calls) -> Destination:  # noqa: ARG002
        """Open the adapter with an address where nothing listens."""
        self._cannot("point the adapter at nothing")

    def requests(self) -> int:
        """Requests the vendor has counted since the test began, signing in not among them."""
        self._cannot("count the vendor's requests")

    def unknown_object(self) -> str:
        """An object that does not exist."""
        self._cannot("name an object that does not exist")

    def close(self) -> None:  # noqa: B027  # cleaning up is optional
        """Clean up."""

    @staticmethod
    def _cannot(what: str) -> NoReturn:
        pytest.skip(f"this harness cannot {what}")
