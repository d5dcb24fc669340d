"""The contract suite: what the engine relies on in every adapter, one small test for each behaviour.

    import pytest
    from tailrace.testing.contract import DestinationContract

    pytest.register_assert_rewrite("tailrace.testing")  # in conftest.py: failures then show values

    class TestMine(DestinationContract):
        @pytest.fixture
        def harness(self):
            harness = MyHarness()
            yield harness
            harness.close()

A behaviour that the adapter's capabilities leave out, or that the harness cannot provoke, is skipped.
"""
# ruff: noqa: S101, PLR2004  # these are tests, which assert and compare with plain numbers

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tailrace.destination import Destination, OpenFields, Operation
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    ObjectNotFound,
    Retriable,
    WriteForbidden,
)
from tailrace.testing.calls import RecordingCalls
from tailrace.testing.harness import Harness
from tailrace.testing.steps import (
    both,
    describe_field,
    find,
    made_batch,
    require,
    safely,
    seed,
    send,
    stored_records,
    use,
)
from tailrace.values import Value


class DestinationContract:
    """Subclass it, and give it a `harness` fixture."""

    @pytest.fixture
    def harness(self) -> Harness:
        """The adapter under test; every subclass must provide it."""
        raise NotImplementedError("a subclass of DestinationContract provides the fixture `harness`")

    @pytest.fixture
    def calls(self) -> RecordingCalls:
        """The budget the adapter spends from."""
        return RecordingCalls()

    @pytest.fixture
    def destination(self, harness: Harness, calls: RecordingCalls) -> Iterator[Destination]:
        """The adapter, open."""
        opened = harness.open(calls)
        yield opened
        opened.close()

    # What it says of itself

    def test_check_names_the_account(self, destination: Destination) -> None:
        """Two checks name the same account, and the name is not empty."""
        first = destination.check()
        assert first.id
        assert destination.check().id == first.id

    def test_describe_names_the_fields(self, destination: Destination, harness: Harness) -> None:
        """The object's writable fields are described, and take text."""
        schema = destination.describe(harness.object)
        for name in harness.fields:
            described = describe_field(schema, name)
            assert described.updateable
            assert "string" in described.accepts

    def test_describe_knows_the_match_field_is_unique(self, destination: Destination, harness: Harness) -> None:
        """A field that may be used as match is described as unique."""
        schema = destination.describe(harness.object)
        if isinstance(schema.fields, OpenFields):
            pytest.skip("the object takes any field")
        assert describe_field(schema, harness.match).unique

    def test_describe_of_nothing_is_not_found(self, destination: Destination, harness: Harness) -> None:
        """An object that does not exist is told as such."""
        name = harness.unknown_object()
        with safely(harness, ObjectNotFound):
            destination.describe(name)

    # Creating and updating

    def test_upsert_creates(self, destination: Destination, harness: Harness) -> None:
        """New rows become records with the values sent."""
        require(destination, Operation.UPSERT)
        outcomes = send(
            destination, made_batch(harness, Operation.UPSERT, {1: both(harness, "a"), 2: both(harness, "b")})
        )
        assert [outcome.status for outcome in outcomes] == ["acknowledged"] * 2
        assert stored_records(harness) == {1: both(harness, "a"), 2: both(harness, "b")}

    def test_values_reach_their_own_fields(self, destination: Destination, harness: Harness) -> None:
        """Fields get their own values, in whatever order a row carries them."""
        require(destination, Operation.UPSERT)
        first, second = harness.fields
        send(destination, made_batch(harness, Operation.UPSERT, {1: {first: "a", second: "b"}}))
        send(destination, made_batch(harness, Operation.UPSERT, {2: {second: "d", first: "c"}}))
        assert stored_records(harness) == {1: {first: "a", second: "b"}, 2: {first: "c", second: "d"}}

    def test_upsert_twice_makes_one_record(self, destination: Destination, harness: Harness) -> None:
        """The same batch sent again makes no second record, and names the same record ids."""
        require(destination, Operation.UPSERT)
        batch = made_batch(harness, Operation.UPSERT, {1: both(harness, "a"), 2: both(harness, "b")})
        first, second = send(destination, batch), send(destination, batch)
        assert [outcome.record_id for outcome in first] == [outcome.record_id for outcome in second]
        assert len(harness.records()) == 2

    def test_upsert_changes_an_existing_record(self, destination: Destination, harness: Harness) -> None:
        """An upsert of a record that is there writes the new values into it."""
        require(destination, Operation.UPSERT)
        send(destination, made_batch(harness, Operation.UPSERT, {1: both(harness, "old")}))
        send(destination, made_batch(harness, Operation.UPSERT, {1: both(harness, "new")}))
        assert stored_records(harness) == {1: both(harness, "new")}

    def test_upsert_mixes_new_and_old(self, destination: Destination, harness: Harness) -> None:
        """One batch may create some records and change others."""
        require(destination, Operation.UPSERT)
        send(destination, made_batch(harness, Operation.UPSERT, {2: both(harness, "old")}))
        rows = {number: both(harness, f"new {number}") for number in (1, 2, 3)}
        send(destination, made_batch(harness, Operation.UPSERT, rows))
        assert stored_records(harness) == rows

    def test_create_creates(self, destination: Destination, harness: Harness) -> None:
        """A create makes a record with the values sent."""
        require(destination, Operation.CREATE)
        outcomes = send(destination, made_batch(harness, Operation.CREATE, {1: both(harness, "a")}))
        assert [outcome.status for outcome in outcomes] == ["acknowledged"]
        assert stored_records(harness) == {1: both(harness, "a")}

    def test_create_of_what_exists_is_told(self, destination: Destination, harness: Harness) -> None:
        """A create beside an existing record is refused as `exists`, and leaves the record alone."""
        require(destination, Operation.CREATE)
        send(destination, made_batch(harness, Operation.CREATE, {1: both(harness, "first")}))
        outcomes = send(destination, made_batch(harness, Operation.CREATE, {1: both(harness, "again"), 2: {}}))
        by_marker = {outcome.marker: outcome for outcome in outcomes}
        assert (by_marker["1"].status, by_marker["1"].recovery) == ("rejected", "exists")
        assert by_marker["2"].status == "acknowledged"
        assert stored_records(harness)[1] == both(harness, "first")

    def test_update_writes_only_the_fields_sent(self, destination: Destination, harness: Harness) -> None:
        """A field that an update does not carry stays as it is."""
        require(destination, Operation.UPDATE)
        ids = seed(destination, harness, 1, 2)
        first, second = harness.fields
        outcomes = send(destination, made_batch(harness, Operation.UPDATE, {1: {first: "x"}, 2: {second: "y"}}, ids))
        assert [outcome.status for outcome in outcomes] == ["acknowledged"] * 2
        assert stored_records(harness) == {1: {first: "x", second: "v1"}, 2: {first: "v2", second: "y"}}

    def test_update_of_a_missing_record_is_told(self, destination: Destination, harness: Harness) -> None:
        """An update of a record that is gone is refused as `missing`, makes none, and spares the row beside it."""
        require(destination, Operation.UPDATE, Operation.DELETE)
        ids = seed(destination, harness, 1, 2)
        send(destination, made_batch(harness, Operation.DELETE, {1: {}}, ids))
        rows = {number: {harness.fields[0]: "new"} for number in (1, 2)}
        outcomes = {o.marker: o for o in send(destination, made_batch(harness, Operation.UPDATE, rows, ids))}
        assert (outcomes["1"].status, outcomes["1"].recovery) == ("rejected", "missing")
        assert outcomes["2"].status == "acknowledged"
        assert stored_records(harness).keys() == {2}

    def test_none_clears_and_absent_keeps(self, destination: Destination, harness: Harness) -> None:
        """None clears a field; a field that is absent keeps its value."""
        require(destination, Operation.UPDATE)
        if not destination.capabilities.clears_nulls:
            pytest.skip("this destination cannot clear a field")
        ids = seed(destination, harness, 1)
        first, second = harness.fields
        send(destination, made_batch(harness, Operation.UPDATE, {1: {first: None}}, ids))
        assert stored_records(harness) == {1: {first: None, second: "v1"}}

    def test_hostile_texts_come_back(self, destination: Destination, harness: Harness) -> None:
        """Quotes, newlines, emoji, injections and look-alikes of other types are data."""
        require(destination, Operation.UPSERT)
        rows: dict[int, dict[str, Value]] = {
            number: {harness.fields[0]: text, harness.fields[1]: None} for number, text in enumerate(harness.hostile)
        }
        outcomes = send(destination, made_batch(harness, Operation.UPSERT, rows))
        assert {outcome.status for outcome in outcomes} == {"acknowledged"}
        stored = stored_records(harness)
        assert {number: stored[number][harness.fields[0]] for number in rows} == dict(enumerate(harness.hostile))

    # Deleting

    def test_delete_removes_only_what_it_names(self, destination: Destination, harness: Harness) -> None:
        """A deleted record is gone; its neighbour stays."""
        require(destination, Operation.DELETE)
        ids = seed(destination, harness, 1, 2)
        outcomes = send(destination, made_batch(harness, Operation.DELETE, {1: {}}, ids))
        assert [outcome.status for outcome in outcomes] == ["acknowledged"]
        assert stored_records(harness).keys() == {2}

    def test_delete_again_succeeds(self, destination: Destination, harness: Harness) -> None:
        """Deleting a record that is gone is a success."""
        require(destination, Operation.DELETE)
        ids = seed(destination, harness, 1)
        batch = made_batch(harness, Operation.DELETE, {1: {}}, ids)
        send(destination, batch)
        assert [outcome.status for outcome in send(destination, batch)] == ["acknowledged"]

    # Failing

    def test_one_outcome_per_row(self, destination: Destination, harness: Harness) -> None:
        """Every row has exactly one outcome under its own marker."""
        require(destination, Operation.UPSERT)
        batch = made_batch(harness, Operation.UPSERT, {number: both(harness, "x") for number in range(20)})
        markers = [outcome.marker for outcome in destination.push(batch)]
        assert sorted(markers) == sorted(row.marker for row in batch.rows)

    def test_a_poison_row_costs_one_row(self, destination: Destination, harness: Harness) -> None:
        """Beside a row the vendor refuses, the others arrive; the refusal has a code and words."""
        require(destination, Operation.UPSERT)
        rows = {number: both(harness, f"v{number}") for number in range(7)}
        rows[3] = {**rows[3], **harness.poison()}
        outcomes = {
            outcome.marker: outcome for outcome in send(destination, made_batch(harness, Operation.UPSERT, rows))
        }
        assert [marker for marker, outcome in outcomes.items() if outcome.status != "acknowledged"] == ["3"]
        assert outcomes["3"].status == "rejected"
        assert outcomes["3"].code
        assert outcomes["3"].message
        assert stored_records(harness).keys() == {0, 1, 2, 4, 5, 6}

    def test_throttling_is_retriable(self, destination: Destination, harness: Harness) -> None:
        """Too many requests: nothing is written, and the vendor's waiting time is passed on."""
        require(destination, Operation.UPSERT)
        batch = made_batch(harness, Operation.UPSERT, {1: both(harness, "a")})
        destination.describe(harness.object)
        harness.throttle(7)
        with safely(harness, Retriable) as caught:
            list(destination.push(batch))
        assert caught[0].retry_after == 7
        assert harness.records() == []
        assert send(destination, batch)[0].status == "acknowledged"

    def test_a_lost_answer_is_told_and_can_be_repeated(self, destination: Destination, harness: Harness) -> None:
        """A write whose answer is lost raises AnswerLost; the same batch again makes no second record."""
        require(destination, Operation.UPSERT)
        batch = made_batch(harness, Operation.UPSERT, {1: both(harness, "a"), 2: both(harness, "b")})
        destination.describe(harness.object)
        harness.drop_answer()
        with safely(harness, AnswerLost):
            list(destination.push(batch))
        assert {outcome.status for outcome in send(destination, batch)} == {"acknowledged"}
        assert stored_records(harness) == {1: both(harness, "a"), 2: both(harness, "b")}

    def test_wrong_credentials_are_denied(self, harness: Harness, calls: RecordingCalls) -> None:
        """Credentials the vendor refuses raise AccessDenied."""
        with safely(harness, AccessDenied):
            use(harness.open_denied(calls), harness)

    def test_an_unreachable_vendor_is_retriable(self, harness: Harness, calls: RecordingCalls) -> None:
        """When nothing answers, nothing was written, and the error says to try again."""
        with safely(harness, Retriable):
            use(harness.open_unreachable(calls), harness)

    # Asking first

    def test_a_dry_run_writes_nothing(self, harness: Harness) -> None:
        """With a read-only budget a push is refused, and no record appears."""
        destination = harness.open(RecordingCalls(read_only=True))
        for operation in sorted(destination.capabilities.operations):
            with pytest.raises(WriteForbidden):
                list(destination.push(made_batch(harness, operation, {1: both(harness, "a")}, {1: "1"})))
        destination.close()
        assert harness.records() == []

    def test_a_push_is_a_write(self, destination: Destination, harness: Harness, calls: RecordingCalls) -> None:
        """A push spends at least one write from the budget; a description spends none."""
        require(destination, Operation.UPSERT)
        destination.describe(harness.object)
        assert calls.writes == 0
        send(destination, made_batch(harness, Operation.UPSERT, {1: both(harness, "a")}))
        assert calls.writes >= 1

    def test_every_request_is_spent(self, destination: Destination, harness: Harness, calls: RecordingCalls) -> None:
        """The budget counts what the vendor counts."""
        require(destination, Operation.UPSERT)
        destination.describe(harness.object)
        send(destination, made_batch(harness, Operation.UPSERT, {1: both(harness, "a")}))
        assert calls.total == harness.requests()

    # Finding

    def test_find_returns_what_was_written(self, destination: Destination, harness: Harness) -> None:
        """Records are found by match value, with their ids and the fields asked for; unknown values are absent."""
        ids = seed(destination, harness, 1, 2, 3)
        found = find(destination, harness, [1, 3, 99], harness.fields)
        assert {record.match: record.id for record in found} == {
            (harness.match_value(1),): ids[1],
            (harness.match_value(3),): ids[3],
        }
        assert {record.match: dict(record.values) for record in found} == {
            (harness.match_value(number),): both(harness, f"v{number}") for number in (1, 3)
        }

    def test_find_of_nothing_finds_nothing(self, destination: Destination, harness: Harness) -> None:
        """No values asked for, none found, and no error."""
        seed(destination, harness, 1)
        assert find(destination, harness, []) == []

    def test_find_takes_many_values(self, destination: Destination, harness: Harness) -> None:
        """More values than fit one request are asked for in several."""
        seed(destination, harness, 1)
        found = find(destination, harness, range(1, 1500))
        assert [record.match for record in found] == [(harness.match_value(1),)]

    def test_find_escapes_what_it_asks_for(self, destination: Destination, harness: Harness) -> None:
        """Hostile match values find no record but their own."""
        seed(destination, harness, 1)
        hostile = [(text,) for text in ("' OR '1'='1", "\\' OR Id != null OR Name = \\'", "%", "row-_", '"', "🙂")]
        if not destination.capabilities.find:
            pytest.skip("this destination cannot be asked")
        assert list(destination.find(harness.object, (harness.match,), hostile)) == []
