"""SQLAlchemy engines of the configured warehouses: URLs, credentials, read-only sessions in UTC."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tailrace.errors import WarehouseError
from tailrace.project.warehouses import BigQueryConfig, PostgresConfig, SnowflakeConfig, SQLAlchemyConfig
from tailrace.warehouses.dialects import SQLITE_SHA256

EngineConfig = PostgresConfig | SnowflakeConfig | BigQueryConfig | SQLAlchemyConfig

_EXTRAS = {"postgresql": "postgres", "snowflake": "snowflake", "bigquery": "bigquery"}
POSTGRES_SETTINGS = ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "IntervalStyle = 'postgres'")
"""Of each session: texts must not depend on the server's own."""
# What psycopg would turn into Python objects that have no better form than PostgreSQL's own text.
_TEXT_TYPES = ("interval", "timetz", "daterange", "int4range", "int8range", "numrange", "tsrange", "tstzrange")


def engine_for(name: str, config: EngineConfig, project_dir: Path) -> Engine:
    """An engine that has not connected yet; WarehouseError when it never could."""
    if isinstance(config, PostgresConfig):
        return _postgres(name, _url(name, config.url.reveal()))
    if isinstance(config, SnowflakeConfig):
        return _snowflake(name, config)
    if isinstance(config, BigQueryConfig):
        return _bigquery(name, config)
    return _any(name, _url(name, config.url.reveal()), project_dir)


def _any(name: str, url: URL, project_dir: Path) -> Engine:
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return _postgres(name, url)
    if backend == "sqlite":
        return _sqlite(name, url, project_dir)
    if backend in ("mysql", "mariadb"):
        return _mysql(name, url)
    return _create(name, url)


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
        return create_engine(url, poolclass=NullPool, **options)
    except (ImportError, NoSuchModuleError) as error:
        raise _missing_driver(name, url, error) from error
    except Exception as error:  # drivers check credentials and options here, with errors of their own
        raise WarehouseError(
            f"warehouse {name!r} cannot be used: {error}", hint="check its entry in tailrace.yml, and its credentials"
        ) from error


def _missing_driver(name: str, url: URL, error: Exception) -> WarehouseError:
    extra = _EXTRAS.get(url.get_backend_name())
    missing = getattr(error, "name", None) or url.drivername
    hint = f"pip install 'tailrace[{extra}]'" if extra else f"install the SQLAlchemy driver for {url.drivername}"
    return WarehouseError(f"warehouse {name!r} needs {missing}, which is not installed", hint=hint)


def _postgres(name: str, url: URL) -> Engine:
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
    event.listen(engine, "connect", _postgres_session)
    return engine.execution_options(postgresql_readonly=True)


def _postgres_session(connection: Any, _record: object) -> None:
    """Texts that do not depend on the server's settings: hashes and casts are computed from them."""
    with connection.cursor() as cursor:
        for setting in POSTGRES_SETTINGS:
            cursor.execute(f"SET SESSION {setting}")
    connection.commit()
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
    engine = _create(name, url)
    event.listen(engine, "connect", _sqlite_session)
    return engine


def _sqlite_session(connection: Any, _record: object) -> None:
    connection.create_function(SQLITE_SHA256, 1, _sha256, deterministic=True)
    connection.execute("PRAGMA query_only = ON")


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _mysql(name: str, url: URL) -> Engine:
    engine = _create(name, url)
    event.listen(engine, "connect", _mysql_session)
    return engine


def _mysql_session(connection: Any, _record: object) -> None:
    """TIMESTAMP columns are shown under the session's zone: it must not be the server's own."""
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")


def _snowflake(name: str, config: SnowflakeConfig) -> Engine:
    url = _url(name, config.url.reveal()) if config.url is not None else _snowflake_url(name, config)
    connect_args: dict[str, Any] = {"session_parameters": {"TIMEZONE": "UTC"}}
    if config.private_key is not None:
        connect_args["private_key"] = _private_key(name, config.private_key.reveal())
    return _create(name, url, connect_args=connect_args)


def _snowflake_url(name: str, config: SnowflakeConfig) -> URL:
    if config.db_schema and not config.database:
        raise WarehouseError(f"warehouse {name!r} has a schema, but no database", hint="add database: to its entry")
    path = "/".join(part for part in (config.database, config.db_schema) if part)
    query = {key: value for key, value in (("warehouse", config.warehouse), ("role", config.role)) if value}
    return URL.create(
        "snowflake",
        username=config.user,
        password=config.password.reveal() if config.password is not None else None,
        host=config.account,
        database=path or None,
        query=query,
    )


def _private_key(name: str, pem: str) -> bytes:
    """The key as the driver takes it: PKCS#8 in DER."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - comes with the driver
    except ImportError as error:
        raise _missing_driver(name, URL.create("snowflake"), error) from error
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError) as error:
        raise WarehouseError(
            f"warehouse {name!r}: private_key is not an unencrypted private key in PEM form",
            hint="give it by reference, such as ${file:key.p8}; openssl pkcs8 -topk8 -nocrypt makes one",
        ) from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _bigquery(name: str, config: BigQueryConfig) -> Engine:
    url = URL.create("bigquery", host=config.project, database=config.dataset)
    options: dict[str, Any] = {}
    if config.location is not None:
        options["location"] = config.location
    if config.credentials is not None:
        options["credentials_info"] = _service_account(name, config.credentials.reveal())
    return _create(name, url, **options)


def _service_account(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise WarehouseError(
            f"warehouse {name!r}: credentials is not the JSON of a service account",
            hint="give the key file by reference: credentials: ${file:key.json}",
        ) from error
