"""What PostgreSQL is told of who asks, and for how long, by both of its drivers."""

import pytest

from tailrace.errors import WarehouseError
from tailrace.project.types import SecretUrl
from tailrace.tagging import working
from tailrace.warehouses import postgres

ASKED = "select 1 as id, current_setting('application_name') as name, current_setting('statement_timeout') as most"


@pytest.fixture(params=[True, False], ids=["adbc", "psycopg"])
def warehouse(opened, postgres_url, monkeypatch, request):
    """A warehouse at the server, read by one driver or the other; a statement may take a second."""
    monkeypatch.setattr(postgres.PostgresWarehouse, "_has_adbc", lambda _self: request.param)
    return opened(type="postgres", url=SecretUrl.literal(postgres_url), timeout=1.5)


def test_the_server_knows_whose_query_it_is_and_when_to_end_it(warehouse, read):
    """The application's name is that of the sync and run; the timeout is the server's own."""
    with working("contacts", "run7"):
        _schema, rows = read(warehouse, ASKED, "name", "most")
    assert (rows[0]["f:name"], rows[0]["f:most"]) == ("tailrace:contacts:run7", "1500ms")


def test_each_connection_is_told_anew(warehouse, read):
    """Another sync's query bears its own name, though it is the same warehouse."""
    for name in ("accounts", "contacts"):
        with working(name):
            _schema, rows = read(warehouse, ASKED, "name")
        assert rows[0]["f:name"] == f"tailrace:{name}"


def test_a_query_that_takes_too_long_is_ended_by_the_server(warehouse, read):
    """The error says what the server said."""
    with pytest.raises(WarehouseError, match="statement timeout"):
        read(warehouse, "select 1 as id, pg_sleep(60) as z", "z")
