"""`snapshots: warehouse` in SQL Server through the command line, over the tests' server: no SQL Server can be had."""

import pytest
from tests.e2e.test_pushdown import FIRST, SECOND, Lab
from tests.unit.pushdown.tsql import Server

pytest.importorskip("pymssql", reason="pymssql is not installed")


class Micro:
    """The people in a database of that server's."""

    def __init__(self, server):
        self.config = (
            f"{{type: mssql, host: 127.0.0.1, port: {server.port}, user: etl, "
            'password: "${env:MSSQL_PASSWORD}", database: main}'
        )
        self.run = server.run


@pytest.fixture
def lab(workspace, monkeypatch):
    """A project over it."""
    monkeypatch.setenv("MSSQL_PASSWORD", "secret")
    server = Server(workspace.root / "main.duckdb")
    yield Lab(workspace, Micro(server))
    server.close()


def test_only_what_differs_is_sent(lab):
    """Run after run; and `check` says that none of it was tried on a SQL Server."""
    lab.people(FIRST)
    assert "snapshots can be kept there (not tried on a SQL Server yet)" in lab.workspace.run("check").out
    assert set(lab.plan()) == {1, 2, 3}
    lab.ran()
    lab.people(SECOND)
    assert lab.plan() == {2: ("update", {"name"}), 3: ("delete", set()), 4: ("insert", {"name", "spent"})}
    lab.ran()
    assert lab.plan() == {}
    assert lab.table() == [(1, "Ann"), (2, "Rob"), (4, "Dee")]
    assert lab.snapshot() == (3, 3)
