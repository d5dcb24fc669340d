"""SQL Server's statements on DuckDB: what sqlglot reads of them as T-SQL, in DuckDB's words.

That shows whether the statements do what they are meant to, and not that SQL Server takes them for what sqlglot does.
Two of its habits are put on: texts compare without case, and `=` takes blanks at the end of a text, and zeros at the
end of bytes, for nothing. They come by the protocol, from pymssql.
"""

import re

import duckdb
import sqlglot
from sqlglot import exp
from tests.unit.pushdown import tds

_SETTINGS = ("SET TimeZone = 'UTC'", "SET default_collation = 'nocase'")
_WITHOUT = ("SET ", "EXEC sp_getapplock", "use ")
"""What has no meaning there; these are read by the tests of golden files."""
_ASKED = {"select @@version": "Microsoft SQL Server 2017 - 14.0.1000.169", "SELECT schema_name()": "main"}
"""What SQLAlchemy asks first."""
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
_SENT = {
    "BOOLEAN": "BIT",
    "BLOB": "VARBINARY",
    "DOUBLE": "FLOAT",
    "FLOAT": "REAL",
    "BIGINT": "BIGINT",
    "HUGEINT": "BIGINT",
    "INTEGER": "INT",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "DATETIME2",
    "TIMESTAMP WITH TIME ZONE": "DATETIMEOFFSET",
    "UUID": "UNIQUEIDENTIFIER",
}
"""How its values go over the wire; all others as text."""
_CATALOGUE = (
    "CREATE SCHEMA sys",
    "CREATE VIEW sys.schemas AS SELECT oid AS schema_id, schema_name AS name FROM duckdb_schemas()",
    "CREATE MACRO user_name() AS 'dbo'",
    "CREATE MACRO db_name() AS 'main'",
    "CREATE MACRO quotename(name) AS '[' || name || ']'",
    "CREATE MACRO has_perms_by_name(place, kind, permission) AS 1",
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


def sent(name):
    """How a type of DuckDB's goes over the wire."""
    scale = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", name)
    return tds.decimal(int(scale[1])) if scale else tds.TYPES[_SENT.get(name, "NVARCHAR")]


class Session:
    """Answers the statements of one connection."""

    def __init__(self, database):
        self._cursor = database.cursor()
        for setting in _SETTINGS:
            self._cursor.execute(setting)

    def __call__(self, sql):
        """The answer, in the protocol's form."""
        if sql.startswith(_WITHOUT):
            return tds.done()
        if sql in _ASKED:
            return tds.answered([("", tds.TYPES["NVARCHAR"])], [(_ASKED[sql],)])
        try:
            return self._answer(sql)
        except duckdb.Error as error:
            return tds.failed(str(error))

    def _answer(self, sql):
        described = re.match(r"SELECT d\.system_type_name.*CAST\(0x(\w+) AS", sql)
        if described:
            kinds = map(str, self._cursor.sql(in_duckdb(bytes.fromhex(described[1]).decode("utf-16-le"))).types)
            rows = [(_NAMES.get(each, each.lower().replace(" ", "")), None) for each in kinds]
            return tds.answered([(name, tds.TYPES["NVARCHAR"]) for name in ("system_type_name", "error_message")], rows)
        found = self._cursor.execute(in_duckdb(sql))
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            return tds.done(tds.COUNT, found.fetchone()[0])
        if not sql.startswith("SELECT"):
            return tds.done()
        return tds.answered([(each[0], sent(str(each[1]))) for each in found.description], found.fetchall())


class Server:
    """A server of a DuckDB file, at a port of its own."""

    def __init__(self, path):
        self._database = duckdb.connect(str(path))
        for statement in (*_SETTINGS, *_CATALOGUE):
            self._database.execute(statement)
        self._listening = tds.Server(lambda: Session(self._database))
        self.port = self._listening.port
        self.url = f"mssql+pymssql://user:password@127.0.0.1:{self.port}/"

    def run(self, *statements):
        """Run DuckDB's own statements; gives the rows of the last."""
        with self._database.cursor() as cursor:
            return [cursor.execute(statement).fetchall() for statement in statements][-1]

    def close(self):
        """Let the port and the file go."""
        self._listening.close()
        self._database.close()
