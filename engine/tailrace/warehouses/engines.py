"""SQLAlchemy engines of the configured warehouses: URLs, credentials, read-only sessions in UTC."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import URL, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tailrace.errors import WarehouseError
from tailrace.project.warehouses import (
    BigQueryConfig,
    ClickHouseConfig,
    DatabricksConfig,
    EngineConfig,
    MSSQLConfig,
    MySQLConfig,
    PostgresConfig,
    RedshiftConfig,
    SnowflakeConfig,
    SQLAlchemyConfig,
    SQLiteConfig,
    TrinoConfig,
)
from tailrace.warehouses import logins
from tailrace.warehouses.dialects import SQLITE_SHA256
from tailrace.warehouses.faults import missing_driver
from tailrace.warehouses.logins import Login
from tailrace.warehouses.tags import connect_args

_Parts: TypeAlias = (
    SnowflakeConfig | BigQueryConfig | RedshiftConfig | DatabricksConfig | MSSQLConfig | ClickHouseConfig | TrinoConfig
)
POSTGRES_SETTINGS = ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "IntervalStyle = 'postgres'")
"""Of each session: texts must not depend on the server's own."""
# What psycopg would turn into Python objects that have no better form than PostgreSQL's own text.
_TEXT_TYPES = ("interval", "timetz", "daterange", "int4range", "int8range", "numrange", "tsrange", "tstzrange")


def engine_for(name: str, config: EngineConfig, project_dir: Path) -> Engine:
    """An engine that has not connected yet; WarehouseError when it never could."""
    match config:
        case PostgresConfig():
            return _postgres(name, _url(name, config.url.reveal()), config.timeout)
        case SQLiteConfig():
            return _sqlite(name, URL.create("sqlite", database=config.path), project_dir)
        case SQLAlchemyConfig():
            return _any(name, _url(name, config.url.reveal()), project_dir)
        case MySQLConfig():
            return _mysql(name, logins.mysql(config), config.timeout)
    return _opened(name, _login(name, config, project_dir))


def _login(
    name: str,
    config: _Parts,
    project_dir: Path,
) -> Login:
    match config:
        case SnowflakeConfig():
            url = _url(name, config.url.reveal()) if config.url is not None else None
            return logins.snowflake(name, config, project_dir, url)
        case BigQueryConfig():
            return logins.bigquery(name, config, project_dir)
        case RedshiftConfig():
            return logins.redshift(config)
        case DatabricksConfig():
            return logins.databricks(config)
        case MSSQLConfig():
            return logins.mssql(config)
        case ClickHouseConfig():
            return logins.clickhouse(config)
    return logins.trino(name, config)


def _opened(name: str, login: Login) -> Engine:
    engine = _create(name, login.url, connect_args=dict(login.args), **login.options)
    if login.session:
        event.listen(engine, "connect", partial(_begin_session, login.session))
    return engine


def _begin_session(statements: Sequence[str], connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        for statement in statements:
            cursor.execute(statement)
    finally:
        cursor.close()
    connection.commit()


def _mysql(name: str, login: Login, timeout: float | None) -> Engine:
    engine = _opened(name, login)
    if timeout is not None:
        event.listen(engine, "connect", partial(_mysql_timeout, timeout))
    return engine


def _mysql_timeout(timeout: float, connection: Any, record: object) -> None:
    """MySQL and MariaDB have each a setting of their own, and only the server says which it is."""
    maria = "MariaDB" in connection.get_server_info()
    told = f"max_statement_time = {timeout:.3f}" if maria else f"max_execution_time = {math.ceil(timeout * 1000)}"
    _begin_session([f"SET SESSION {told}"], connection, record)


def _any(name: str, url: URL, project_dir: Path) -> Engine:
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return _postgres(name, url)
    if backend == "sqlite":
        return _sqlite(name, url, project_dir)
    if backend in ("mysql", "mariadb"):
        return _opened(name, Login(url, session=(logins.IN_UTC,)))
    args = {"snowflake": logins.snowflake_args, "bigquery": logins.bigquery_args}.get(backend)
    return _create(name, url) if args is None else _create(name, url, connect_args=args())


def _url(name: str, text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        # The text may hold a password, so it is not repeated.
        raise WarehouseError(
            f"warehouse {name!r}: the url is not a SQLAlchemy URL",
            hint="write it as dialect://user:password@host/database, special characters percent-encoded",
        ) from error


def _create(name: str, url: URL, **options: Any) -> Engine:
    try:
        engine = create_engine(url, poolclass=NullPool, **options)
    except (ImportError, NoSuchModuleError) as error:
        raise missing_driver(name, url.drivername, error) from error
    except Exception as error:  # drivers check credentials and options here, with errors of their own
        raise WarehouseError(
            f"warehouse {name!r} cannot be used: {error}", hint="check its entry in tailrace.yml, and its credentials"
        ) from error
    event.listen(engine, "do_connect", partial(_tagged, url))
    if url.get_backend_name() == "bigquery":
        _let_unnest_be_cached()
    return engine


def _let_unnest_be_cached() -> None:
    """BigQuery's dialect puts its own `unnest` in place of SQLAlchemy's, of which PostgreSQL's would warn people."""
    from sqlalchemy_bigquery import base  # noqa: PLC0415 - loaded by now

    base.unnest.inherit_cache = True


def _tagged(url: URL, dialect: Dialect, _record: object, args: Sequence[Any], given: Mapping[str, Any]) -> Any:
    """Connect as whose work it is, where the driver can say so; None leaves it to SQLAlchemy."""
    told = connect_args(dialect.name, given, url.query)
    return None if told is None else dialect.connect(*args, **{**given, **told})


def _postgres(name: str, url: URL, timeout: float | None = None) -> Engine:
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise WarehouseError(
            f"warehouse {name!r} is of type postgres, but its url is one of {url.get_backend_name()}",
            hint="write postgresql://…, or set type: sqlalchemy",
        )
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    options: dict[str, Any] = {}
    if url.drivername == "postgresql+psycopg":
        options["json_deserializer"] = _json_text
    engine = _create(name, url, isolation_level="REPEATABLE READ", **options)
    event.listen(engine, "connect", partial(_postgres_session, postgres_settings(timeout)))
    return engine.execution_options(postgresql_readonly=True)


def postgres_settings(timeout: float | None) -> tuple[str, ...]:
    """Statements that a session begins with."""
    limit = () if timeout is None else (f"statement_timeout = {math.ceil(timeout * 1000)}",)
    return tuple(f"SET SESSION {setting}" for setting in (*POSTGRES_SETTINGS, *limit))


def _postgres_session(settings: Sequence[str], connection: Any, record: object) -> None:
    """Texts that do not depend on the server's settings: hashes and casts are computed from them."""
    _begin_session(settings, connection, record)
    if hasattr(connection, "adapters"):
        from psycopg.types.string import TextLoader  # noqa: PLC0415 - only where psycopg is the driver

        for kind in _TEXT_TYPES:
            connection.adapters.register_loader(kind, TextLoader)


def _json_text(document: bytes | str) -> str:
    """JSON stays text, as the server wrote it: parsing would round its numbers."""
    return document if isinstance(document, str) else document.decode()


def _sqlite(name: str, url: URL, project_dir: Path) -> Engine:
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        path = project_dir / url.database
        if not path.is_file():
            raise WarehouseError(
                f"warehouse {name!r}: there is no SQLite file {path}",
                hint="build it first, or correct the url in tailrace.yml (relative paths count from the project)",
            )
        url = url.set(database=str(path))
    # A query may be in another thread than whoever has it end; they never work at once.
    engine = _create(name, url, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _sqlite_session)
    return engine


def _sqlite_session(connection: Any, _record: object) -> None:
    connection.create_function(SQLITE_SHA256, 1, _sha256, deterministic=True)
    connection.execute("PRAGMA query_only = ON")


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
