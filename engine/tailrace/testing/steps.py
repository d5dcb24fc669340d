"""The steps that the contract suite's tests are made of."""
# ruff: noqa: S101  # these are parts of tests, which assert

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TypeVar

import pytest

from tailrace.destination import Batch, Destination, Field, ObjectSchema, Operation, Outcome, Record, Row
from tailrace.errors import BatchRejected, DestinationError
from tailrace.testing.harness import Harness
from tailrace.values import Value

_Error = TypeVar("_Error", bound=DestinationError)


@contextmanager
def safely(harness: Harness, expected: type[_Error]) -> Iterator[list[_Error]]:
    """Expect that error, and no secret in it, in the errors behind it, or in what was logged meanwhile."""
    caught: list[_Error] = []
    logged = _Logged()
    logging.getLogger().addHandler(logged)
    try:
        with pytest.raises(expected) as info:
            yield caught
    finally:
        logging.getLogger().removeHandler(logged)
    caught.append(info.value)
    shown = "\n".join([*traceback.format_exception(info.value), repr(info.value), *logged.lines])
    assert not any(secret in shown for secret in harness.secrets), "a secret is in an error or a log line"


class _Logged(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def require(destination: Destination, *operations: Operation) -> None:
    """Skip the test unless the destination has these operations."""
    missing = [operation for operation in operations if operation not in destination.capabilities.operations]
    if missing:
        pytest.skip(f"this destination has no {', '.join(missing)}")


def both(harness: Harness, text: str) -> dict[str, Value]:
    """Give both fields of the harness the same text."""
    return dict.fromkeys(harness.fields, text)


def made_batch(
    harness: Harness,
    operation: Operation,
    rows: Mapping[int, Mapping[str, Value]],
    ids: Mapping[int, str] | None = None,
) -> Batch:
    """Make a batch of rows by number; those of creating operations carry the harness's base values."""
    base = harness.base if operation in (Operation.UPSERT, Operation.CREATE) else {}
    values = {} if operation in (Operation.DELETE, Operation.ARCHIVE) else rows
    made = tuple(
        Row(
            marker=str(number),
            key=(number,),
            match=(harness.match_value(number),),
            values={**base, **values.get(number, {})},
            record_id=(ids or {}).get(number),
        )
        for number in rows
    )
    return Batch(_batch_id(operation, made), harness.object, operation, (harness.match,), made)


def _batch_id(operation: Operation, rows: tuple[Row, ...]) -> str:
    """The same for the same rows and only then, as the engine's ids are."""
    return sha256(repr((operation, rows)).encode()).hexdigest()[:32]


def send(destination: Destination, batch: Batch) -> list[Outcome]:
    """Push as the engine does: a batch that is refused whole is sent by halves, down to the row at fault."""
    try:
        return sorted(
            destination.push(batch), key=lambda outcome: [row.marker for row in batch.rows].index(outcome.marker)
        )
    except BatchRejected as error:
        if len(batch.rows) == 1:
            return [Outcome(batch.rows[0].marker, "rejected", code=error.code or "REJECTED", message=error.message)]
        half = len(batch.rows) // 2
        return [o for rows in (batch.rows[:half], batch.rows[half:]) for o in send(destination, _part(batch, rows))]


def _part(batch: Batch, rows: tuple[Row, ...]) -> Batch:
    return Batch(_batch_id(batch.operation, rows), batch.object, batch.operation, batch.match, rows)


def seed(destination: Destination, harness: Harness, *numbers: int) -> dict[int, str]:
    """Make records whose fields all hold `vN`, and give their ids."""
    able = destination.capabilities.operations
    operation = Operation.UPSERT if Operation.UPSERT in able else Operation.CREATE
    batch = made_batch(harness, operation, {number: both(harness, f"v{number}") for number in numbers})
    outcomes = send(destination, batch)
    assert {outcome.status for outcome in outcomes} == {"acknowledged"}
    return {int(outcome.marker): outcome.record_id for outcome in outcomes if outcome.record_id is not None}


def stored_records(harness: Harness) -> dict[int, dict[str, Value]]:
    """All records, each under its number; two with one match value fail the test."""
    records = harness.records()
    numbers = {harness.match_value(number): number for number in range(max(100, len(harness.hostile)))}
    stored = {
        numbers[str(record[harness.match])]: {name: record.get(name) for name in harness.fields} for record in records
    }
    assert len(stored) == len(records), "two records share a match value"
    return stored


def find(
    destination: Destination, harness: Harness, numbers: Sequence[int], fields: Sequence[str] = ()
) -> list[Record]:
    """Find the records of these numbers; skip the test when the destination cannot be asked."""
    if not destination.capabilities.find:
        pytest.skip("this destination cannot be asked")
    values = [(harness.match_value(number),) for number in numbers]
    return list(destination.find(harness.object, (harness.match,), values, fields))


def use(destination: Destination, harness: Harness) -> None:
    """Check, then push: an adapter may first notice at either that it is not let in."""
    try:
        destination.check()
        list(destination.push(made_batch(harness, Operation.UPSERT, {1: both(harness, "a")})))
    finally:
        destination.close()


def describe_field(schema: ObjectSchema, name: str) -> Field:
    """Give the described field; fail when it is not described."""
    described = schema.get(name)
    assert described is not None, f"{name} is not described"
    return described
