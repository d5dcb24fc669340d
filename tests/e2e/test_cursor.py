"""`cursor: updated_at` through the command line: people in DuckDB or PostgreSQL, sent to SQLite."""

import duckdb
import pytest
import sqlalchemy as sa

CONFIG = """\
lease: 2s
warehouses:
  main: {warehouse}
destinations:
  app: {{type: sql, url: "sqlite:///app.db", create_table: true, settle: 0s}}
"""
SYNC = """\
model: people
destination: app
object: people
mode: upsert
key: id
match: {id: id}
cursor: CURSOR
fields:
  name: name
"""
CURSOR = "{column: updated_at, overlap: 1h}"


class Duck:
    """A DuckDB file."""

    zoned = "timestamptz"

    def __init__(self, workspace):
        self.path = workspace.root / "main.duckdb"
        self.config = '{type: duckdb, path: "main.duckdb"}'

    def run(self, *statements):
        with duckdb.connect(str(self.path)) as connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]


class Postgres:
    """A PostgreSQL database."""

    def __init__(self, url):
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self.config = f'{{type: postgres, url: "{url}"}}'

    def run(self, *statements):
        with self.engine.connect() as connection:
            results = [connection.exec_driver_sql(statement) for statement in statements]
            return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


class Lab:
    """A project over one of them."""

    def __init__(self, workspace, source, kind="timestamptz"):
        self.workspace, self.source = workspace, source
        workspace.write("tailrace.yml", CONFIG.format(warehouse=source.config))
        workspace.write("models/people.sql", "select id, name, updated_at from people -- as it is")
        self.edit(CURSOR)
        source.run(
            "DROP TABLE IF EXISTS people",
            f"CREATE TABLE people (id bigint, name text, updated_at {kind})",
        )

    def edit(self, cursor, old="", new=""):
        """Write the sync anew."""
        self.workspace.write("syncs/people.yml", SYNC.replace("CURSOR", cursor).replace(old, new))

    def put(self, key, name, at):
        """Write a row; `at` is SQL."""
        self.source.run(
            f"DELETE FROM people WHERE id = {key}",
            f"INSERT INTO people VALUES ({key}, '{name}', {at})",
        )

    def run(self, *arguments, code=0, **how):
        """What a run came to, and its `cursor`."""
        answer = self.workspace.spawn("run", "people", "--json", *arguments, code=code, **how)
        (run,) = answer.json["runs"] if answer.code >= 0 else (None,)
        return run

    def plan(self, *arguments, code=0):
        (plan,) = self.workspace.spawn("plan", "people", "--json", *arguments, code=code).json["plans"]
        return plan

    @property
    def there(self):
        return dict(self.workspace.table())


@pytest.fixture(params=["duckdb", "postgres"])
def lab(request, workspace):
    """The people in either."""
    if request.param == "duckdb":
        return Lab(workspace, Duck(workspace))
    return Lab(workspace, Postgres(request.getfixturevalue("postgres_url")))


def at(hour, minute=0, day=1):
    """A moment of November 2026, as SQL."""
    return f"timestamptz '2026-11-{day:02} {hour:02}:{minute:02}:00+00:00'"


def test_only_what_is_new_is_read(lab):
    """The first run reads all; the next from the mark on, less the overlap; and says so."""
    for key in range(1, 6):
        lab.put(key, f"n{key}", at(key))
    first = lab.run()
    assert first["cursor"] == {
        "column": "updated_at", "read": "all", "since": None, "why": "how far updated_at was read is not known yet",
    }  # fmt: skip
    assert lab.there == {key: f"n{key}" for key in range(1, 6)}
    lab.put(2, "two", at(6))
    lab.put(6, "n6", at(6, 30))
    lab.source.run("DELETE FROM people WHERE id = 1")
    plan = lab.plan()
    assert plan["cursor"] == {"column": "updated_at", "read": "since", "since": "2026-11-01T04:00:00Z", "why": ""}
    # 4 and 5 lie in the overlap; 1 has left, and nobody can tell.
    assert (plan["model_rows"], plan["unchanged"], plan["inserts"], plan["updates"], plan["deletes"]) == (4, 2, 1, 1, 0)
    assert plan["snapshot_rows"] == 5
    assert any("rows that left the model" in note for note in plan["notes"])
    assert lab.run()["acknowledged"] == 2
    assert lab.there == {1: "n1", 2: "two", 3: "n3", 4: "n4", 5: "n5", 6: "n6"}
    again = lab.run()
    assert (again["status"], again["cursor"]["since"]) == ("nothing_to_do", "2026-11-01T05:30:00Z")
