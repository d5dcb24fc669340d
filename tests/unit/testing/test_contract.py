"""The contract suite finds what it is there to find: each sabotaged adapter fails the test named beside it."""

from dataclasses import replace

import pytest

from tailrace.destination import Context, Operation
from tailrace.errors import AccessDenied, AnswerLost, Retriable
from tailrace.testing import MemoryDestination, MemoryStore, RecordingCalls
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace.testing.plugin import MemoryConfig, forget_stores, plugin, store


class Sabotaged(Harness):
    """A memory adapter whose batches, outcomes or budget pass through a saboteur's hands."""

    object = "people"
    match = "id"
    fields = ("name", "note")
    secrets = ("canary",)

    def __init__(self, saboteur):
        self.saboteur = saboteur
        self.store = MemoryStore()

    def open(self, calls):
        """Open the adapter and hand it over."""
        return self.saboteur(self.store, self.context(calls))

    def records(self):
        """Read the store."""
        return list(self.store.records("people").values())

    def open_denied(self, calls):
        """Refuse every check, with the password in the message."""
        self.store.fail(AccessDenied("password canary is wrong"), "check", times=None)
        return self.open(calls)

    def throttle(self, seconds):
        """Forget the waiting time."""
        self.store.fail(Retriable("later"))

    def drop_answer(self):
        """Lose the answer of the next push."""
        self.store.fail(AnswerLost("no answer"), after_commit=True)

    def requests(self):
        """Count what reached the store."""
        return len(self.store.requests)


class AlwaysCreates(MemoryDestination):
    """Ignores the match."""

    def push(self, batch):
        """Create whatever comes."""
        rows = tuple(replace(r, match=(), values={**r.values, "id": r.match[0]}) for r in batch.rows)
        return super().push(replace(batch, operation=Operation.CREATE, match=(), rows=rows))


class SwapsOutcomes(MemoryDestination):
    """Assigns outcomes by position after the vendor has shuffled them."""

    def push(self, batch):
        """Give each row its neighbour's outcome."""
        outcomes = list(super().push(batch))
        markers = [outcome.marker for outcome in outcomes]
        return [
            replace(outcome, marker=marker) for outcome, marker in zip(outcomes, markers[1:] + markers[:1], strict=True)
        ]


class LosesOutcomes(MemoryDestination):
    """Says nothing of its last row."""

    def push(self, batch):
        """Drop one outcome."""
        return list(super().push(batch))[:-1]


class SkipsNulls(MemoryDestination):
    """Leaves null fields out."""

    def push(self, batch):
        """Drop every None."""
        rows = tuple(replace(r, values={k: v for k, v in r.values.items() if v is not None}) for r in batch.rows)
        return super().push(replace(batch, rows=rows))


class BlanksAbsent(MemoryDestination):
    """Writes null into fields a row does not carry."""

    def push(self, batch):
        """Fill every row up."""
        rows = tuple(replace(r, values={"name": None, "note": None, **r.values}) for r in batch.rows)
        return super().push(replace(batch, rows=rows))


class NeverSpends(MemoryDestination):
    """Sends without asking the budget."""

    def __init__(self, store, context):
        super().__init__(store, Context("x", RecordingCalls(), "."))


class Strips(MemoryDestination):
    """Tidies texts up on their way."""

    def push(self, batch):
        """Drop quotes."""
        rows = tuple(
            replace(r, values={k: v.replace("'", "") if v else v for k, v in r.values.items()}) for r in batch.rows
        )
        return super().push(replace(batch, rows=rows))


class FindsEverything(MemoryDestination):
    """Answers a look-up with records nobody asked for."""

    def find(self, object, match, values, fields=()):
        """Look for one more."""
        return super().find(object, match, [*values, ("row-1",), ("row-2",)], fields)


@pytest.mark.parametrize(
    ("saboteur", "test"),
    [
        (AlwaysCreates, "test_upsert_twice_makes_one_record"),
        (AlwaysCreates, "test_upsert_mixes_new_and_old"),
        (AlwaysCreates, "test_a_lost_answer_is_told_and_can_be_repeated"),
        (SwapsOutcomes, "test_find_returns_what_was_written"),
        (LosesOutcomes, "test_one_outcome_per_row"),
        (SkipsNulls, "test_none_clears_and_absent_keeps"),
        (BlanksAbsent, "test_update_writes_only_the_fields_sent"),
        (NeverSpends, "test_a_dry_run_writes_nothing"),
        (NeverSpends, "test_a_push_is_a_write"),
        (NeverSpends, "test_every_request_is_spent"),
        (Strips, "test_hostile_texts_come_back"),
        (FindsEverything, "test_find_escapes_what_it_asks_for"),
        (FindsEverything, "test_find_of_nothing_finds_nothing"),
        (MemoryDestination, "test_wrong_credentials_are_denied"),
        (MemoryDestination, "test_throttling_is_retriable"),
    ],
)
def test_sabotage_is_found(saboteur, test):
    """The suite's test fails for an adapter that breaks the promise it is about."""
    harness, calls = Sabotaged(saboteur), RecordingCalls()
    given = {"destination": harness.open(calls), "harness": harness, "calls": calls}
    method = getattr(DestinationContract(), test)
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        method(**{name: given[name] for name in wanted})


def test_what_a_harness_cannot_do_is_skipped():
    """Behaviours that the harness cannot provoke are skipped with a reason, not passed."""
    with pytest.raises(pytest.skip.Exception, match="row the vendor refuses"):
        Sabotaged(MemoryDestination).poison()


def test_memory_serves_a_project():
    """As a plugin, entries of the same store share their records, and a forgotten store is empty."""
    config = MemoryConfig(type="memory", store="shared")
    store("shared").put("people", {"id": 1})
    destination = plugin.open(config, Context("m", RecordingCalls(), "."))
    assert [record.match for record in destination.find("people", ["id"], [(1,)])] == [(1,)]
    assert plugin.capabilities(config).operations == frozenset(Operation)
    assert plugin.account_hint(config) == "shared"
    forget_stores()
    assert store("shared").records("people") == {}
