"""SQL Server's statements on DuckDB: what sqlglot reads of them as T-SQL, in DuckDB's words.

That shows whether the statements do what they are meant to, and not that SQL Server takes them for what sqlglot does.
Two of its habits are put on: texts compare without case, and `=` takes blanks at the end of a text, and zeros at the
end of bytes, for nothing. Parameters are put in by pymssql's own code.
"""

import re
from contextlib import closing, contextmanager

import duckdb
import sqlglot
from pymssql import _mssql
from pymssql.exceptions import OperationalError
from sqlalchemy.dialects.mssql.pymssql import MSDialect_pymssql
from sqlglot import exp

from tailrace.errors import WarehouseError
from tailrace.pushdown.dbapi import ending
from tailrace.pushdown.mssql import MSSQLDesk
from tailrace.warehouses.dialects import sqlalchemy_dialect
from tailrace.warehouses.projection import compile_projection, known_types
from tailrace.warehouses.rows import batches

_WITHOUT = ("SET ", "EXEC sp_getapplock")
"""What has no meaning there; these are read by the tests of golden files."""
_TYPES = {
    "BIT": "BOOLEAN",
    "NVARCHAR": "VARCHAR",
    "VARCHAR": "VARCHAR",
    "VARBINARY": "BLOB",
    "FLOAT": "DOUBLE",
    "BIGINT": "BIGINT",
    "INT": "INTEGER",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME2": "TIMESTAMP",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMPTZ",
    "UUID": "UUID",
}
_NAMES = {
    "BOOLEAN": "bit",
    "VARCHAR": "nvarchar(max)",
    "BLOB": "varbinary(max)",
    "DOUBLE": "float",
    "FLOAT": "real",
    "BIGINT": "bigint",
    "INTEGER": "int",
    "DATE": "date",
    "TIME": "time(7)",
    "TIMESTAMP": "datetime2(7)",
    "TIMESTAMP WITH TIME ZONE": "datetimeoffset(7)",
    "UUID": "uniqueidentifier",
}
"""What SQL Server calls a column of a type of DuckDB's."""
_CATALOGUE = (
    "CREATE SCHEMA sys",
    "CREATE VIEW sys.schemas AS SELECT oid AS schema_id, schema_name AS name FROM duckdb_schemas()",
    "CREATE VIEW sys.tables AS SELECT schema_oid AS schema_id, table_name AS name FROM duckdb_tables()",
)


def function(name, *arguments):
    """A call in DuckDB."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def literal(value):
    """A text."""
    return exp.Literal.string(value)


def collated(node):
    """A text compared under a binary collation: as its bytes, without blanks at its end, as `=` takes them."""
    if isinstance(node.parent, exp.Add):
        return node
    # Within a function it says how that looks for characters, which DuckDB's do so anyway.
    return node.this if isinstance(node.parent, exp.Func) else trimmed(node.this)


def trimmed(text):
    """The bytes of a text without blanks at its end."""
    return function("encode", function("rtrim", text, literal(" ")))


def added(node):
    """What is put together, as `=` takes it, and is written with another sign than the sum of numbers."""
    first, second = node.this, node.expression
    if isinstance(second, exp.HexString):
        value = exp.DPipe(this=first, expression=function("unhex", literal(second.this)))
        return function("regexp_replace", function("hex", value), literal("(00)+$"), literal(""))
    if isinstance(first, exp.Collate):
        return trimmed(exp.DPipe(this=first.this, expression=second))
    texts = (first, second, getattr(first, "expression", None))
    return exp.DPipe(this=first, expression=second) if any(each and each.is_string for each in texts) else node


def cast(node):
    """A cast; of bytes to text, as SQL Server has texts in memory."""
    if isinstance(node.this, exp.HexString) and node.to.is_type(*exp.DataType.TEXT_TYPES):
        return literal(bytes.fromhex(node.this.this).decode("utf-16-le"))
    return node


def converted(node):
    """A conversion from text."""
    binary = node.this.this == exp.DType.VARBINARY
    return function("unhex", node.expression) if binary else exp.Cast(this=node.expression, to=node.this)


def kind(node):
    """A type; decimals keep their digits, and three digits of a second are milliseconds."""
    if node.this.name not in _TYPES:
        return node
    milliseconds = node.this == exp.DType.DATETIME2 and [each.name for each in node.expressions] == ["3"]
    return exp.DataType.build("TIMESTAMP_MS" if milliseconds else _TYPES[node.this.name], dialect="duckdb")


def like(node):
    """A pattern; the one of ours that has a class of characters is put together."""
    return function("regexp_matches", node.this, literal("[^!-~]")) if isinstance(node.expression, exp.DPipe) else node


def called(node):
    """A function that DuckDB calls otherwise."""
    return function({"NCHAR": "chr"}.get(node.name.upper(), node.name), *node.expressions)


def opened(node):
    """The rows of a JSON list of lists."""
    shown = [
        exp.alias_(function("json_extract_string", exp.column("row"), column.args["path"].copy()), column.name)
        for column in node.expressions
    ]
    rows = exp.alias_(function("unnest", function("from_json", node.this, literal('["JSON"]'))), "row")
    return exp.select(*shown).from_(exp.select(rows).subquery("rows")).subquery()


def deleted(node):
    """By another table's rows."""
    table, (join,) = node.this, node.this.args["joins"]
    table.set("joins", None)
    return exp.Delete(this=table, using=[join.this], where=exp.Where(this=join.args["on"]))


_TRANSLATED = {
    exp.Collate: collated,
    exp.Add: added,
    exp.Cast: cast,
    exp.Convert: converted,
    exp.DataType: kind,
    exp.Anonymous: called,
    exp.OpenJSON: opened,
    exp.National: lambda node: literal(node.this),
    exp.Like: like,
    exp.Delete: lambda node: deleted(node) if node.args.get("tables") else node,
}


def in_duckdb(sql):
    """A statement in DuckDB's words."""
    (tree,) = sqlglot.parse(sql, dialect="tsql")
    assert not list(tree.find_all(exp.Command)), sql
    tree = exp.Paren(this=tree)
    for node in reversed(list(tree.walk())):
        if type(node) is exp.Table:
            node.set("hints", None)
        if type(node) is exp.ColumnDef:
            kept = [each for each in node.args["constraints"] if not isinstance(each.kind, exp.CollateColumnConstraint)]
            node.set("constraints", kept)
        found = _TRANSLATED.get(type(node), lambda node: node)(node)
        if found is not node:
            node.replace(found)
    return tree.this.sql(dialect="duckdb")


class Cursor:
    """As pymssql's."""

    def __init__(self, connection):
        self._connection = connection
        self._found, self.description, self.rowcount = None, None, -1

    def execute(self, sql, parameters=()):
        if sql.startswith(_WITHOUT):
            return
        try:
            self._run(_mssql.substitute_params(sql, tuple(parameters)).decode() if parameters else sql)
        except duckdb.Error as error:
            raise OperationalError(str(error)) from error

    def _run(self, sql):
        described = re.match(r"SELECT d\.system_type_name.*CAST\(0x(\w+) AS", sql)
        if described:
            sql = in_duckdb(bytes.fromhex(described[1]).decode("utf-16-le"))
            kinds = [str(each) for each in self._connection.sql(sql).types]
            self._found = duckdb.values([duckdb.ConstantExpression(1)]) if not kinds else None
            self.rows = [(_NAMES.get(each, each.lower().replace(" ", "")), None) for each in kinds]
            self.description = [("name",), ("wrong",)]
            return
        self.rows = None
        self._found = self._connection.execute(in_duckdb(sql))
        self.description = self._found.description
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            self.rowcount, self.description = self._found.fetchone()[0], None
        elif not sql.startswith("SELECT"):
            self.description = None

    def fetchall(self):
        return self._found.fetchall() if self.rows is None else self.rows

    def fetchmany(self, size):
        return self._found.fetchmany(size)

    def close(self):
        """Nothing is held."""


class Connection:
    """As pymssql's, in a mode that begins no transactions by itself."""

    def __init__(self, connection):
        self._connection = connection

    def autocommit(self, on):
        assert on

    def cursor(self):
        return Cursor(self._connection)


class MSSQLOnDuckDB:
    """A warehouse whose desk is SQL Server's."""

    def __init__(self, path):
        self._database = duckdb.connect(str(path))
        for statement in ("SET TimeZone = 'UTC'", "SET default_collation = 'nocase'", *_CATALOGUE):
            self._database.execute(statement)
        self._dialect = sqlalchemy_dialect(MSDialect_pymssql())

    @contextmanager
    def desk(self, *, write):
        """A transaction."""
        with self._database.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.execute("SET default_collation = 'nocase'")
            desk = MSSQLDesk(Connection(cursor), self._dialect, _fault, driver="pymssql", write=write)
            with ending(desk):
                yield desk

    @contextmanager
    def read(self, projection, *, batch_rows=65_536):
        """A model as SQLAlchemy's warehouses read it: under the types of its values."""
        with self._database.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            with closing(Connection(cursor).cursor()) as found:
                found.execute(compile_projection(projection, self._dialect))
                known = known_types(projection)
                types = [known.get(at) for at in range(len(projection.names))]
                yield batches(iter(lambda: found.fetchmany(batch_rows), []), projection.names, types)

    def close(self):
        """Let the file go."""
        self._database.close()


def _fault(what, error):
    return WarehouseError(f"{what}: {error}")
