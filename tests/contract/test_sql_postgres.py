"""The sql adapter over a real PostgreSQL server, held to the contract."""

import socket

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import dict_row
from tests.relay import Relay

from tailrace.project.types import SecretUrl
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.sql import SqlConfig, plugin


class CommitDropper(Relay):
    """Cuts the connection after the server has answered a COMMIT."""

    armed = False

    def passes(self, data, *, answers):
        """Let everything through but that answer, once."""
        hit = answers and self.armed and b"COMMIT\x00" in data
        self.armed = self.armed and not hit
        return not hit


class PostgresHarness(Harness):
    """A table in a database of the test's own."""

    object = "people"
    match = "id"
    fields = ("name", "note")
    secrets = ("canary-password",)

    def __init__(self, url):
        self.url = sa.make_url(url)
        self.relay = None
        with self._connect() as connection:
            connection.execute(
                "CREATE TABLE people (id text NOT NULL UNIQUE, name varchar(100), note text CHECK (note <> 'poison'))"
            )

    def open(self, calls):
        """Open the adapter, through the relay so that an answer can be lost."""
        self.relay = self.relay or CommitDropper(f"{self.url.query['host']}/.s.PGSQL.5432")
        return self._open(calls, self.url.set(host="127.0.0.1", port=self.relay.port, query={}))

    def records(self):
        """Read the table with the plain driver."""
        with self._connect() as connection:
            return connection.cursor(row_factory=dict_row).execute("SELECT id, name, note FROM people").fetchall()

    def poison(self):
        """Break the column's check."""
        return {"note": "poison"}

    def drop_answer(self):
        """Cut the connection after the next COMMIT."""
        self.relay.armed = True

    def open_denied(self, calls):
        """Sign in as a user who does not exist."""
        return self._open(calls, self.url.set(username="nobody", password="canary-password"))

    def open_unreachable(self, calls):
        """Go to a port where nothing listens."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        url = self.url.set(host="127.0.0.1", port=port, query={}, username="app", password="canary-password")
        return self._open(calls, url)

    def unknown_object(self):
        """Misspell the table."""
        return "peeple"

    def close(self):
        """Stop the relay."""
        if self.relay is not None:
            self.relay.close()

    def _open(self, calls, url):
        text = url.render_as_string(hide_password=False)
        return plugin.open(SqlConfig(type="sql", url=SecretUrl.literal(text)), self.context(calls))

    def _connect(self):
        url = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True)


class TestPostgres(DestinationContract):
    """The server is real; an answer is lost by cutting the connection after it has committed."""

    @pytest.fixture
    def harness(self, postgres_database):
        """A fresh database."""
        harness = PostgresHarness(postgres_database)
        yield harness
        harness.close()
