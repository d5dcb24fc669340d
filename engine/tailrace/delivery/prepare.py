"""Before rows are sent: find the record ids they need, the records that exist, the fields that are empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tailrace.actions import ADDRESSED
from tailrace.delivery.lookup import Finder
from tailrace.delivery.verdict import without_record
from tailrace.destination import Capabilities, Operation, Outcome, Record, Row, acknowledged, rejected
from tailrace.snapshot.kept import ANEW, ANEW_MESSAGE, KEPT, kept_message

if TYPE_CHECKING:
    from tailrace.delivery.job import Job

_NONE: frozenset[str] = frozenset()


@dataclass(slots=True)
class Prepared:
    """Rows ready to be sent; rows that are settled without sending; and rows (seq) to upsert instead.

    `kept` has, by marker, what the outcome must tell of fields that are not sent: `tailrace.snapshot.kept`.
    """

    rows: list[Row] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)
    upsert: list[int] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def telling(
    outcomes: Iterable[Outcome], kept: Mapping[str, str], anew: Collection[str] = frozenset()
) -> Iterator[Outcome]:
    """The outcomes, those that were acknowledged with the fields their rows left alone.

    `anew` are the markers of updates that were sent as new rows.
    """
    for outcome in outcomes:
        if outcome.status != "acknowledged":
            yield outcome
        elif outcome.marker in kept:
            yield replace(outcome, code=KEPT, message=kept[outcome.marker])
        else:
            yield replace(outcome, code=ANEW, message=ANEW_MESSAGE) if outcome.marker in anew else outcome


class Preparer:
    """Looks up what must be known of rows before they are sent; does nothing where that is nothing.

    `initial` are the fields that are written only if that makes the record.
    """

    def __init__(self, job: Job, capabilities: Capabilities, finder: Finder, initial: frozenset[str]) -> None:
        self._job = job
        self.conditional = {"upsert": job.fill_empty | initial, "update": job.fill_empty}
        """By action the fields whose being written depends on the record."""
        self._operations: frozenset[Operation] = capabilities.operations
        self._by_id = capabilities.addresses == "record_id"
        self._finder = finder

    def prepare(self, rows: list[Row], action: str) -> Prepared:
        """Sort rows of one action; DestinationError when a look-up fails."""
        asked = [row for row in rows if self._asks(row, action)] if self._may_ask(action) else []
        if not asked:
            return Prepared(rows=rows)
        prepared = Prepared()
        wanted = sorted(self._job.fill_empty) if action in self.conditional else []
        found = self._finder.find(asked, wanted) if self._finder.works else {}
        known = {row.marker for row in asked}
        for row in rows:
            if row.marker in known:
                self._place(row, action, found.get(row.marker, []), prepared)
            else:
                prepared.rows.append(row)
        return prepared

    def _may_ask(self, action: str) -> bool:
        return (
            (action in ADDRESSED and self._by_id)
            or (action == "create" and self._job.mode == "insert")
            or bool(self.conditional.get(action))
        )

    def _asks(self, row: Row, action: str) -> bool:
        if action in ADDRESSED and self._by_id and row.record_id is None:
            return True
        if action == "create":
            return self._job.mode == "insert" and self._finder.works
        return not self.conditional.get(action, _NONE).isdisjoint(row.values)

    def _place(self, row: Row, action: str, records: Sequence[Record], prepared: Prepared) -> None:
        if len(records) > 1:
            prepared.settled.append(_ambiguous(row, records))
        elif records:
            self._found(row, action, records[0], prepared)
        elif action in ADDRESSED and row.record_id is None and self._by_id:
            self._absent(row, action, prepared)
        else:
            prepared.rows.append(row)

    def _absent(self, row: Row, action: str, prepared: Prepared) -> None:
        outcome = without_record(row.marker, self._job, action, self._operations)
        if outcome is None:
            prepared.upsert.append(int(row.marker))
        elif self._finder.works or outcome.status == "rejected":
            prepared.settled.append(outcome)
        else:
            message = "the record's id is not known, and this destination cannot look it up"
            prepared.settled.append(rejected(row.marker, "RECORD_ID_UNKNOWN", message))

    def _found(self, row: Row, action: str, record: Record, prepared: Prepared) -> None:
        if action == "create":
            prepared.settled.append(Outcome(row.marker, "skipped", record.id, code="exists"))
            return
        conditional = self.conditional.get(action, _NONE) & row.values.keys()
        filled = {name for name in conditional & self._job.fill_empty if record.values.get(name) not in (None, "")}
        left = filled | (conditional - self._job.fill_empty)
        if left:
            prepared.kept[row.marker] = kept_message(filled, left)
        values = {name: value for name, value in row.values.items() if name not in left}
        if (left or action == "update") and not values:
            prepared.settled += telling([acknowledged(row.marker, record.id)], prepared.kept)
        else:
            prepared.rows.append(replace(row, values=values, record_id=row.record_id or record.id))


def _ambiguous(row: Row, records: Sequence[Record]) -> Outcome:
    ids = ", ".join(record.id for record in records[:5])
    return rejected(row.marker, "AMBIGUOUS_MATCH", f"{len(records)} records have this match value: {ids}")
