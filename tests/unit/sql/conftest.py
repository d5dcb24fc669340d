"""A database of the test's own, SQLite or PostgreSQL, and the adapter over it."""

import pytest
import sqlalchemy as sa

from tailrace.destination import Batch, Context, Operation, Row
from tailrace.project.types import SecretUrl
from tailrace.testing import RecordingCalls
from tailrace_destinations.sql import SqlConfig, SqlOptions, plugin


class Database:
    """What a test needs: statements past the adapter, and adapters."""

    def __init__(self, url):
        self.url = url
        self.engine = sa.create_engine(url)
        self.dialect = self.engine.dialect.name
        self.calls = RecordingCalls()
        self._opened = []

    def run(self, *statements):
        """Execute statements of plain SQL and commit; the rows of the last one."""
        with self.engine.begin() as connection:
            for statement in statements:
                result = connection.execute(sa.text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def open(self, *, create_table=False, option=None, **config):
        """Open the adapter; `option` is the sync's own create_table."""
        options = None if option is None else SqlOptions(create_table=option)
        made = SqlConfig.model_validate(
            {"type": "sql", "url": SecretUrl.literal(self.url), "create_table": create_table, **config}
        )
        destination = plugin.open(made, Context("ops", self.calls, ".", options))
        self._opened.append(destination)
        return destination

    def push(self, operation, *rows, table="people", match=("id",), **config):
        """Open the adapter and send rows of (match values, values[, record id])."""
        return self.open(**config).push(make_batch(operation, *rows, table=table, match=match))

    def tables(self):
        """Names of all tables."""
        return sa.inspect(self.engine).get_table_names()

    def close(self):
        """Close every adapter and the engine."""
        for destination in self._opened:
            destination.close()
        self.engine.dispose()


def make_batch(operation, *rows, table="people", match=("id",)):
    """A batch of (match values, values[, record id])."""
    made = tuple(
        Row(str(n), (n,), tuple(row[0]), row[1], row[2] if len(row) > 2 else None) for n, row in enumerate(rows)
    )
    return Batch("b", table, Operation(operation), match, made)


@pytest.fixture
def batch():
    """The maker of batches."""
    return make_batch


@pytest.fixture
def sqlite(tmp_path):
    """An empty SQLite file."""
    database = Database(f"sqlite:///{tmp_path}/ops.db")
    database.run("SELECT 1")
    yield database
    database.close()


@pytest.fixture
def postgres(postgres_database):
    """An empty PostgreSQL database."""
    database = Database(postgres_database)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    """Both, one after the other."""
    return request.getfixturevalue(request.param)
