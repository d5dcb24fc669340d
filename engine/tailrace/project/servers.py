"""The entries under `warehouses` of databases that are reached by host, user and password."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from tailrace.project.clouds import Port, Timed
from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.types import Filled, Secret


class MySQLConfig(Timed):
    """MySQL or MariaDB."""

    type: Literal["mysql", "mariadb"]
    host: Filled
    port: Port = 3306
    user: Filled
    password: Secret | None = None
    database: Filled


class MSSQLConfig(Timed):
    """SQL Server."""

    type: Literal["mssql"]
    host: Filled
    port: Port = 1433
    user: Filled
    password: Secret
    database: Filled


class ClickHouseConfig(Timed):
    """ClickHouse, over HTTP."""

    type: Literal["clickhouse"]
    host: Filled
    port: Port = 8443
    secure: bool = True
    """Whether by https."""
    user: Filled = "default"
    password: Secret | None = None
    database: Filled = "default"


_OPEN: dict[str, Any] = {"required": ["secure"], "properties": {"secure": {"const": False}}}


class TrinoConfig(Timed):
    """Trino, over HTTP."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"not": {"allOf": [given("password"), given("token")]}},
                {"not": {"allOf": [_OPEN, {"anyOf": [given("password"), given("token")]}]}},
            ]
        }
    )

    type: Literal["trino"]
    host: Filled
    port: Port = 443
    secure: bool = True
    """Whether by https; a password or a token is sent by nothing else."""
    user: Filled
    password: Secret | None = None
    token: Secret | None = None
    """A JSON web token."""
    catalog: Filled
    db_schema: Annotated[Filled | None, Field(alias="schema")] = None

    @model_validator(mode="after")
    def _one_way(self) -> TrinoConfig:
        if self.password is not None and self.token is not None:
            raise ValueError("give one of password and token")
        if not self.secure and (self.password is not None or self.token is not None):
            raise ValueError("Trino takes a password or a token by https only; leave out `secure: false`")
        return self


class SQLiteConfig(Model):
    """An SQLite file, opened for reading only."""

    type: Literal["sqlite"]
    path: Filled
