"""The reference adapter passes the contract suite it illustrates."""

import pytest

from tailrace.destination import Field, ObjectSchema
from tailrace.errors import AccessDenied, AnswerLost, Retriable
from tailrace.testing import MemoryDestination, MemoryStore
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness

TEXT = frozenset({"string"})


class MemoryHarness(Harness):
    """A strict store of the test's own."""

    object = "people"
    match = "id"
    fields = ("name", "note")
    secrets = ("canary-token",)

    def __init__(self):
        declared = [Field("id", "text", TEXT, unique=True), Field("name", "text", TEXT), Field("note", "text", TEXT)]
        schema = ObjectSchema("people", {field.name: field for field in declared})
        self.store = MemoryStore([schema], open=False)

    def open(self, calls):
        """Open the adapter over the store."""
        return MemoryDestination(self.store, self.context(calls))

    def records(self):
        """Read the store."""
        return list(self.store.records("people").values())

    def poison(self):
        """Have one name refused."""
        self.store.refuse(lambda row: row.values.get("name") == "poison", "BAD", "no poison here")
        return {"name": "poison"}

    def throttle(self, seconds):
        """Answer the next push with a waiting time."""
        self.store.fail(Retriable("too many requests", retry_after=seconds))

    def drop_answer(self):
        """Lose the answer of the next push."""
        self.store.fail(AnswerLost("no answer"), after_commit=True)

    def open_denied(self, calls):
        """Refuse every check."""
        self.store.fail(AccessDenied("who are you?"), "check", times=None)
        return self.open(calls)

    def open_unreachable(self, calls):
        """Answer no check."""
        self.store.fail(Retriable("nobody is there"), "check", times=None)
        return self.open(calls)

    def requests(self):
        """Count what reached the store."""
        return len(self.store.requests)

    def unknown_object(self):
        """Misspell the object."""
        return "peeple"


class TestMemory(DestinationContract):
    """Rows answered one by one."""

    @pytest.fixture
    def harness(self):
        """A fresh store."""
        return MemoryHarness()


class WholeBatchHarness(MemoryHarness):
    """A store that refuses whole batches."""

    def poison(self):
        """Have one name refused."""
        self.store.refuse(lambda row: row.values.get("name") == "poison", "BAD", "no poison here", whole_batch=True)
        return {"name": "poison"}


class TestMemoryWholeBatches(DestinationContract):
    """Batches answered all or nothing, so that the row at fault must be searched for."""

    @pytest.fixture
    def harness(self):
        """A fresh store that refuses batches whole."""
        return WholeBatchHarness()
