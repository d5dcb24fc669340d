"""The typed, frozen form of `tailrace.yml` and of the files under `syncs/`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from tailrace.project.model import Model
from tailrace.project.types import Count, Duration, Limit, NameText, Percent, Rate, Secret, SecretUrl

Mode: TypeAlias = Literal["upsert", "update", "insert", "mirror", "append", "delete"]
OnDelete: TypeAlias = Literal["delete", "archive", "clear", "keep"]
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
    """Share of the daily quota left to other integrations, 0 to 1."""
    settle: Duration = 10.0
    """Seconds to wait before an unknown outcome is looked up."""
    timeout: Duration = 60.0
    """Seconds one request may take."""


class SyncOptions(Model):
    """Base of the extra keys an adapter understands in a sync file."""


class DuckDBConfig(Model):
    """A DuckDB file, opened read-only, or `:memory:` for models that read files."""

    type: Literal["duckdb"]
    path: str


class PostgresConfig(Model):
    """PostgreSQL, by SQLAlchemy URL."""

    type: Literal["postgres"]
    url: SecretUrl


class SnowflakeConfig(Model):
    """Snowflake, by SQLAlchemy URL or by its parts."""

    type: Literal["snowflake"]
    url: SecretUrl | None = None
    account: str | None = None
    user: str | None = None
    password: Secret | None = None
    private_key: Secret | None = None
    database: str | None = None
    db_schema: Annotated[str | None, Field(alias="schema")] = None
    warehouse: str | None = None
    role: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SnowflakeConfig:
        if (self.url is None) == (self.account is None):
            raise ValueError("give either url, or account with user and password or private_key")
        return self


class BigQueryConfig(Model):
    """BigQuery; without `credentials` the environment's application default credentials."""

    type: Literal["bigquery"]
    project: str
    dataset: str | None = None
    location: str | None = None
    credentials: Secret | None = None
    """The service account's JSON, by reference such as `${file:key.json}`."""


class SQLAlchemyConfig(Model):
    """Any other SQLAlchemy dialect, by URL."""

    type: Literal["sqlalchemy"]
    url: SecretUrl


WarehouseConfig: TypeAlias = Annotated[
    DuckDBConfig | PostgresConfig | SnowflakeConfig | BigQueryConfig | SQLAlchemyConfig,
    Field(discriminator="type"),
]


class ProjectConfig(Model):
    """`tailrace.yml`. `destinations` holds instances of the adapters' own models."""

    state: SecretUrl = SecretUrl.literal("sqlite:///.tailrace/state.db")
    lease: Duration = 60.0
    snapshots: str = ".tailrace/snapshots"
    warehouses: dict[NameText, WarehouseConfig] = Field(default_factory=dict)
    destinations: dict[NameText, Any] = Field(default_factory=dict)


class FieldMap(Model):
    """Where the value of one destination field comes from, and when it is written."""

    column: str | None = None
    sql: str | None = None
    value: str | int | float | bool | None = None
    lookup: str | None = None
    by: str | None = None
    hash: Literal["sha256"] | None = None
    nulls: Literal["clear", "skip"] = "clear"
    write: Literal["always", "create", "empty"] = "always"

    @model_validator(mode="after")
    def _one_source(self) -> FieldMap:
        sources = [name for name in ("column", "sql", "value") if name in self.model_fields_set]
        if len(sources) != 1:
            raise ValueError("a field takes its value from exactly one of column, sql, value")
        if (self.lookup is None) != (self.by is None):
            raise ValueError("lookup and by go together")
        if self.hash and self.column is None:
            raise ValueError("hash goes with column")
        if self.lookup and self.hash:
            raise ValueError("a lookup cannot be hashed")
        return self


def _as_field(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Guards(Model):
    """Brakes; a `Limit` is a share of the snapshot (0 to 1), a number of rows, or None for off."""

    max_deletes: Limit = 0.15
    max_changes: Limit = None
    max_invalid: Limit = 0.05
    on_empty: Literal["stop", "allow"] = "stop"
    contract: Literal["on", "off"] = "on"


class Rejects(Model):
    """What happens to rows the destination refused."""

    retry: Literal["every_run", "manual"] = "every_run"
    max_attempts: Count = 10


class Schedule(Model):
    """When a sync is due; exactly one of the three."""

    cron: str | None = None
    every: Duration | None = None
    after: tuple[NameText, ...] | None = None
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _one_kind(self) -> Schedule:
        if sum(kind is not None for kind in (self.cron, self.every, self.after)) != 1:
            raise ValueError("a schedule has exactly one of cron, every, after")
        return self


class SyncConfig(Model):
    """One file under `syncs/`. Adapter options are kept apart, in `Sync.options`."""

    description: str = ""
    model: str
    warehouse: str | None = None
    destination: str
    object: str
    mode: Mode
    key: Annotated[tuple[str, ...], BeforeValidator(_as_list)]
    match: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, Annotated[FieldMap, BeforeValidator(_as_field)]] = Field(default_factory=dict)
    on_delete: OnDelete = "delete"
    append: Literal["new", "changes"] = "new"
    schedule: Schedule | None = None
    guards: Guards = Guards()
    rejects: Rejects = Rejects()
    on_unknown: OnUnknown = "hold"
    batch_size: Count | None = None
    tags: tuple[str, ...] = ()
