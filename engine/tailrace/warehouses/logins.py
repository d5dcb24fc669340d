"""What reaches a driver when a warehouse is connected to: address, credentials, settings of the session."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tailrace.errors import WarehouseError
from tailrace.project.clouds import BigQueryConfig, DatabricksConfig, RedshiftConfig, SnowflakeConfig
from tailrace.project.servers import ClickHouseConfig, MSSQLConfig, MySQLConfig, TrinoConfig
from tailrace.project.types import Secret
from tailrace.warehouses.faults import missing_driver

IN_UTC = "SET SESSION time_zone = '+00:00'"
"""TIMESTAMP columns of MySQL and MariaDB are shown under the session's zone: it must not be the server's own."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to connect by SQLAlchemy."""

    url: URL
    args: Mapping[str, Any] = field(default_factory=dict)
    """For the driver's `connect`, beside what the dialect makes of the URL."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For `create_engine`."""
    session: tuple[str, ...] = ()
    """Statements that each new session begins with."""


def seconds(timeout: float | None) -> int | None:
    """A timeout in whole seconds, one at least, for those who know no shorter time."""
    return None if timeout is None else max(1, math.ceil(timeout))


def snowflake(name: str, config: SnowflakeConfig, project_dir: Path, url: URL | None) -> Login:
    """Key pair, password, OAuth, a programmatic access token, or a browser; sessions are in UTC."""
    args = snowflake_args(config.timeout)
    if url is None:
        url = _snowflake_url(name, config)
        args |= {**_present(config, "host", "port", "protocol"), **_snowflake_sign_in(name, config, project_dir)}
    return Login(url, args)


def snowflake_args(timeout: float | None = None) -> dict[str, Any]:
    """What each session needs, however it is signed in to."""
    session: dict[str, Any] = {"TIMEZONE": "UTC"}
    if timeout is not None:
        session["STATEMENT_TIMEOUT_IN_SECONDS"] = seconds(timeout)
    # Else a NUMBER with decimals would arrive as a float, which has not all of its digits.
    return {"session_parameters": session, "arrow_number_to_decimal": True}


def _snowflake_url(name: str, config: SnowflakeConfig) -> URL:
    if config.db_schema and not config.database:
        raise WarehouseError(f"warehouse {name!r} has a schema, but no database", hint="add database: to its entry")
    path = "/".join(part for part in (config.database, config.db_schema) if part)
    query = {key: value for key, value in (("warehouse", config.warehouse), ("role", config.role)) if value}
    return URL.create(
        "snowflake",
        username=config.user,
        password=_revealed(config.password),
        host=config.account,
        database=path or None,
        query=query,
    )


def _snowflake_sign_in(name: str, config: SnowflakeConfig, project_dir: Path) -> dict[str, Any]:
    if config.browser:
        return {"authenticator": "externalbrowser"}
    if config.oauth_token is not None:
        return {"authenticator": "oauth", "token": config.oauth_token.reveal()}
    if config.access_token is not None:
        return {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": config.access_token.reveal()}
    if config.password is not None:
        return {}
    if config.private_key_path is not None:
        pem = _read(name, "private_key_path", project_dir / config.private_key_path)
    else:
        pem = _revealed(config.private_key) or ""
    key = _private_key(name, pem.encode(), _revealed(config.private_key_passphrase))
    return {"authenticator": "SNOWFLAKE_JWT", "private_key": key}


def _private_key(name: str, pem: bytes, passphrase: str | None) -> bytes:
    """The key as the driver takes it: PKCS#8 in DER."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - comes with the driver
    except ImportError as error:
        raise missing_driver(name, "snowflake", error) from error
    try:
        key = serialization.load_pem_private_key(pem, password=passphrase.encode() if passphrase else None)
    except (TypeError, ValueError) as error:
        wanted = "one that private_key_passphrase opens" if passphrase else "an unencrypted private key in PEM form"
        raise WarehouseError(
            f"warehouse {name!r}: private_key is not {wanted}",
            hint="give the key by reference, such as ${file:key.p8}, or its file as private_key_path; "
            "an encrypted key needs private_key_passphrase",
        ) from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def bigquery(name: str, config: BigQueryConfig, project_dir: Path) -> Login:
    """A service account, or what the environment's application default credentials are."""
    options: dict[str, Any] = _present(config, "location")
    if config.credentials is not None:
        options["credentials_info"] = _service_account(name, config.credentials.reveal())
    elif config.credentials_path is not None:
        text = _read(name, "credentials_path", project_dir / config.credentials_path)
        options["credentials_info"] = _service_account(name, text)
    return Login(URL.create("bigquery", host=config.project, database=config.dataset), bigquery_args(), options)


def bigquery_args() -> dict[str, Any]:
    """Whether the Storage API is used; the connection would warn where its package is not installed."""
    try:
        installed = find_spec("google.cloud.bigquery_storage") is not None
    except ModuleNotFoundError:  # nor is what it is part of
        installed = False
    return {"prefer_bqstorage_client": installed}


def _service_account(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise WarehouseError(
            f"warehouse {name!r}: credentials is not the JSON of a service account",
            hint="give the key file by reference, credentials: ${file:key.json}, or as credentials_path: key.json",
        ) from error


def redshift(config: RedshiftConfig) -> Login:
    """A password, or what IAM gives for a cluster or a serverless workgroup."""
    session = ["SET timezone TO 'UTC'"]
    if config.timeout is not None:
        session.append(f"SET statement_timeout TO {math.ceil(config.timeout * 1000)}")
    driver = "redshift+redshift_connector"
    if config.host is not None:
        url = URL.create(driver, config.user, _revealed(config.password), config.host, config.port, config.database)
        return Login(url, session=tuple(session))
    args: dict[str, Any] = {"iam": True, "port": config.port, **_present(config, "db_user", "region", "profile")}
    if config.workgroup is not None:
        args |= {"is_serverless": True, "serverless_work_group": config.workgroup}
    else:
        args["cluster_identifier"] = config.cluster
    return Login(URL.create(driver, database=config.database), args, session=tuple(session))


def databricks(config: DatabricksConfig) -> Login:
    """A personal access token, a service principal's secret, or a browser."""
    from tailrace.warehouses.databricks import principal  # noqa: PLC0415 - of no use to others

    query = {"http_path": config.http_path, **_present(config, "catalog")}
    if config.db_schema is not None:
        query["schema"] = config.db_schema
    session: dict[str, str] = {"timezone": "UTC"}
    if config.timeout is not None:
        session["statement_timeout"] = str(seconds(config.timeout))
    args: dict[str, Any] = {"session_configuration": session}
    if config.browser:
        args["auth_type"] = "databricks-oauth"
    elif config.client_id is not None and config.client_secret is not None:
        args["credentials_provider"] = principal(config.host, config.client_id, config.client_secret.reveal())
    else:
        args["access_token"] = _revealed(config.access_token)
    return Login(URL.create("databricks", host=config.host, query=query), args)


def mysql(config: MySQLConfig) -> Login:
    """MySQL and MariaDB alike; `engines` sets their timeouts, which differ."""
    password = _revealed(config.password)
    url = URL.create("mysql+pymysql", config.user, password, config.host, config.port, config.database)
    return Login(url, session=(IN_UTC, "SET SESSION TRANSACTION READ ONLY"))


def mssql(config: MSSQLConfig) -> Login:
    """SQL Server, by pymssql."""
    password = config.password.reveal()
    url = URL.create("mssql+pymssql", config.user, password, config.host, config.port, config.database)
    return Login(url, {"timeout": seconds(config.timeout)} if config.timeout is not None else {})


def clickhouse(config: ClickHouseConfig) -> Login:
    """ClickHouse by HTTP; what the driver does not know by name it takes for settings of the server."""
    password = _revealed(config.password)
    url = URL.create("clickhousedb", config.user, password, config.host, config.port, config.database)
    args: dict[str, Any] = {"secure": config.secure}
    if config.timeout is not None:
        args["max_execution_time"] = seconds(config.timeout)
    return Login(url, args)


def trino(name: str, config: TrinoConfig) -> Login:
    """A password or a token by https, or a bare name."""
    place = config.catalog if config.db_schema is None else f"{config.catalog}/{config.db_schema}"
    url = URL.create("trino", config.user, _revealed(config.password), config.host, config.port, place)
    args: dict[str, Any] = {"http_scheme": "https" if config.secure else "http", "timezone": "UTC"}
    if config.timeout is not None:
        args["session_properties"] = {"query_max_run_time": f"{seconds(config.timeout)}s"}
    if config.token is not None:
        args["auth"] = _bearer(name, config.token.reveal())
    return Login(url, args)


def _bearer(name: str, token: str) -> Any:
    try:
        from trino.auth import JWTAuthentication  # noqa: PLC0415 - the driver loads when it is used
    except ImportError as error:
        raise missing_driver(name, "trino", error) from error
    return JWTAuthentication(token)


def _present(config: object, *keys: str) -> dict[str, Any]:
    """Those of the keys that have a value."""
    return {key: value for key in keys if (value := getattr(config, key)) is not None}


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _read(name: str, key: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise WarehouseError(
            f"warehouse {name!r}: {key} {path} cannot be read: {reason}",
            hint="correct the path; relative ones count from the project's folder",
        ) from error
