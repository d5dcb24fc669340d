"""The reference adapter: a whole destination in a dictionary, with faults on request.

`MemoryStore` plays the vendor: it keeps records, enforces what it was told of its objects, counts requests
and fails as it is asked to. `MemoryDestination` is the adapter in front of it. Several adapters may share a
store, as several processes share an account.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tailrace.destination import (
    Account,
    Batch,
    Capabilities,
    Context,
    ObjectSchema,
    OpenFields,
    Operation,
    Outcome,
    Record,
    Recovery,
    Row,
    acknowledged,
    rejected,
)
from tailrace.errors import BatchRejected, ObjectNotFound
from tailrace.testing.fit import Fit, misfit
from tailrace.values import Value

Step: TypeAlias = Literal[
    "check", "describe", "push", "find", "open_job", "upload_job", "start_job", "job_state", "collect_job", "abort_job"
]
MatchKey: TypeAlias = tuple[Value, ...]

_REMOVALS = (Operation.DELETE, Operation.HARD_DELETE, Operation.ARCHIVE)
CAPABILITIES = Capabilities(
    operations=frozenset(Operation),
    idempotent=frozenset({Operation.UPSERT, Operation.UPDATE, *_REMOVALS}),
    batch_size=1000,
    concurrency=1,
    match="optional",
    addresses="match",
    lookups=True,
)
"""What the adapter can do unless a test says otherwise."""


@dataclass(slots=True)
class Fault:
    """An error to answer with at one kind of request, `times` times; None means always."""

    error: Exception
    at: frozenset[Step]
    times: int | None = 1
    after_commit: bool = False
    """Carry a push out first, so that only its answer is lost."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows the store does not take."""

    when: Callable[[Row], bool]
    code: str
    message: str
    recovery: Recovery | None = None
    whole_batch: bool = False
    """One such row spoils its batch, as with a vendor that answers all or nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that reached the store; `rows` counts the rows or values it named."""

    step: Step
    object: str
    operation: Operation | None = None
    rows: int = 0
    batch_id: str | None = None


@dataclass(slots=True)
class _Table:
    schema: ObjectSchema
    records: dict[str, dict[str, Value]] = field(default_factory=dict)
    archived: dict[str, dict[str, Value]] = field(default_factory=dict)
    indexes: dict[tuple[str, ...], dict[MatchKey, str]] = field(default_factory=dict)


class MemoryStore:
    """The vendor's side: objects and their records, a log of requests, and faults.

    Objects given as schemas are strict: unknown fields, missing required ones and texts that are too long are
    refused row by row. With `open`, an object nobody declared takes any field; otherwise it is not found.
    """

    def __init__(
        self,
        objects: Iterable[ObjectSchema] = (),
        *,
        account: str = "memory",
        open: bool = True,
        fold: frozenset[str] = frozenset(),
    ) -> None:
        self.account = account
        self.requests: list[Request] = []
        self.quota_left: int | None = None
        self._open = open
        self._fold = fold
        self._tables = {schema.name: _Table(schema) for schema in objects}
        self._faults: list[Fault] = []
        self._refusals: list[Refusal] = []
        self._ids = 0
        self._lock = threading.RLock()

    def fail(
        self,
        error: Exception,
        *at: Step,
        times: int | None = 1,
        after_commit: bool = False,
    ) -> None:
        """Answer the next `times` requests of these steps (default: push) with `error`."""
        self._faults.append(Fault(error, frozenset(at or ("push",)), times, after_commit))

    def refuse(
        self,
        when: Callable[[Row], bool],
        code: str = "REFUSED",
        message: str = "the store does not take this row",
        *,
        recovery: Recovery | None = None,
        whole_batch: bool = False,
    ) -> None:
        """From now on refuse the rows for which `when` is true."""
        self._refusals.append(Refusal(when, code, message, recovery, whole_batch))

    def heal(self) -> None:
        """Forget all faults and refusals."""
        self._faults.clear()
        self._refusals.clear()

    def records(self, object: str) -> dict[str, dict[str, Value]]:
        """A copy of the object's records by id; empty when there is no such object."""
        table = self._tables.get(object)
        return {} if table is None else {key: dict(values) for key, values in table.records.items()}

    def archived(self, object: str) -> dict[str, dict[str, Value]]:
        """A copy of the object's archived records by id."""
        table = self._tables.get(object)
        return {} if table is None else {key: dict(values) for key, values in table.archived.items()}

    def put(self, object: str, values: Mapping[str, Value]) -> str:
        """Make a record behind the adapter's back, and give its id."""
        with self._lock:
            return self._create(self._table(object), dict(values))

    @property
    def writes(self) -> int:
        """Pushes that reached the store, refused ones included."""
        return sum(request.step == "push" for request in self.requests)

    def schema(self, object: str) -> ObjectSchema:
        """Answer a `describe` request."""
        with self._lock:
            self._arrive(Request("describe", object))
            return self._table(object).schema

    def identify(self) -> Account:
        """Answer a `check` request."""
        with self._lock:
            self._arrive(Request("check", ""))
            return Account(self.account, name=self.account, quota_left=self.quota_left)

    def write(self, batch: Batch) -> list[Outcome]:
        """Answer a `push` request: one outcome per row, or the fault that was asked for."""
        with self._lock:
            lost = self._arrive(Request("push", batch.object, batch.operation, len(batch.rows), batch.id))
            table = self._table(batch.object)
            self._refuse_whole(batch)
            outcomes = [self._write_row(table, batch, row) for row in batch.rows]
            if lost is not None:
                raise lost
            return outcomes

    def lookup(
        self, object: str, match: tuple[str, ...], values: Sequence[MatchKey], fields: Sequence[str]
    ) -> list[Record]:
        """Answer a `find` request."""
        with self._lock:
            self._arrive(Request("find", object, rows=len(values)))
            table = self._table(object)
            index = self._index(table, match)
            found = {index[key]: None for value in values if (key := self._key(match, value)) in index}
            return [_record(table, record_id, match, fields) for record_id in found]

    def _arrive(self, request: Request) -> Exception | None:
        """Log the request and raise the fault that waits for it; one that follows the commit is returned."""
        self.requests.append(request)
        for fault in self._faults:
            if request.step in fault.at and fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                if fault.after_commit:
                    return fault.error
                raise fault.error
        return None

    def _table(self, object: str) -> _Table:
        if object not in self._tables:
            if not self._open:
                near = difflib.get_close_matches(object, self._tables)
                raise ObjectNotFound(
                    f"There is no object {object!r}.", hint=f"Close names: {', '.join(near)}." if near else None
                )
            self._tables[object] = _Table(ObjectSchema(object, OpenFields()))
        return self._tables[object]

    def _key(self, match: tuple[str, ...], values: Iterable[Value]) -> MatchKey:
        if not self._fold:
            return tuple(values)
        return tuple(_folded(value) if name in self._fold else value for name, value in zip(match, values, strict=True))

    def _index(self, table: _Table, match: tuple[str, ...]) -> dict[MatchKey, str]:
        if match not in table.indexes:
            table.indexes[match] = {
                self._key(match, (values.get(name) for name in match)): record_id
                for record_id, values in table.records.items()
            }
        return table.indexes[match]

    def _refuse_whole(self, batch: Batch) -> None:
        for refusal in self._refusals:
            if refusal.whole_batch and any(refusal.when(row) for row in batch.rows):
                raise BatchRejected(refusal.message, code=refusal.code)

    def _refusal(self, row: Row) -> Outcome | None:
        for refusal in self._refusals:
            if refusal.when(row):
                return rejected(row.marker, refusal.code, refusal.message, refusal.recovery)
        return None

    def _write_row(self, table: _Table, batch: Batch, row: Row) -> Outcome:
        if self._refusals and (refused := self._refusal(row)) is not None:
            return refused
        record_id = self._locate(table, batch, row)
        if batch.operation in _REMOVALS:
            self._remove(table, record_id, archive=batch.operation is Operation.ARCHIVE)
            return acknowledged(row.marker, record_id or row.record_id)
        if record_id is None and batch.operation is Operation.UPDATE:
            return rejected(row.marker, "NOT_FOUND", f"no record matches {row.match!r}", "missing")
        if record_id is not None and batch.operation is Operation.CREATE:
            return rejected(row.marker, "DUPLICATE", f"a record matches {row.match!r} already", "exists")
        return self._save(table, batch, row, record_id)

    def _locate(self, table: _Table, batch: Batch, row: Row) -> str | None:
        by_id = batch.operation in (Operation.UPDATE, *_REMOVALS)
        if by_id and row.record_id is not None:
            return row.record_id if row.record_id in table.records else None
        return self._index(table, batch.match).get(self._key(batch.match, row.match)) if batch.match else None

    def _save(self, table: _Table, batch: Batch, row: Row, record_id: str | None) -> Outcome:
        values = dict(row.values)
        if batch.operation is not Operation.UPDATE:
            values.update(zip(batch.match, row.match, strict=True))
        fault = self._resolve(batch, values) or misfit(table.schema, values, creating=record_id is None)
        if fault is None and record_id is not None:
            fault = self._taken(table, batch, record_id, values)
        if fault is not None:
            return rejected(row.marker, *fault)
        if record_id is None:
            return acknowledged(row.marker, self._create(table, values), created=True)
        self._update(table, record_id, values)
        return acknowledged(row.marker, record_id, created=False)

    def _taken(self, table: _Table, batch: Batch, record_id: str, values: Mapping[str, Value]) -> Fit:
        if values.keys().isdisjoint(batch.match):
            return None
        moved = [values.get(name, table.records[record_id].get(name)) for name in batch.match]
        holder = self._index(table, batch.match).get(self._key(batch.match, moved), record_id)
        return None if holder == record_id else ("DUPLICATE", f"another record matches {moved!r}", None)

    def _resolve(self, batch: Batch, values: dict[str, Value]) -> Fit:
        for name, lookup in batch.lookups.items():
            if values.get(name) is not None:
                target = self._index(self._table(lookup.object), (lookup.by,)).get((values[name],))
                if target is None:
                    return "LOOKUP", f"{name}: no {lookup.object} where {lookup.by} is {values[name]!r}", "retry"
                values[name] = target
        return None

    def _create(self, table: _Table, values: dict[str, Value]) -> str:
        self._ids += 1
        record_id = f"m{self._ids}"
        table.records[record_id] = values
        for match, index in table.indexes.items():
            index[self._key(match, (values.get(name) for name in match))] = record_id
        return record_id

    def _update(self, table: _Table, record_id: str, values: dict[str, Value]) -> None:
        moved = [match for match in table.indexes if not values.keys().isdisjoint(match)]
        self._unindex(table, record_id, moved)
        record = table.records[record_id]
        record.update(values)
        for match in moved:
            table.indexes[match][self._key(match, (record.get(name) for name in match))] = record_id

    def _remove(self, table: _Table, record_id: str | None, *, archive: bool) -> None:
        if record_id is None:
            return
        self._unindex(table, record_id, table.indexes)
        record = table.records.pop(record_id)
        if archive:
            table.archived[record_id] = record

    def _unindex(self, table: _Table, record_id: str, matches: Iterable[tuple[str, ...]]) -> None:
        record = table.records[record_id]
        for match in matches:
            table.indexes[match].pop(self._key(match, (record.get(name) for name in match)), None)


class MemoryDestination:
    """`tailrace.destination.Destination` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, context: Context, capabilities: Capabilities = CAPABILITIES) -> None:
        self.capabilities = capabilities
        self.closed = False
        self._store = store
        self._calls = context.calls

    def check(self) -> Account:
        """Say whose store this is."""
        self._calls.spend(write=False)
        account = self._store.identify()
        self._calls.observe(quota_left=account.quota_left)
        return account

    def describe(self, object: str) -> ObjectSchema:
        """The object's declared fields, or any field when it was not declared."""
        self._calls.spend(write=False)
        return self._store.schema(object)

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Write the batch; an iterator, as an adapter may be, whose first step sends the request."""
        self._calls.spend(write=True)
        yield from self._store.write(batch)

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterator[Record]:
        """Look records up, one request for every `batch_size` values."""
        size = self.capabilities.batch_size
        for start in range(0, len(values), size):
            self._calls.spend(write=False)
            yield from self._store.lookup(object, tuple(match), values[start : start + size], fields)

    def close(self) -> None:
        """Remember that we were closed."""
        self.closed = True


def _folded(value: Value) -> Value:
    return value.strip().casefold() if isinstance(value, str) else value


def _record(table: _Table, record_id: str, match: tuple[str, ...], fields: Sequence[str]) -> Record:
    values = table.records[record_id]
    return Record(record_id, tuple(values.get(name) for name in match), {name: values.get(name) for name in fields})
