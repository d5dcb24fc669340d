"""The entries under `warehouses` in `tailrace.yml`, by type."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.types import Filled, Secret, SecretUrl


class DuckDBConfig(Model):
    """A DuckDB file, opened read-only, or `:memory:` for models that read files."""

    type: Literal["duckdb"]
    path: Filled


class PostgresConfig(Model):
    """PostgreSQL, by SQLAlchemy URL."""

    type: Literal["postgres"]
    url: SecretUrl


_PARTS = ("account", "user", "password", "private_key", "database", "schema", "warehouse", "role")
_BY_PARTS: dict[str, Any] = {
    "allOf": [given("account", without=("url",)), given("user")],
    "oneOf": [given("password"), given("private_key")],
}


class SnowflakeConfig(Model):
    """Snowflake, by SQLAlchemy URL or by its parts."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("url", without=_PARTS), _BY_PARTS]})

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
        if self.url is not None:
            if any(getattr(self, name) is not None for name in ("db_schema", *_PARTS) if name != "schema"):
                raise ValueError("the url says it all; leave the other keys out, or leave out the url")
        elif None in (self.account, self.user) or (self.password is None) == (self.private_key is None):
            raise ValueError("give either url, or account and user with one of password and private_key")
        return self


class BigQueryConfig(Model):
    """BigQuery; without `credentials` the environment's application default credentials."""

    type: Literal["bigquery"]
    project: Filled
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
