"""The warehouses that can hold snapshots and run here."""

from contextlib import contextmanager
from dataclasses import replace

import duckdb
import pytest
import sqlalchemy as sa
from tests.unit.pushdown.startup import Door
from tests.unit.pushdown.tsql import Server

from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import BigQueryConfig, DuckDBConfig, PostgresConfig, SQLAlchemyConfig
from tailrace.pushdown.dbapi import ending
from tailrace.pushdown.offered import holds
from tailrace.pushdown.redshift import RedshiftDesk
from tailrace.pushdown.words import POSTGRES
from tailrace.warehouses import open_warehouse
from tailrace.warehouses.redshift import RedshiftWarehouse


@pytest.fixture(scope="module")
def postgres(postgres_url, tmp_path_factory):
    """A PostgreSQL warehouse of this module's own, whose texts do not sort, or compare, as their bytes do."""
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS conformance WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE conformance")
    admin.dispose()
    url = sa.make_url(postgres_url).set(database="conformance").render_as_string(hide_password=False)
    config = PostgresConfig(type="postgres", url=SecretUrl.literal(url))
    opened = open_warehouse("pg", config, tmp_path_factory.mktemp("pg"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def duck(tmp_path_factory):
    """A DuckDB warehouse."""
    root = tmp_path_factory.mktemp("duck")
    duckdb.connect(str(root / "main.duckdb")).close()
    opened = open_warehouse("duck", DuckDBConfig(type="duckdb", path="main.duckdb"), root)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    """An SQLite warehouse."""
    root = tmp_path_factory.mktemp("sqlite")
    (root / "main.db").touch()
    opened = open_warehouse("lite", by_url("sqlite:///main.db"), root)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def mariadb(mariadb_url, tmp_path_factory):
    """A MariaDB warehouse of this module's own, whose texts compare without case and blanks at their ends."""
    admin = sa.create_engine(mariadb_url, poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS conformance")
        connection.exec_driver_sql("CREATE DATABASE conformance COLLATE utf8mb4_general_ci")
    url = sa.make_url(mariadb_url).set(database="conformance").render_as_string(hide_password=False)
    opened = open_warehouse("maria", by_url(url), tmp_path_factory.mktemp("maria"))
    yield opened
    opened.close()


def by_url(url):
    """A warehouse that is reached by SQLAlchemy alone."""
    return SQLAlchemyConfig(type="sqlalchemy", url=SecretUrl.literal(url))


@pytest.fixture(scope="module")
def snowflake(snowflake_server, tmp_path_factory):
    """Snowflake's own connector, against fakesnow's server."""
    opened = open_warehouse("snow", snowflake_server.config("CONFORMANCE"), tmp_path_factory.mktemp("snow"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bigquery(local_bigquery_server, tmp_path_factory):
    """Google's own client, against local-bigquery's server."""
    root = tmp_path_factory.mktemp("bq")
    (root / "key.json").write_text(local_bigquery_server.credentials())
    parts = {"project": "conformance", "dataset": "main_data", "credentials_path": "key.json"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", local_bigquery_server.host)
        opened = open_warehouse("bq", BigQueryConfig(type="bigquery", **parts), root)
        with opened.desk(write=True) as desk:
            desk.run("CREATE SCHEMA IF NOT EXISTS main_data")
        yield opened
        opened.close()


class RedshiftOnPostgres(RedshiftWarehouse):
    """Redshift's statements, dialect and connector, on PostgreSQL."""

    @contextmanager
    def desk(self, *, write):
        holds(self._name, self._engine.url)
        with self._connect() as connection:
            raw = connection.connection.driver_connection
            with ending(RedshiftDeskOnPostgres(raw, self._dialect, self._told, write=write)) as desk:
                yield desk


class RedshiftDeskOnPostgres(RedshiftDesk):
    """Redshift's but for one word: its function for regular expressions takes other arguments in PostgreSQL.

    Texts are of a type that takes them for equal where they differ in blanks at their ends, as all are in Redshift.
    """

    def __init__(self, connection, dialect, fault, *, write):
        super().__init__(connection, dialect, fault, write=write)
        self.words = replace(self.words, fold=POSTGRES.fold, types={**self.words.types, "string": "BPCHAR"})

    def _sort(self, column):
        return super()._sort((column[0], 1043 if column[1] == 1042 else column[1]))


@pytest.fixture(scope="module")
def redshift(postgres_url):
    """A PostgreSQL database that has a function of Redshift's."""
    for name in ("redshift_connector", "sqlalchemy_redshift"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS redshift WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE redshift")
    admin.dispose()
    with Door(f"{sa.make_url(postgres_url).query['host']}/.s.PGSQL.5432") as door:
        url = f"redshift+redshift_connector://postgres:x@127.0.0.1:{door.port}/redshift"
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"ssl": False})
        with engine.begin() as connection:
            for kind, shown in (("text", "$1"), ("bpchar", "textin(bpcharout($1))")):
                connection.exec_driver_sql(
                    f"CREATE FUNCTION to_varbyte({kind}, text) RETURNS bytea IMMUTABLE LANGUAGE sql "
                    f"AS 'SELECT convert_to({shown}, $2)'"
                )
        opened = RedshiftOnPostgres("red", engine)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def databricks():
    """Databricks' statements on DuckDB."""
    for name in ("databricks.sql", "databricks.sqlalchemy"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    from tests.unit.pushdown.delta import Duck, Warehouse  # noqa: PLC0415 - not without the connector

    session = Duck()
    yield Warehouse(session)
    session.close()


@pytest.fixture(scope="module")
def mssql(tmp_path_factory):
    """SQL Server's statements, from pymssql, on DuckDB."""
    pytest.importorskip("pymssql", reason="pymssql is not installed")
    server = Server(tmp_path_factory.mktemp("mssql") / "main.duckdb")
    opened = open_warehouse("ms", by_url(server.url), tmp_path_factory.mktemp("ms"))
    yield opened
    opened.close()
    server.close()


WAREHOUSES = {name: name for name in ("postgres", "sqlite", "mariadb", "redshift", "mssql")} | {"duckdb": "duck"}
EMULATED = ("snowflake", "bigquery")
"""Emulators, which take long to install, and for each statement."""


@pytest.fixture(
    scope="module",
    params=[
        *WAREHOUSES,
        *(pytest.param(name, marks=[pytest.mark.slow, pytest.mark.emulated]) for name in EMULATED),
        pytest.param("databricks", marks=pytest.mark.slow),
    ],
)
def warehouse(request):
    """Each warehouse that can run here, or has an emulator that does; Redshift's statements run on PostgreSQL."""
    return request.getfixturevalue(WAREHOUSES.get(request.param, request.param))


@pytest.fixture(scope="module", params=WAREHOUSES)
def quick(request):
    """Those of them that are no emulators."""
    return request.getfixturevalue(WAREHOUSES[request.param])
