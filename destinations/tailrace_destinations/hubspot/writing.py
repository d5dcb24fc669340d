"""Records written in batches: what is sent, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Operation, Outcome, Row, acknowledged, rejected
from tailrace.errors import DestinationError
from tailrace_destinations.hubspot import accounting
from tailrace_destinations.hubspot.errors import Refused, row_outcome
from tailrace_destinations.hubspot.existing import Existing
from tailrace_destinations.hubspot.inputs import Inputs
from tailrace_destinations.hubspot.reading import key_of
from tailrace_destinations.hubspot.stages import STAGE, Stages
from tailrace_destinations.plain import NO_RECORD_ID, Unfit, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tailrace.destination import Batch
    from tailrace_destinations.hubspot.client import Client
    from tailrace_destinations.hubspot.links import Associations
    from tailrace_destinations.hubspot.reading import Reader
    from tailrace_destinations.hubspot.schema import Properties

REMOVALS: Final = frozenset({Operation.DELETE, Operation.ARCHIVE})
"""Into the recycle bin, by batches."""
_PATHS: Final = {
    Operation.UPSERT: "upsert",
    Operation.CREATE: "create",
    Operation.UPDATE: "update",
    # Both are the recycle bin, from which a record can be restored.
    Operation.DELETE: "archive",
    Operation.ARCHIVE: "archive",
}


class Writer:
    """Writes records of one account. `known` describes objects; `stages` tells lifecycle stages that move back."""

    def __init__(
        self, client: Client, known: Callable[[str], Properties], reader: Reader, stages: Stages | None = None
    ) -> None:
        self._client = client
        self._known = known
        self._existing = Existing(reader, self._update)
        self._stages = stages

    def write(self, batch: Batch, associations: Associations) -> list[Outcome]:
        """Send a batch of at most 100 rows; outcomes go by trace id or key, never by position."""
        inputs, refused = self._encoded(batch, associations)
        sent = [row for row in batch.rows if row.marker in inputs]
        cleared = self._cleared(batch, sent) if self._stages is not None else {}
        refused |= {marker: each for marker, each in cleared.items() if each.status == "rejected"}
        sent = [row for row in sent if row.marker not in refused]
        written = False
        try:
            answered = self._send(batch, sent, [inputs[row.marker] for row in sent]) if sent else []
            written = any(each.status == "acknowledged" for each in answered)
            answered = self._existing.resolved(batch, answered)
        except DestinationError as error:
            error.partly = error.partly or written or bool(cleared)
            raise
        return [*refused.values(), *(_partly(each) if each.marker in cleared else each for each in answered)]

    def erase(self, batch: Batch) -> Iterator[Outcome]:
        """Delete contacts for good, one request each; outcomes as they come.

        They go by record id: an address that no contact has would be put on a list of those that may not come back.
        """
        path = self._client.paths.objects(batch.object, "gdpr-delete")
        for row in batch.rows:
            if row.record_id is None:
                yield rejected(row.marker, *NO_RECORD_ID)
                continue
            try:
                self._client.request("POST", path, {"objectId": row.record_id}, write=True)
            except Refused as error:
                yield row_outcome(row, error.body, batch)
            else:
                yield acknowledged(row.marker, row.record_id)

    def _encoded(
        self, batch: Batch, associations: Associations
    ) -> tuple[dict[str, Mapping[str, Any]], dict[str, Outcome]]:
        """By marker the inputs of the rows that can be sent, and outcomes of those that cannot."""
        refused = _repeated(batch)
        inputs: dict[str, Mapping[str, Any]] = {}
        encode = self._input_maker(batch, associations)
        for row in batch.rows:
            if row.marker not in refused:
                try:
                    inputs[row.marker] = encode(row)
                except Unfit as unfit:
                    refused[row.marker] = rejected(row.marker, unfit.code, str(unfit))
        return inputs, refused

    def _cleared(self, batch: Batch, rows: Sequence[Row]) -> dict[str, Outcome]:
        """Clear the lifecycle stages that are to move back; outcomes of the rows that this is about."""
        assert self._stages is not None  # noqa: S101  asked only where there are some
        back = self._stages.going_back(batch, rows)
        records = {id_: Row(marker, (), (), {STAGE: None}, id_) for marker, id_ in back.items()}
        if not records:
            return {}
        update = replace(batch, operation=Operation.UPDATE, rows=tuple(records.values()), lookups={})
        answered = self._update(update)
        by_record = {row.record_id: each for row in update.rows for each in answered if each.marker == row.marker}
        outcomes = {marker: replace(by_record[id_], marker=marker) for marker, id_ in back.items()}
        # What is gone by now, the write itself will tell.
        return {marker: _unclear(each) for marker, each in outcomes.items() if each.recovery != "missing"}

    def _update(self, batch: Batch) -> list[Outcome]:
        """Send updates of records whose values are known to fit."""
        encode = self._input_maker(batch, {})
        return self._send(batch, batch.rows, [encode(row) for row in batch.rows])

    def _input_maker(self, batch: Batch, associations: Associations) -> Inputs:
        properties = None if batch.operation in REMOVALS else self._known(batch.object)
        return Inputs(batch, properties, associations)

    def _send(self, batch: Batch, rows: Sequence[Row], inputs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        path = self._client.paths.objects(batch.object, f"batch/{_PATHS[batch.operation]}")
        try:
            reply = self._client.request("POST", path, {"inputs": inputs}, write=True)
        except Refused as error:
            if len(rows) > 1:
                raise
            return [row_outcome(rows[0], error.body, batch)]
        if batch.operation in REMOVALS:
            return accounting.settle_removal(batch, rows, reply.body)
        account = accounting.Account(batch, rows)
        account.take(reply.body)
        return account.settle()


def _partly(outcome: Outcome) -> Outcome:
    """The outcome of a row of which the stage was cleared before."""
    return replace(outcome, partly=True) if outcome.status == "rejected" else outcome


def _unclear(outcome: Outcome) -> Outcome:
    if outcome.status != "rejected":
        return outcome
    return replace(outcome, message=f"{STAGE} could not be cleared, to go back: {outcome.message}")


def _repeated(batch: Batch) -> dict[str, Outcome]:
    """Rows that name one record twice: HubSpot would refuse the whole batch for them."""
    keys = {row.marker: key for row in batch.rows if (key := _record_key(batch, row)) is not None}
    double = repeated(list(keys.values()))
    message = f"another row of the batch has the same {'/'.join(batch.match) or 'record id'}; send neither or one"
    return {marker: rejected(marker, "DUPLICATE_VALUE", message) for marker, key in keys.items() if key in double}


def _record_key(batch: Batch, row: Row) -> str | None:
    if batch.operation in {Operation.UPSERT, Operation.CREATE}:
        return key_of(row.match[0], batch.match[0]) if len(batch.match) == 1 else None
    return row.record_id
