"""Who is who in a batch answer.

Results come in no particular order, keys come back changed (e-mail addresses in lower case), and either side
may lack its trace id. A row is settled only by what the answer says of it; when rows and answer do not add
up, nothing is assumed and the error tells the engine to find out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailrace.destination import Operation, Outcome, Row
from tailrace.errors import AnswerLost, BatchRejected, DestinationError, StopRun
from tailrace_destinations.hubspot.errors import MAPPING_CODES, named_ids, parts, row_outcome, trace_ids
from tailrace_destinations.hubspot.schema import RECORD_ID
from tailrace_destinations.plain import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tailrace.destination import Batch


def match_key(batch: Batch, row: Row) -> str:
    """The row's match value as HubSpot compares it."""
    return fold(row.match[0], ignore_case=batch.match == ("email",))


@dataclass(slots=True)
class Account:
    """The rows sent, what is known of each so far, and what could not be laid to any."""

    batch: Batch
    rows: Sequence[Row]
    known: dict[str, Outcome] = field(default_factory=dict)
    stray_results: list[Mapping[str, Any]] = field(default_factory=list)
    stray_errors: list[Mapping[str, Any]] = field(default_factory=list)
    _by_marker: dict[str, Row] = field(init=False)
    _by_key: dict[str, Row] = field(init=False)
    _by_id: dict[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self._by_marker = {row.marker: row for row in self.rows}
        self._by_key = {match_key(self.batch, row): row for row in self.rows if self._has_key(row)}
        self._by_id = {row.record_id: row for row in self.rows if row.record_id and self._goes_by_id}

    @property
    def _goes_by_id(self) -> bool:
        return self.batch.operation not in {Operation.UPSERT, Operation.CREATE}

    def _has_key(self, row: Row) -> bool:
        return not self._goes_by_id and len(self.batch.match) == 1 and row.match[0] is not None

    def take(self, body: Mapping[str, Any]) -> None:
        """Lay each error and each result of an answer to its row."""
        for error in parts(body, "errors"):
            self._take_error(error)
        for result in parts(body, "results"):
            self._take_result(result)

    def _take_error(self, error: Mapping[str, Any]) -> None:
        rows = [row for row in map(self._by_marker.get, trace_ids(error)) if row]
        rows = rows or [row for row in map(self._by_name, named_ids(error)) if row]
        if not rows:
            self.stray_errors.append(error)
        for row in rows:
            self.known[row.marker] = row_outcome(row, error, self.batch)

    def _by_name(self, name: str) -> Row | None:
        return self._by_id.get(name) or self._by_key.get(fold(name, ignore_case=self.batch.match == ("email",)))

    def _take_result(self, result: Mapping[str, Any]) -> None:
        row = self._row_of(result)
        if row is None:
            self.stray_results.append(result)
        elif row.marker not in self.known:
            id_ = result.get("id")
            created = True if self.batch.operation is Operation.CREATE else result.get("new")
            record_id = row.record_id if id_ is None else str(id_)
            self.known[row.marker] = Outcome(row.marker, "acknowledged", record_id, created)

    def _row_of(self, result: Mapping[str, Any]) -> Row | None:
        for trace in trace_ids(result):
            if trace in self._by_marker:
                return self._by_marker[trace]
        if self._goes_by_id:
            return self._by_id.get(str(result.get("id")))
        value = (result.get("properties") or {}).get(self.batch.match[0]) if self.batch.match else None
        if value is None and self.batch.match == (RECORD_ID,):
            value = result.get("id")
        return self._by_name(str(value)) if value is not None else None

    def settle(self) -> list[Outcome]:
        """One outcome per row; an error when the answer does not account for all of them."""
        rest = [row for row in self.rows if row.marker not in self.known]
        if rest and self._all_written(rest):
            created = True if self.batch.operation is Operation.CREATE else None
            self.known |= {row.marker: Outcome(row.marker, "acknowledged", row.record_id, created) for row in rest}
        elif len(rest) == 1 and len(self.stray_errors) == 1 and not self.stray_results:
            self.known[rest[0].marker] = row_outcome(rest[0], self.stray_errors[0], self.batch)
        elif rest:
            raise self._unaccounted(rest)
        self._stop_on_wrong_mapping()
        return [self.known[row.marker] for row in self.rows]

    def _all_written(self, rest: Sequence[Row]) -> bool:
        """Every input without an error succeeded, though the answer lacks what tells one record from another."""
        return not self.stray_errors and len(self.stray_results) == len(rest)

    def _unaccounted(self, rest: Sequence[Row]) -> DestinationError:
        words = f"HubSpot's answer accounts for {len(self.rows) - len(rest)} of {len(self.rows)} rows"
        said = "; ".join(str(error.get("message")) for error in self.stray_errors[:3])
        words = f"{words}: {said}" if said else words
        if self.batch.operation is Operation.CREATE or (len(self.rows) == 1 and not self.stray_errors):
            return AnswerLost(words, code="UNACCOUNTED")
        # Repeating these operations changes nothing, so smaller batches find out whom the answer forgot.
        return BatchRejected(words, code="UNACCOUNTED")

    def _stop_on_wrong_mapping(self) -> None:
        outcomes = list(self.known.values())
        if outcomes and all(outcome.code in MAPPING_CODES for outcome in outcomes):
            raise StopRun(
                f"HubSpot refuses the mapping: {outcomes[0].message}",
                code=outcomes[0].code,
                hint="Correct the sync's fields; `tailrace check` compares them with the account.",
            )


def settle_removal(batch: Batch, rows: Sequence[Row], body: Mapping[str, Any]) -> list[Outcome]:
    """Outcomes of an archive: its answer names only what failed, and is usually empty (204)."""
    account = Account(batch, rows)
    account.take(body)
    told = body.get("numErrors")
    if isinstance(told, int) and told > len(parts(body, "errors")):
        raise BatchRejected(f"HubSpot counts {told} errors and does not say which rows they are of", code="UNACCOUNTED")
    if account.stray_errors and len(rows) == 1:
        return [row_outcome(rows[0], account.stray_errors[0], batch)]
    if account.stray_errors:
        raise BatchRejected(str(account.stray_errors[0].get("message")), code="UNACCOUNTED")
    gone = {row.marker: Outcome(row.marker, "acknowledged", row.record_id) for row in rows}
    return [account.known.get(marker, outcome) for marker, outcome in gone.items()]
