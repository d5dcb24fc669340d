"""The warehouses that can hold snapshots and run here."""

import duckdb
import pytest
import sqlalchemy as sa

from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import DuckDBConfig, PostgresConfig, SQLAlchemyConfig
from tailrace.warehouses import open_warehouse


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


WAREHOUSES = {"duckdb": "duck", "postgres": "postgres", "sqlite": "sqlite", "mariadb": "mariadb"}
SLOW = {"snowflake": "snowflake"}
"""Emulators, which take long to install, and for each statement."""


@pytest.fixture(
    scope="module",
    params=[*WAREHOUSES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)
def warehouse(request):
    """Each warehouse that can run here, or has an emulator that does."""
    return request.getfixturevalue((WAREHOUSES | SLOW)[request.param])


@pytest.fixture(scope="module", params=WAREHOUSES)
def quick(request):
    """Those of them that are no emulators."""
    return request.getfixturevalue(WAREHOUSES[request.param])
