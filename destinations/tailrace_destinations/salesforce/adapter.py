"""Salesforce behind the destination seam."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from tailrace.destination import Batch, Operation, Outcome, Record, Row, rejected
from tailrace.errors import AnswerLost, ObjectNotFound
from tailrace_destinations.plain import NO_RECORD_ID, Unfit, ca_bundle, close_names
from tailrace_destinations.salesforce.bulk import Jobs
from tailrace_destinations.salesforce.client import Client
from tailrace_destinations.salesforce.csvfile import Layout, Spooler
from tailrace_destinations.salesforce.encode import decode, id18
from tailrace_destinations.salesforce.errors import row_outcome, stop_error
from tailrace_destinations.salesforce.judge import judge
from tailrace_destinations.salesforce.links import Links
from tailrace_destinations.salesforce.locks import contended
from tailrace_destinations.salesforce.org import account
from tailrace_destinations.salesforce.records import RecordWriter, envelope
from tailrace_destinations.salesforce.schema import Column, SObject, read_describe, upsert_key
from tailrace_destinations.salesforce.soql import literal, queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from tailrace.bulk import JobState, Order, Spooled
    from tailrace.destination import Account, Capabilities, Context, ObjectSchema
    from tailrace.judging import Judgement, Wish
    from tailrace.values import Value
    from tailrace_destinations.salesforce.config import SalesforceConfig

_NAME: Final = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)
_METHODS: Final = {Operation.UPSERT: "PATCH", Operation.UPDATE: "PATCH", Operation.CREATE: "POST"}


class SalesforceDestination:
    """An open Salesforce org."""

    def __init__(self, config: SalesforceConfig, context: Context, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._config = config
        self._zone = ZoneInfo(config.timezone) if config.timezone else None
        self._client = Client(config, context.calls, ca_bundle(config.ca_file, context.project_dir))
        self._jobs = Jobs(self._client)
        self._links = Links(self._client, self._known, self._zone)
        self._headers = _write_headers(context)
        self._cuts = getattr(context.options, "too_long", "reject") == "truncate"
        self._described: dict[str, SObject] = {}
        self._lock = threading.Lock()

    def check(self) -> Account:
        """Sign in, and ask for the org's id, name, kind and quota."""
        return account(self._client, self._config)

    def describe(self, object: str) -> ObjectSchema:
        """The object's fields as this login sees them, asked anew."""
        found = self._ask(object)
        with self._lock:
            self._described[object] = found
        return found.schema

    def judge(self, wish: Wish) -> Judgement:
        """What a sync's mapping asks that no describe of the object alone can tell."""
        return judge(wish, self._known, self._links)

    def contended(self, object: str, fields: Sequence[str]) -> Sequence[str]:
        """The fields that refer to a record which writing a row locks."""
        return contended(self._known(object), fields)

    def _known(self, object: str) -> SObject:
        with self._lock:
            if object not in self._described:
                self._described[object] = self._ask(object)
            return self._described[object]

    def _ask(self, object: str) -> SObject:
        if _NAME.fullmatch(object):
            try:
                return read_describe(self._client.get(f"sobjects/{object}/describe"), self._zone, cuts=self._cuts)
            except ObjectNotFound:
                pass
        known = [str(entry.get("name")) for entry in self._client.get("sobjects").get("sobjects") or ()]
        raise ObjectNotFound(
            f"Salesforce has no object {object!r}{close_names(object, known)}",
            code="NOT_FOUND",
            hint="It does not exist, or the integration user may not see it.",
        )

    def push(self, batch: Batch) -> list[Outcome]:
        """Send a batch of at most 200 rows; results come in the order of the request."""
        if batch.operation is Operation.DELETE:
            return self._delete(batch)
        sobject = self._known(batch.object)
        writer = RecordWriter(batch, sobject, self._links.of_batch(batch, sobject))
        path = self._path(batch, sobject)
        records: list[str] = []
        sent: list[Row] = []
        outcomes: list[Outcome] = []
        for row in batch.rows:
            try:
                records.append(writer.write(row))
                sent.append(row)
            except Unfit as unfit:
                outcomes.append(rejected(row.marker, unfit.code, str(unfit)))
        if sent:
            method = _METHODS[batch.operation]
            results = self._client.write(method, path, envelope(records), self._headers)
            outcomes += _outcomes(batch, sent, results, _references(batch, sobject))
        return outcomes

    def _path(self, batch: Batch, sobject: SObject) -> str:
        if batch.operation is not Operation.UPSERT:
            return "composite/sobjects"
        return f"composite/sobjects/{sobject.name}/{upsert_key(sobject, batch.match).name}"

    def _delete(self, batch: Batch) -> list[Outcome]:
        nameless = [rejected(row.marker, *NO_RECORD_ID) for row in batch.rows if row.record_id is None]
        rows = {id18(row.record_id): row for row in batch.rows if row.record_id}
        if not rows:
            return nameless
        path = f"composite/sobjects?ids={','.join(rows)}&allOrNone=false"
        results = self._client.write("DELETE", path, None, {})
        done = {row.marker: outcome for row, outcome in zip(
            rows.values(), _outcomes(batch, list(rows.values()), results, frozenset()), strict=True
        )}  # fmt: skip
        by_id = {id_: done[row.marker] for id_, row in rows.items()}
        return nameless + [_for(row, by_id[id18(row.record_id)]) for row in batch.rows if row.record_id]

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterator[Record]:
        """Read records by SOQL, at most 200 values and 7,000 characters of URL a request."""
        sobject = self._known(object)
        columns = [sobject.column(name) for name in match]
        wanted = [sobject.column(name) for name in fields]
        asked: dict[tuple[str, ...], list[tuple[Value, ...]]] = {}
        literals: dict[tuple[str, ...], list[str]] = {}
        for value in values:
            terms = _literals(columns, value, self._zone)
            if terms is not None:
                key = _comparable(columns, value)
                asked.setdefault(key, []).append(value)
                literals[key] = terms
        select = list(dict.fromkeys(["Id", *(column.name for column in (*columns, *wanted))]))
        names = [column.name for column in columns]
        for query in queries(select, sobject.name, names, list(literals.values())):
            for found in self._client.query(query):
                yield from _records(found, columns, dict(zip(fields, wanted, strict=True)), asked)

    def spool(self, order: Order, rows: pl.DataFrame, path: Path) -> Spooled:
        """Write rows as the CSV of a job, at most 100 MB of it."""
        self._links.look_up(order, rows)
        return Spooler(self._layout(order), self._zone).write(rows, path)

    def open_job(self, order: Order) -> str:
        """Begin a job of Bulk API 2.0; the receipt is its id."""
        return self._jobs.open(order, self._layout(order))

    def upload_job(self, receipt: str, path: Path) -> None:
        """Send the file of a job, its only one."""
        self._jobs.upload(receipt, path)

    def start_job(self, receipt: str) -> None:
        """Let a job begin."""
        self._jobs.start(receipt)

    def job_state(self, receipt: str) -> JobState:
        """One poll, which counts in the org's quota."""
        return self._jobs.state(receipt)

    def abort_job(self, receipt: str) -> None:
        """Give an open job up."""
        self._jobs.abort(receipt)

    def collect_job(self, receipt: str, order: Order, folder: Path) -> Iterator[pl.DataFrame]:
        """Successful, failed and unprocessed rows of a job."""
        return self._jobs.collect(receipt, self._layout(order), folder)

    def _layout(self, order: Order) -> Layout:
        sobject = self._known(order.object)
        return Layout(order, sobject, self._links.of_order(order, sobject))

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


def _write_headers(context: Context) -> dict[str, str]:
    options: Any = context.options
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    if getattr(options, "allow_duplicates", False):
        headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
    if not getattr(options, "assignment_rules", True):
        headers["Sforce-Auto-Assign"] = "FALSE"
    return headers


def _references(batch: Batch, sobject: SObject) -> frozenset[str]:
    """Fields of the batch that hold record ids."""
    names = {name for row in batch.rows for name in row.values}
    return frozenset(name for name in names if sobject.column(name).targets)


def _outcomes(
    batch: Batch, rows: Sequence[Row], results: list[Mapping[str, Any]], references: frozenset[str]
) -> list[Outcome]:
    if len(results) != len(rows):
        raise AnswerLost(f"Salesforce answered {len(results)} results for {len(rows)} rows", code="UNACCOUNTED")
    stop = stop_error(results)
    if stop is not None:
        raise stop
    pairs = zip(rows, results, strict=True)
    return [row_outcome(row, result, batch, references=references) for row, result in pairs]


def _for(row: Row, outcome: Outcome) -> Outcome:
    """The same outcome for another row of the same record."""
    return Outcome(
        row.marker, outcome.status, outcome.record_id, outcome.created, outcome.code, outcome.message, outcome.recovery
    )


def _literals(columns: Sequence[Column], value: tuple[Value, ...], zone: ZoneInfo | None) -> list[str] | None:
    """The value in SOQL; None when no record can have it."""
    try:
        if not all(column.can_hold(part) for part, column in zip(value, columns, strict=True)):
            return None
        return [literal(part, column.type, zone) for part, column in zip(value, columns, strict=True)]
    except Unfit:
        return None


def _comparable(columns: Sequence[Column], value: Sequence[Value]) -> tuple[str, ...]:
    return tuple(column.comparable(part) for part, column in zip(value, columns, strict=True))


def _records(
    found: Mapping[str, Any],
    columns: Sequence[Column],
    wanted: Mapping[str, Column],
    asked: Mapping[tuple[str, ...], Sequence[tuple[Value, ...]]],
) -> Iterator[Record]:
    """A found record, once for each asked value that means it."""
    held = [decode(found.get(column.name), column.type) for column in columns]
    if any(part is None for part in held):
        return
    values = {name: decode(found.get(column.name), column.type) for name, column in wanted.items()}
    for value in asked.get(_comparable(columns, held), ()):
        yield Record(str(found["Id"]), value, values)
