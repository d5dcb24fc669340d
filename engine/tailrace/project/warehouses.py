"""The entries under `warehouses` in `tailrace.yml`, by type."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tailrace.project.clouds import BigQueryConfig, DatabricksConfig, RedshiftConfig, SnowflakeConfig, Timed
from tailrace.project.model import Model
from tailrace.project.servers import ClickHouseConfig, MSSQLConfig, MySQLConfig, SQLiteConfig, TrinoConfig
from tailrace.project.types import Filled, SecretUrl

__all__ = [
    "BigQueryConfig",
    "ClickHouseConfig",
    "DatabricksConfig",
    "DuckDBConfig",
    "EngineConfig",
    "MSSQLConfig",
    "MySQLConfig",
    "PostgresConfig",
    "RedshiftConfig",
    "SQLAlchemyConfig",
    "SQLiteConfig",
    "SnowflakeConfig",
    "TrinoConfig",
    "WarehouseConfig",
]


class DuckDBConfig(Model):
    """A DuckDB file, opened read-only, or `:memory:` for models that read files."""

    type: Literal["duckdb"]
    path: Filled


class PostgresConfig(Timed):
    """PostgreSQL, by SQLAlchemy URL."""

    type: Literal["postgres"]
    url: SecretUrl


class SQLAlchemyConfig(Model):
    """Any other SQLAlchemy dialect, by URL."""

    type: Literal["sqlalchemy"]
    url: SecretUrl


EngineConfig: TypeAlias = (
    PostgresConfig
    | SnowflakeConfig
    | BigQueryConfig
    | RedshiftConfig
    | DatabricksConfig
    | MySQLConfig
    | MSSQLConfig
    | ClickHouseConfig
    | TrinoConfig
    | SQLiteConfig
    | SQLAlchemyConfig
)
"""What is reached through SQLAlchemy."""

WarehouseConfig: TypeAlias = Annotated[DuckDBConfig | EngineConfig, Field(discriminator="type")]
