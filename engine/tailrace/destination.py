"""The destination seam: all that the engine knows of a vendor, and all that an adapter must do.

An adapter says what it can do as data (`Capabilities`), and does it (`push`, `find`). Retry, rate
limits, the journal, bisecting and look-ups of unknown outcomes live in the engine, once. An adapter
therefore never sleeps, never retries, and never swallows an error: it raises one of the errors of
`tailrace.errors` that says how to recover, or yields one `Outcome` per row.

Before each request to the vendor an adapter calls `context.calls.spend(...)`: this is where the
rate limit is waited for and where a dry run refuses writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from tailrace.installed import entry_points
from tailrace.rates import Rate as Rate  # noqa: PLC0414 - part of this seam, re-exported
from tailrace.values import KINDS, Kind, Value

if TYPE_CHECKING:
    from tailrace.project.config import DestinationConfig, SyncOptions

ENTRY_POINT_GROUP = "tailrace.destinations"
ANSWER_LOST = "ANSWER_LOST"
"""Code of a row that was sent without an answer, where the vendor gave no code of its own."""

DELETED = "deleted"
"""Code of a row that was skipped, as its record is gone and the sync says not to make another."""


class Operation(StrEnum):
    """What is asked of the destination for all rows of a batch.

    UPSERT   create, or update the record that `match` names
    CREATE   create; a record that exists already is an error of the row
    UPDATE   update the record named by `record_id`, else by `match`; never create
    DELETE   delete the record named by `record_id`, else by `match`; one that is gone is a success
    ARCHIVE  as DELETE, but into the vendor's recycle bin or inactive state
    HARD_DELETE  as DELETE, and nobody can restore the record
    """

    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ARCHIVE = "archive"
    HARD_DELETE = "hard_delete"


Status: TypeAlias = Literal["acknowledged", "rejected", "unknown", "skipped"]
Recovery: TypeAlias = Literal["retry", "missing", "exists"]


@dataclass(frozen=True, slots=True)
class Bulk:
    """When rows go out as jobs: files that the vendor takes whole and works off in its own time."""

    operations: frozenset[Operation]
    """One that is not among those of batches goes out in jobs only, however few rows there are."""
    from_rows: int
    """So many rows of one action are cheaper as jobs than as batches."""
    rows: int
    """Most rows of one job."""
    calls: int
    """Requests that one job takes, but for the polls."""
    why: str = ""
    """Why there are jobs from so many rows on, in the words of the plan."""
    why_not: str = ""
    """Why there are none below that, or of other operations."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do with one account, as data."""

    operations: frozenset[Operation]
    idempotent: frozenset[Operation]
    """Operations that may be sent again after a lost answer without making a second record."""
    batch_size: int
    """Most rows in one batch (one vendor request)."""
    strays: bool = True
    """Whether a request may be carried out after the one who made it has gone, and after what others ask for then."""
    rates: tuple[Rate, ...] = ()
    """The vendor's limits; empty when there are none."""
    concurrency: int = 1
    """Batches in flight at once for one object, unless the project says otherwise."""
    find: bool = True
    """Whether `find` works; needed by update and insert where the vendor does not decide, and by adopt."""
    match: Literal["required", "optional", "unused"] = "required"
    """Whether a sync must name `match` for anything but append."""
    addresses: Literal["record_id", "match"] = "record_id"
    """What UPDATE, DELETE and ARCHIVE go by. With `record_id` the engine finds unknown ids first."""
    lookups: bool = False
    """Whether a field may be a reference, `{lookup: …}`."""
    labels: bool = False
    """Whether references come in kinds: with a `label`, or `primary`."""
    lookup_calls: int = 0
    """Further requests that a batch takes for each field that is a reference."""
    unlinks: bool = False
    """Whether `Row.before` is needed: a reference that changes is taken away from the record that it was to."""
    clears_nulls: bool = True
    """Whether a NULL can clear a field."""
    case_insensitive_match: frozenset[str] = frozenset()
    """Match fields for which values that differ only in case or outer spaces are one record."""
    bulk: Bulk | None = None
    """How jobs work, for adapters that are a `tailrace.bulk.BulkDestination` too."""
    modes: frozenset[str] | None = None
    """The modes that mean something for this object; None for whatever `operations` permit."""
    fields: bool = True
    """Whether rows have fields to write: the members of a list, say, have none."""
    batch_calls: int = 1
    """Requests that a batch takes."""
    row_calls: frozenset[Operation] = frozenset()
    """Operations of which each row takes a request of its own."""
    for_good: str = "hard_delete"
    """The word of `on_delete` that asks for HARD_DELETE here, where there is such."""
    about: str = ""
    """What the object is and what writing to it means, where it is no object of records: shown in plans."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the credentials belong to. `id` is stable: an org id, a portal id, a database's address."""

    id: str
    name: str = ""
    quota_left: int | None = None
    """Requests left today, where the vendor says so."""
    quota_max: int | None = None
    notes: tuple[str, ...] = ()
    """What the user should know of the account or of how it is signed in to."""
    sandbox: bool | None = None
    """Whether it is a copy to try things on; None where the vendor does not say."""
    edition: str = ""
    """What was bought, in the vendor's words."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object, as the destination describes it."""

    name: str
    vendor_type: str
    accepts: frozenset[Kind]
    """Logical kinds whose values can be written here without loss of meaning."""
    createable: bool = True
    updateable: bool = True
    required: bool = False
    """A create without a value is refused."""
    nullable: bool = True
    unique: bool = False
    """May be used as `match`."""
    length: int | None = None
    """Most characters of a text."""
    options: tuple[str, ...] = ()
    """Permitted values of a restricted choice; empty when free."""


class OpenFields(Mapping[str, Field]):
    """Fields of an object that takes whatever it is given: every name is there; only `known` ones are listed."""

    def __init__(self, known: Mapping[str, Field] | None = None) -> None:
        self._known = known or {}

    def __getitem__(self, name: str) -> Field:
        return self._known.get(name) or Field(name, "any", frozenset(KINDS), unique=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """The fields of an object; names compare exactly unless `case_insensitive`."""

    name: str
    fields: Mapping[str, Field]
    case_insensitive: bool = False
    unseen: str = "the account may not see it"
    """Why a field that exists may be missing here, in words that follow "or"."""
    fault: str = ""
    """Why nothing can be written to it, and what to do; empty when it can."""
    one_of: tuple[str, ...] = ()
    """At least one of these must be mapped."""
    note: str = ""
    """What else is worth knowing of it: shown in plans and checks."""

    def get(self, name: str) -> Field | None:
        """The field of that name, under the destination's own rule of case."""
        if name in self.fields or not self.case_insensitive:
            return self.fields.get(name)
        folded = name.casefold()
        return next((f for n, f in self.fields.items() if n.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A field whose value is the key of another record: the record of `object` where `by` equals it."""

    object: str
    by: str
    label: str | None = None
    """The label that the reference carries, where the vendor has such."""
    primary: bool = False
    """Whether it is the one that counts, where the vendor tells one of several apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch."""

    marker: str
    """Unique within the run; outcomes refer to it."""
    key: tuple[Value, ...]
    match: tuple[Value, ...]
    """Values of the batch's `match` fields, in that order."""
    values: Mapping[str, Value]
    """Fields to write. None clears the field. A field that is absent stays as it is."""
    record_id: str | None = None
    before: Mapping[str, Value] = field(default_factory=dict)
    """Of fields in `values` that are references, the value last acknowledged, where there was one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one request. UPSERT and CREATE write the match fields too; an UPDATE writes only `values`."""

    id: str
    """The same each time the same rows are sent: an idempotency key."""
    object: str
    operation: Operation
    match: tuple[str, ...]
    rows: tuple[Row, ...]
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    """Which of the fields in `values` are references."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    `recovery` refines a rejection: `retry` (refused for now, may be repeated), `missing` (the record
    to update does not exist), `exists` (the record to create exists already). `partly` says of one that
    something of the row was written all the same, as by a vendor that takes several requests for a row.
    """

    marker: str
    status: Status
    record_id: str | None = None
    created: bool | None = None
    code: str | None = None
    message: str | None = None
    recovery: Recovery | None = None
    partly: bool = False


def acknowledged(marker: str, record_id: str | None = None, *, created: bool | None = None) -> Outcome:
    """The destination confirmed the row."""
    return Outcome(marker, "acknowledged", record_id, created)


def rejected(marker: str, code: str, message: str, recovery: Recovery | None = None) -> Outcome:
    """The destination refused the row, with its own code and words."""
    return Outcome(marker, "rejected", code=code, message=message, recovery=recovery)


@dataclass(frozen=True, slots=True)
class Record:
    """A record read back: its id, its match values in the order asked, and the fields asked for."""

    id: str
    match: tuple[Value, ...]
    values: Mapping[str, Value]


class Calls(Protocol):
    """The account's budget of requests, shared by all that use the account."""

    def spend(self, *, write: bool, cost: int = 1, bucket: str = "default") -> None:
        """Wait until one more request is permitted; WriteForbidden when a dry run would write.

        `cost` is how many it counts for, `bucket` which of the account's rates count it.
        """

    def observe(self, *, quota_left: int | None = None, quota_max: int | None = None) -> None:
        """Tell what the vendor's reply said of the quota."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the engine hands an adapter."""

    name: str
    """The destination's name in the project."""
    calls: Calls
    project_dir: str
    options: SyncOptions | None = None
    """The sync's adapter options, an instance of the plugin's `options` model."""
    sync: str = ""
    """The sync's name, object and mode."""
    object: str = ""
    mode: str = ""


class Destination(Protocol):
    """An open account of a vendor. Methods may be called from several threads at once."""

    capabilities: Capabilities

    def check(self) -> Account:
        """Sign in and say who we are. AccessDenied when we may not; Retriable when unreachable."""

    def describe(self, object: str) -> ObjectSchema:
        """The object's fields; ObjectNotFound, with close names, when there is no such object."""

    def push(self, batch: Batch) -> Iterable[Outcome]:
        """Send a batch; one outcome per row, matched by the vendor's own marker or key."""

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterable[Record]:
        """Look records up by their match values; those not found are absent. Any number of values."""

    def close(self) -> None:
        """Give connections back."""


@runtime_checkable
class Contending(Protocol):
    """A destination where writing a row locks the records it refers to, as writing a child locks its parent."""

    def contended(self, object: str, fields: Sequence[str]) -> Sequence[str]:
        """Of these mapped fields those that refer to a record which is locked, the one that contends most first.

        Rows are sent in their order, so that those which lock the same record stand side by side, and no two batches
        in flight lock the same one. May ask the network what `describe` asks.
        """


@runtime_checkable
class Linking(Protocol):
    """What an adapter is besides whose references are no fields of the object, but are kept beside it."""

    def describe_lookups(self, object: str, lookups: Mapping[str, Lookup]) -> Mapping[str, Field | str]:
        """How each of a sync's references is written: as what kind of field, or why it cannot be and what to do."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an adapter's entry point names: how its part of `tailrace.yml` reads, and how to open it."""

    name: str
    summary: str
    config: type[DestinationConfig]
    """Pydantic model of the destination's entry in `tailrace.yml`."""
    open: Callable[[Any, Context], Destination]
    """Called with an instance of `config`; must not touch the network."""
    capabilities: Callable[[Any], Capabilities]
    """Capabilities under that configuration, without touching the network."""
    account_hint: Callable[[Any], str]
    """What of the configuration (never a secret) tells one account from another: those alike share one budget."""
    options: type[SyncOptions] | None = None
    """Extra top-level keys this adapter understands in a sync file."""
    requires: tuple[str, ...] = ()
    """Modules the adapter imports, each of the extra of the same name as the plugin."""
    bulk: Callable[[Any, Any], Bulk | None] | None = None
    """When rows go out as jobs under that configuration and a sync's `options`; without touching the network."""
    kinds: Callable[[Any, str], Capabilities] | None = None
    """Capabilities for one object, told by its name, where there are objects of several kinds."""

    def able(self, config: Any, object: str) -> Capabilities:
        """What can be done with that object under that configuration."""
        return self.capabilities(config) if self.kinds is None else self.kinds(config, object)


class _Installed(Mapping[str, Plugin]):
    """Adapters are imported one by one, when they are asked for."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}

    def __getitem__(self, name: str) -> Plugin:
        loaded: Plugin = self._entries[name].load()
        return loaded

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def plugins() -> Mapping[str, Plugin]:
    """All installed adapters by name, found by entry point."""
    return _Installed()
