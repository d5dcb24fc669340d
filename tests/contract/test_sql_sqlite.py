"""The sql adapter over SQLite, held to the contract."""

import sqlite3

import pytest

from tailrace.project.types import SecretUrl
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.sql import SqlConfig, plugin


class SqliteHarness(Harness):
    """A table in a file of the test's own."""

    object = "people"
    match = "id"
    fields = ("name", "note")

    def __init__(self, folder):
        self.file = folder / "ops.db"
        with sqlite3.connect(self.file) as connection:
            connection.execute(
                "CREATE TABLE people (id TEXT NOT NULL UNIQUE, name VARCHAR(100), note TEXT,"
                " CHECK (name IS NULL OR name <> 'poison'))"
            )
        connection.close()

    def open(self, calls):
        """Open the adapter over the file."""
        config = SqlConfig(type="sql", url=SecretUrl.literal(f"sqlite:///{self.file}"))
        return plugin.open(config, self.context(calls))

    def records(self):
        """Read the table with the plain driver."""
        connection = sqlite3.connect(self.file)
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT id, name, note FROM people")]
        connection.close()
        return rows

    def poison(self):
        """Break the table's check."""
        return {"name": "poison"}

    def unknown_object(self):
        """Misspell the table."""
        return "peeple"


class TestSqlite(DestinationContract):
    """SQLite has no accounts, no network and no throttling: those behaviours are skipped."""

    @pytest.fixture
    def harness(self, tmp_path):
        """A fresh file."""
        return SqliteHarness(tmp_path)
