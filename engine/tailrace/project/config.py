"""The typed, frozen form of `tailrace.yml` and of the files under `syncs/`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from tailrace.project.cursor import REFUSED, CursorConfig
from tailrace.project.dbt import Reference
from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.oidc import Oidc
from tailrace.project.operating import Alerts, Schedule, Serve
from tailrace.project.reading import problem
from tailrace.project.triggers import TriggerConfig
from tailrace.project.types import (
    Age,
    Count,
    Duration,
    Filled,
    Interval,
    Limit,
    Memory,
    ModelName,
    NameText,
    Percent,
    Rate,
    Secret,
    SecretUrl,
    TableName,
)
from tailrace.project.warehouses import WarehouseConfig

Mode: TypeAlias = Literal["upsert", "update", "insert", "mirror", "append", "delete"]
OnDelete: TypeAlias = Literal["delete", "hard_delete", "gdpr_delete", "archive", "clear", "keep"]
OnDeleted: TypeAlias = Literal["recreate", "skip"]
OnUnknown: TypeAlias = Literal["hold", "resend", "skip"]
GuardName: TypeAlias = Literal["on_empty", "max_deletes", "max_changes", "max_invalid", "contract"]


class DestinationConfig(Model):
    """What every destination's entry in `tailrace.yml` may hold; adapters add their own fields."""

    type: str
    rate: tuple[Rate, ...] | None = None
    """Replaces the vendor's default limits."""
    concurrency: Count | None = None
    batch_size: Count | None = None
    reserve: Percent = 0.0
    """Share of the daily quota left to other integrations, such as 20%."""
    settle: Duration = 10.0
    """How long to wait before an unknown outcome is looked up."""
    timeout: Interval = 60.0
    """How long one request may take."""


class SyncOptions(Model):
    """Base of the extra keys an adapter understands in a sync file."""


class SnapshotConfig(Model):
    """What a snapshot keeps of the values a destination acknowledged."""

    values: Literal["clear", "hashed"] = "clear"
    """`hashed` keeps keyed digests only."""
    key: Secret | None = None
    """Of the digests; without one, a key is made once and kept in the state database."""
    fingerprint: Literal[64, 128] = 64
    """Bits that stand for a row while it is compared."""


class DbtConfig(Model):
    """A project of dbt whose models syncs may read."""

    manifest: Filled
    """Its `manifest.json`, from the project's folder."""


class _Short:
    """A short form: a text where a longer value, of the type `full`, is meant."""

    def __init__(
        self,
        words: str,
        full: type,
        widen: Callable[[str], object],
        text: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._words = words
        self._full = full
        self._widen = widen
        self._text = text

    def _read(self, value: object) -> object:
        if isinstance(value, str):
            return self._widen(value)
        if isinstance(value, self._full | BaseModel | tuple):
            return value
        raise problem(f"should be {self._words}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        full = handler(schema)
        return {"anyOf": [self._text(handler.resolve_ref_schema(full)), full]}


def _property(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The schema of a property, of an object's schema."""
    return lambda full: dict(full["properties"][name])


def _place(text: str) -> dict[str, Any]:
    return {"warehouse": {}} if text == "warehouse" else {"folder": text}


class InWarehouse(Model):
    """Snapshots in the warehouse that a sync's model runs in."""

    db_schema: Annotated[Filled, Field(alias="schema")] = "tailrace"
    """The schema of ours there."""


class SnapshotsConfig(Model):
    """Where snapshots and run history are kept."""

    folder: Filled = ".tailrace/snapshots"
    """A folder or bucket; with `warehouse`, of run history alone."""
    warehouse: InWarehouse | None = None


class ProjectConfig(Model):
    """`tailrace.yml`: connections and defaults."""

    state: SecretUrl = SecretUrl.literal("sqlite:///.tailrace/state.db")
    lease: Interval = 60.0
    keep_runs: Age = 90 * 86_400.0
    """How long after its end a run stays on record."""
    memory: Memory = None
    """What comparing may take."""
    serve: Serve = Serve()
    alerts: Alerts = Alerts()
    oidc: Oidc | None = None
    """A provider that people sign in to the console with."""
    triggers: dict[NameText, TriggerConfig] = Field(default_factory=dict)
    """Programs that may ask for runs by a webhook."""
    snapshots: Annotated[
        SnapshotsConfig,
        _Short("a folder, a bucket, warehouse, or a mapping", dict, _place, _property("folder")),
    ] = SnapshotsConfig()
    """Where snapshots and run history are kept."""
    audit: bool = False
    """Whether each run writes what became of its rows to tables in the warehouse."""
    snapshot: SnapshotConfig = SnapshotConfig()
    warehouses: dict[NameText, WarehouseConfig] = Field(default_factory=dict)
    vars: dict[NameText, str | int | float | bool | None] = Field(default_factory=dict)
    """What `{{ var('NAME') }}` stands for in models."""
    dbt: DbtConfig | None = None
    destinations: dict[NameText, Any] = Field(default_factory=dict)
    """Accounts to write to; in a loaded project, instances of the adapters' own models."""

    @property
    def console_url(self) -> str | None:
        """Where people reach the console, as far as the files say."""
        url = self.serve.url or (self.oidc.url if self.oidc is not None else None)
        return url and url.rstrip("/")


_SOURCES = ("column", "sql", "value")
_TRUE_PRIMARY: dict[str, Any] = {"required": ["primary"], "properties": {"primary": {"const": True}}}


class FieldMap(Model):
    """Where the value of one destination field comes from, and when it is written."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [given("column"), given("sql"), {"required": ["value"]}]},
                {"if": given("lookup"), "then": given("by", without=("hash",)), "else": {"not": given("by")}},
                {"if": given("hash"), "then": given("column")},
                {"if": given("label"), "then": {**given("lookup"), "not": _TRUE_PRIMARY}},
                {"if": _TRUE_PRIMARY, "then": given("lookup")},
            ]
        }
    )

    column: Filled | None = None
    sql: Filled | None = None
    value: str | int | float | bool | None = None
    lookup: Filled | None = None
    by: Filled | None = None
    label: Filled | None = None
    """The label of the reference."""
    primary: bool = False
    """Whether the reference is the one that counts among several."""
    hash: Literal["sha256"] | None = None
    nulls: Literal["clear", "skip"] = "clear"
    write: Literal["always", "create", "empty"] = "always"

    @model_validator(mode="after")
    def _one_source(self) -> FieldMap:
        if (self.column is not None) + (self.sql is not None) + ("value" in self.model_fields_set) != 1:
            raise ValueError("a field takes its value from exactly one of column, sql, value")
        if (self.lookup is None) != (self.by is None):
            raise ValueError("lookup and by go together")
        if self.lookup is None and (self.label is not None or self.primary):
            raise ValueError("label and primary go with lookup")
        if self.label is not None and self.primary:
            raise ValueError("a reference has either a label or primary: true; map a second field for the other")
        if self.hash and self.column is None:
            raise ValueError("hash goes with column")
        if self.lookup and self.hash:
            raise ValueError("a lookup cannot be hashed")
        return self


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise problem("should name each only once")
    return names


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    text: dict[str, Any] = next(kind for kind in schema["properties"]["column"]["anyOf"] if kind["type"] == "string")
    return text


Distinct: TypeAlias = Annotated[
    tuple[Filled, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)
]
"""At least one text, none twice."""
FieldSource: TypeAlias = Annotated[
    FieldMap, _Short("a column's name or a mapping", dict, lambda text: {"column": text}, _without_null)
]
"""A `FieldMap`; in short, a column's name."""
Columns: TypeAlias = Annotated[
    Distinct, _Short("a column's name or a list of them", list, lambda text: (text,), lambda schema: schema["items"])
]
"""One or more column names; in short, one."""


class Guards(Model):
    """Brakes: each a share of the snapshot such as 15%, a number of rows, or off."""

    max_deletes: Limit = 0.15
    max_changes: Limit = None
    max_invalid: Limit = 0.05
    on_empty: Literal["stop", "allow"] = "stop"
    contract: Literal["on", "off"] = "on"


class Rejects(Model):
    """What happens to rows the destination refused."""

    retry: Literal["every_run", "manual"] = "every_run"
    max_attempts: Count = 10


_KIND = "^[a-z]+:[^/]"
"""Names of objects of a special kind, such as `list:VIP`; which of them have no fields, only the adapter knows."""


class ArchiveFields(Model):
    """Records whose rows left the model stay, with these fields set: `{archive: {Active__c: false}}`."""

    archive: Annotated[dict[Filled, str | int | float | bool | None], Field(min_length=1)]

    def misfit(self, name: str, fields: Mapping[str, FieldMap]) -> str | None:
        """Why a record whose row comes back would stay archived by that field; None when it would not."""
        spec = fields.get(name)
        if spec is None:
            return (
                "must stand in fields too, or a record whose row comes back would stay archived; for one, as "
                f"`{name}: {{value: …}}`"
            )
        if spec.write != "always" or spec.nulls != "clear":
            return "must be written always in fields, nulls too, or a record whose row comes back would stay archived"
        if spec.lookup is not None or spec.hash is not None:
            return "cannot be a lookup or a hash in fields"
        same = "value" in spec.model_fields_set and spec.value == self.archive[name]
        return "has that value in fields too, so it would tell nothing" if same else None


Departed: TypeAlias = Annotated[
    Annotated[OnDelete, Tag("text")] | Annotated[ArchiveFields, Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict | ArchiveFields) else "text"),
]
"""What becomes of records whose row left the model."""


def _only(key: str, *modes: Mode) -> dict[str, Any]:
    return {"if": {"required": [key]}, "then": {"properties": {"mode": {"enum": list(modes)}}}}


_MEANT_FOR: dict[str, tuple[Mode, ...]] = {
    "on_delete": ("mirror",),
    "append": ("append",),
    "deleted_in_destination": ("upsert", "mirror"),
}
"""Keys of a sync that mean something with some modes only."""


_READS_DBT: dict[str, Any] = {"required": ["model"], "properties": {"model": {"pattern": r"^(ref|source)\("}}}


class SyncConfig(Model):
    """One file under `syncs/`: a model, the object its rows go to, and how."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [given("model"), given("table")]},
                {"anyOf": [{"required": ["key"]}, _READS_DBT]},
                *(_only(key, *modes) for key, modes in _MEANT_FOR.items()),
                {"if": given("cursor"), "then": {"properties": {"mode": {"const": "upsert"}}}},
                {
                    "if": {"properties": {"mode": {"const": "delete"}}},
                    "then": {"not": {"required": ["fields"]}},
                    "else": {
                        "if": {"properties": {"object": {"pattern": _KIND}}, "required": ["object"]},
                        "else": {"required": ["fields"], "properties": {"fields": {"minProperties": 1}}},
                    },
                },
            ]
        }
    )

    description: str = ""
    model: ModelName | None = None
    table: TableName | None = None
    """What to read in place of a model."""
    warehouse: NameText | None = None
    destination: NameText
    object: Filled
    mode: Mode
    key: Columns = ()
    """May be left out where dbt knows it."""
    cursor: (
        Annotated[
            CursorConfig,
            _Short("a column's name or a mapping", dict, lambda text: {"column": text}, _property("column")),
        ]
        | None
    ) = None
    """A column that rises whenever a row changes: only what is new is read."""
    match: dict[Filled, Filled] = Field(default_factory=dict)
    fields: dict[Filled, FieldSource] = Field(default_factory=dict)
    on_delete: Departed = "delete"
    append: Literal["new", "changes"] = "new"
    schedule: Schedule | None = None
    paused: bool = False
    """Whether neither a schedule nor a request runs it."""
    timeout: Interval | None = None
    """After which a run stops, as if it were asked to."""
    freshness: Interval | None = None
    """How old the last run that got through may be, before alerts tell of it."""
    alerts: Alerts | None = None
    """In place of what the project says."""
    guards: Guards = Guards()
    rejects: Rejects = Rejects()
    deleted_in_destination: OnDeleted = "recreate"
    """What becomes of a changed row whose record is gone."""
    on_unknown: OnUnknown = "hold"
    snapshot: SnapshotConfig | None = None
    """In place of the project's."""
    batch_size: Count | None = None
    tags: tuple[Filled, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> SyncConfig:
        if (self.model is None) == (self.table is None):
            raise ValueError("a sync reads exactly one of model, table")
        return self

    @property
    def reads(self) -> str:
        """The model's name, or the table's."""
        return self.model or str(self.table)

    @property
    def source(self) -> str:
        """What the rows are read from, as people say it."""
        return f"{'model' if self.model is not None else 'table'} {self.reads}"

    @property
    def reference(self) -> Reference | None:
        """The model or source of dbt that is read, if it is one."""
        return Reference.read(self.model) if self.model is not None else None

    def misfits(self, *, fields: bool | None = True) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield what does not fit together: the keys that lead there, and the words that follow their names.

        `fields` tells whether the object has any; None where that is not known.
        """
        yield from self._of_other_modes()
        if self.mode == "delete" and "fields" in self.model_fields_set:
            yield ("fields",), "mean nothing with mode delete, which writes no fields"
        if self.fields and fields is False:
            yield ("fields",), f"mean nothing for {self.object}, which has none; leave them out"
        needed = re.match(_KIND, self.object) is None if fields is None else fields
        if self.mode != "delete" and needed and not self.fields:
            yield ("fields",), f"must map at least one field with mode {self.mode}"
        if isinstance(self.on_delete, ArchiveFields):
            for name in self.on_delete.archive:
                words = self.on_delete.misfit(name, self.fields)
                if words is not None:
                    yield ("on_delete", "archive", name), words
        for name in self.match.keys() & self.fields.keys():
            yield ("fields", name), "is a match field already, and written as such; leave it out of fields"

    def _of_other_modes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        for key, modes in _MEANT_FOR.items():
            if key in self.model_fields_set and self.mode not in modes:
                yield (key,), f"means something with mode {' or '.join(modes)} only; this sync has mode {self.mode}"
        if self.cursor is not None and self.mode in REFUSED:
            yield ("cursor",), REFUSED[self.mode]
