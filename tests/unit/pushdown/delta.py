"""Databricks' connector as a desk knows it, over DuckDB: what sqlglot reads of the statements, in DuckDB's words.

That shows whether the statements do what they are meant to, and not that Databricks takes them for what sqlglot does.
"""

import datetime as dt
import re
from contextlib import contextmanager
from functools import lru_cache

import duckdb
import pyarrow as pa
import sqlglot
from databricks.sql.exc import ServerOperationError
from sqlalchemy import create_engine
from sqlglot import exp

from tailrace.warehouses.databricks import DatabricksWarehouse

_COMMENT = re.compile(r"/\*.*?\*/ ", re.DOTALL)


class Cursor:
    """Answers a statement with a table, as the connector does."""

    rowcount = -1

    def __init__(self, session):
        self._session, self._table, self.description = session, None, None

    def execute(self, sql, parameters=()):
        """Have the session answer, without the comment that says whose work it is."""
        self._table = self._session.answer(_COMMENT.sub("", sql, count=1), list(parameters))
        self.description = None if self._table is None else [(name,) for name in self._table.column_names]
        return self

    def fetchall(self):
        """Give the rows that are left."""
        return list(zip(*self.fetchmany_arrow(self._table.num_rows).to_pydict().values(), strict=True))

    def fetchone(self):
        """Give the next row."""
        rows = list(zip(*self.fetchmany_arrow(1).to_pydict().values(), strict=True))
        return rows[0] if rows else None

    def fetchmany_arrow(self, size):
        """Give the next rows, at most so many."""
        table, self._table = self._table.slice(0, size), self._table.slice(size)
        return table

    def cancel(self):
        """Nothing runs."""

    def close(self):
        """Nothing is held."""


class Connection:
    """The connector's."""

    def __init__(self, session):
        self._session = session

    def cursor(self):
        """Give a cursor."""
        return Cursor(self._session)


class Warehouse(DatabricksWarehouse):
    """Databricks' own, whose connector leads to a session of the tests'."""

    def __init__(self, session):
        super().__init__("bricks", create_engine("databricks://token:x@127.0.0.1?http_path=/p&catalog=main&schema=x"))
        self.session = session

    @contextmanager
    def _driver(self):
        yield Connection(self.session)

    def _connect(self):
        raise AssertionError("nothing goes to the network")


class Session:
    """What the sessions of a catalogue have in common: what is asked of the catalogue, and who changed a table when."""

    def __init__(self):
        self.clock = lambda: dt.datetime.now(dt.UTC)
        self.altered = {}
        """By schema and table."""

    def answer(self, sql, parameters):
        """The result as a table."""
        if sql == "SELECT CURRENT_CATALOG()":
            return pa.table({"current_catalog()": ["main"]})
        if "FROM information_schema.tables" in sql:
            schema, beginning = parameters
            found = {table: at for (place, table), at in self.altered.items() if place == schema}
            names = [name for name in found if name.startswith(beginning)]
            moments = pa.array([found[name] for name in names], pa.timestamp("us", "UTC"))
            return pa.table({"table_name": pa.array(names, pa.string()), "last_altered": moments})
        if about := re.fullmatch(r"DESCRIBE SCHEMA `(\w+)`", sql):
            self.refuse("SCHEMA_NOT_FOUND", not self.has_schema(about[1]))
            return pa.table({"database_description_item": ["Namespace Name"]})
        if about := re.fullmatch(r"DESCRIBE TABLE `(\w+)`\.(\w+)", sql):
            self.refuse("TABLE_OR_VIEW_NOT_FOUND", not self.has_table(*about.groups()))
            return pa.table({"col_name": ["digest"]})
        found = self.asked(sql, parameters)
        self._note(sql)
        return found

    def refuse(self, condition, when):
        """Fail as Databricks does."""
        if when:
            raise ServerOperationError(f"[{condition}] It cannot be found.")

    def _note(self, sql):
        made = re.match(r"(CREATE TABLE|INSERT INTO|MERGE INTO|UPDATE|COMMENT ON TABLE|DROP TABLE)", sql)
        place = re.search(r"`(\w+)`\.(\w+)", sql)
        if made and place and made[1] == "DROP TABLE":
            self.altered.pop(place.groups(), None)
        elif made and place:
            self.altered[place.groups()] = self.clock()
        elif sql.startswith("DROP SCHEMA"):
            self.altered = {key: at for key, at in self.altered.items() if f"`{key[0]}`" not in sql}


_SPARK = {
    "INTEGER": "int",
    "VARCHAR": "string",
    "BLOB": "binary",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "VARCHAR[]": "array<string>",
    "BIGINT[]": "array<bigint>",
    "BOOLEAN[]": "array<boolean>",
}
"""What Databricks calls a column of a type of DuckDB's; names of others are the same."""
_OURS = re.compile(r"\b(?:tailrace_)?snapshots?_\w+")
_LISTS = {"ARRAY<ARRAY<STRING>>": '[["VARCHAR"]]', "ARRAY<STRING>": '["VARCHAR"]'}


def function(name, *arguments):
    """A call in DuckDB."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node):
    """A cast; of text to bytes as bytes, which DuckDB takes for hexadecimal otherwise."""
    return function("encode", node.this) if node.to.is_type("binary") else node


def parsed(node):
    """A list from JSON."""
    return function("from_json", node.this, exp.Literal.string(_LISTS[node.expression.name]))


_TRANSLATED = {
    exp.Cast: cast,
    exp.FromJson: parsed,
    exp.JSONExtractScalar: lambda node: function(
        "json_extract_string", function("nullif", node.this, exp.Literal.string("")), exp.Literal.string("$.table")
    ),
}


def in_duckdb(sql):
    """A statement in DuckDB's words, which takes long to find: those that differ in names of our tables are one."""
    names = list(dict.fromkeys(_OURS.findall(sql)))
    found = _translated(_OURS.sub(lambda match: f"our_{names.index(match[0])}_", sql))
    return re.sub(r"\bour_(\d+)_", lambda match: names[int(match[1])], found)


@lru_cache(1024)
def _translated(sql):
    sql = re.sub(r"(CREATE TABLE \S+) DEEP CLONE (\S+)", r"\1 AS SELECT * FROM \2", sql)
    (tree,) = sqlglot.parse(sql, dialect="databricks")
    tree = exp.Paren(this=tree)
    for node in reversed(list(tree.walk())):
        found = _TRANSLATED.get(type(node), lambda node: node)(node)
        if found is not node:
            node.replace(found)
    return tree.this.sql(dialect="duckdb")


class Duck(Session):
    """A catalogue in DuckDB's memory."""

    def __init__(self):
        super().__init__()
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")

    def has_schema(self, name):
        """Whether there is a schema of the name."""
        return bool(self._database.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [name]).fetchall())

    def has_table(self, schema, name):
        """Whether the schema has a table of the name."""
        found = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
        return bool(self._database.execute(found, [schema, name]).fetchall())

    def asked(self, sql, parameters):
        """The result of a statement about rows."""
        try:
            return self._asked(sql, parameters)
        except duckdb.CatalogException as error:
            raise ServerOperationError(f"[TABLE_OR_VIEW_NOT_FOUND] {error}") from error
        except duckdb.Error as error:
            raise ServerOperationError(str(error)) from error

    def _asked(self, sql, parameters):
        if sql.startswith("DESCRIBE QUERY "):
            kinds = self._database.sql(in_duckdb(sql.removeprefix("DESCRIBE QUERY "))).types
            names = [_SPARK.get(str(kind), str(kind).lower()) for kind in kinds]
            return pa.table({"col_name": [f"c{at}" for at in range(len(names))], "data_type": names})
        if sql.startswith("SELECT"):
            return self._database.sql(in_duckdb(sql), params=parameters).to_arrow_table()
        found = self._database.execute(in_duckdb(sql), parameters)
        if sql.startswith(("INSERT", "UPDATE", "DELETE", "MERGE")):
            return pa.table({"num_affected_rows": [found.fetchone()[0]]})
        return pa.table({})

    def close(self):
        """Forget it all."""
        self._database.close()
