"""What each warehouse may call equal, value by value: what is not, comes out; what is, stays there."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec
from tailrace.diff.engine import Options, diff
from tailrace.diff.window import WindowDiff
from tailrace.errors import SnapshotError
from tailrace.project.config import FieldMap
from tailrace.pushdown.compare import Reading, Unsuited, compare, compare_window
from tailrace.pushdown.store import WarehouseStore
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.store import Delivered, SnapshotStore
from tailrace.warehouses import Projection

IDENTITY = Identity("values", "crm", "00D1", "Contact", ("id",), ("id",))
SPEC = DiffSpec(("id",), ("id",), ("v",), match_is_key=True)
OTHER = {
    "both": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("cast(null as text)", "''"),
        ("1.25::decimal(5,2)", "1.3::decimal(5,1)"),
        ("1.3::decimal(5,1)", "1.25::decimal(5,2)"),
        ("12345678901234567890::decimal(38,2)", "0.0000000001::decimal(20,10)"),
        ("timestamp '2026-01-01 00:00:00.000001'", "timestamp '2026-01-01 00:00:00'"),
        ("'a'::bytea", "'b'::bytea"),
    ],
    "duckdb": [
        ("'a' collate nocase", "'A' collate nocase"),
        ("'e' collate noaccent", "'é' collate noaccent"),
        ("['a', null]", "['a', 'null']"),
        ("timestamp_ns '1960-01-01 00:00:00.000001001'", "timestamp_ns '1960-01-01 00:00:00.000002001'"),
    ],
    "postgresql": [
        ("'x'::varchar", "'x'::char(3)"),
        ("array['a', null]", "array['a', 'null']"),
        ("'ann'::names", "'bob'::names"),
    ],
    "sqlite": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'a' collate nocase", "'A' collate nocase"),
        ("'a' collate rtrim", "'a ' collate rtrim"),
        ("null", "''"),
        ("null", "0"),
        ("1.25", "1.3"),
        ("9223372036854775807", "9223372036854775806"),
        ("'a'", "'a' || char(0) || 'b'"),
        ("x'00'", "x'0000'"),
    ],
    "mariadb": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'e'", "'é'"),
        ("cast(null as char)", "''"),
        ("cast(1.25 as decimal(5,2))", "cast(1.3 as decimal(5,1))"),
        ("cast(12345678901234567890 as decimal(38,2))", "cast(0.0000000001 as decimal(20,10))"),
        ("timestamp '2026-01-01 00:00:00.000001'", "timestamp '2026-01-01 00:00:00.000002'"),
        ("x'00'", "x'0000'"),
        ("1.5e0", "1.5000000000000002e0"),
        ("9223372036854775807", "9223372036854775806"),
        ("json_array('a', null)", "json_array('a', 'null')"),
    ],
    "redshift": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'e'", "'é'"),
        ("cast(null as varchar)", "''"),
        ("1.25::decimal(5,2)", "1.3::decimal(5,1)"),
        ("12345678901234567890::decimal(38,2)", "0.0000000001::decimal(20,10)"),
        ("9223372036854775807", "9223372036854775806"),
        ("1.5::float8", "1.5000000000000002::float8"),
        ("timestamp '2026-01-01 00:00:00.000001'", "timestamp '2026-01-01 00:00:00'"),
        ("time '12:30:00'", "time '12:30:00.000001'"),
        ("true", "false"),
    ],
    "mssql": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("N'e'", "N'é'"),
        ("CAST(NULL AS NVARCHAR(9))", "''"),
        ("CAST(1.25 AS DECIMAL(5, 2))", "CAST(1.3 AS DECIMAL(5, 1))"),
        ("CAST(1.3 AS DECIMAL(5, 1))", "CAST(1.25 AS DECIMAL(5, 2))"),
        ("CAST(12345678901234567890 AS DECIMAL(38, 2))", "CAST(0.0000000001 AS DECIMAL(20, 10))"),
        ("CAST(9223372036854775807 AS BIGINT)", "CAST(9223372036854775806 AS BIGINT)"),
        ("CAST('1.5' AS FLOAT)", "CAST('1.5000000000000002' AS FLOAT)"),
        ("CAST('2026-01-01 00:00:00.000001' AS DATETIME2)", "CAST('2026-01-01 00:00:00.000002' AS DATETIME2)"),
        ("CAST('2026-01-01 00:00:00.000001Z' AS DATETIMEOFFSET)", "CAST('2026-01-01 00:00:00Z' AS DATETIMEOFFSET)"),
        ("CAST('12:30:00' AS TIME)", "CAST('12:30:00.000001' AS TIME)"),
        ("CAST('2026-01-01' AS DATE)", "CAST('2026-01-02' AS DATE)"),
        ("0x00", "0x0000"),
        ("0x4141", "0x414100"),
        ("N'a'", "N'a' + NCHAR(0)"),
        ("CAST(1 AS BIT)", "CAST(0 AS BIT)"),
        ("CAST(NULL AS BIT)", "CAST(0 AS BIT)"),
    ],
    "snowflake": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'e'", "'é'"),
        ("'a'", "'a\\\\'"),
        ("cast(null as varchar)", "''"),
        ("1.25::number(5,2)", "1.30::number(5,2)"),
        ("1.25::number(5,2)", "1.3::number(5,1)"),
        ("12345678901234567890::number(38,2)", "0.0000000001::number(20,10)"),
        ("9223372036854775807", "9223372036854775806"),
        ("1.5::float", "1.5000000000000002::float"),
        ("'2026-01-01 00:00:00.000001'::timestamp_ntz", "'2026-01-01 00:00:00.000002'::timestamp_ntz"),
        ("'2026-01-01 00:00:00.000001+00:00'::timestamp_tz", "'2026-01-01 00:00:00.000002+00:00'::timestamp_tz"),
        ("cast(null as timestamp_ntz)", "'1970-01-01'::timestamp_ntz"),
        ("'12:30:00'::time", "'12:30:00.000001'::time"),
        ("to_binary('00', 'HEX')", "to_binary('0000', 'HEX')"),
        ("true", "false"),
    ],
    "bigquery": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'e'", "'é'"),
        ("'a\\0'", "'a'"),
        ("cast(null as string)", "''"),
        ("numeric '1.25'", "numeric '1.250000001'"),
        ("numeric '12345678901234567890.5'", "bignumeric '0.0000000000000001'"),
        ("bignumeric '1.25'", "bignumeric '1.250000000000000001'"),
        ("9223372036854775807", "9223372036854775806"),
        ("9007199254740993", "cast(9007199254740992 as numeric)"),
        ("1.5e0", "1.5000000000000002e0"),
        ("cast('nan' as float64)", "1e0"),
        ("datetime '2026-01-01 00:00:00.000001'", "datetime '2026-01-01 00:00:00.000002'"),
        ("timestamp '2026-01-01 00:00:00.000001+00'", "timestamp '2026-01-01 00:00:00.000002+00'"),
        ("cast(null as timestamp)", "timestamp '1970-01-01 00:00:00+00'"),
        ("time '12:30:00'", "time '12:30:00.000001'"),
        ("b'\\x00'", "b'\\x00\\x00'"),
        ("true", "false"),
        ("['a', 'b']", "['b', 'a']"),
        ("['9007199254740993']", "[9007199254740993]"),
        ("[1]", "cast([] as array<int64>)"),
        ("['a']", "cast(null as array<string>)"),
        ("struct(1 as a, 'x' as b)", "struct(1 as a, 'y' as b)"),
    ],
    "databricks": [
        ("'a'", "'A'"),
        ("'a'", "'a '"),
        ("'e'", "'é'"),
        ("cast(null as string)", "''"),
        ("cast(1.25 as decimal(5,2))", "cast(1.3 as decimal(5,1))"),
        ("cast(1.3 as decimal(5,1))", "cast(1.25 as decimal(5,2))"),
        ("cast('12345678901234567890' as decimal(38,2))", "cast('0.0000000001' as decimal(20,10))"),
        ("9223372036854775807", "9223372036854775806"),
        ("9007199254740993", "cast(9007199254740992 as decimal(20,2))"),
        ("cast('1.5' as double)", "cast('1.5000000000000002' as double)"),
        ("cast('nan' as double)", "cast('1' as double)"),
        ("cast('2026-01-01 00:00:00.000001' as timestamp_ntz)", "cast('2026-01-01 00:00:00.000002' as timestamp_ntz)"),
        ("cast('2026-01-01 00:00:00.000001Z' as timestamp)", "cast('2026-01-01 00:00:00.000002Z' as timestamp)"),
        ("cast(null as timestamp)", "cast('1970-01-01 00:00:00Z' as timestamp)"),
        ("unhex('00')", "unhex('0000')"),
        ("true", "false"),
        ("array('a', 'b')", "array('b', 'a')"),
        ("array('9007199254740993')", "array(9007199254740993)"),
        ("array('a')", "cast(null as array<string>)"),
        ("array('a', null)", "array('a', 'null')"),
    ],
}
"""Values of which the second is another one."""
SAME = {
    "both": [
        ("'NaN'::float8", "'NaN'::float8"),
        ("'-0.0'::float8", "'0.0'::float8"),
        ("1.5::real", "1.5::float8"),
        ("7::smallint", "7::bigint"),
        ("7", "7.00::decimal(10,2)"),
        ("1.50::decimal(10,2)", "1.5::decimal(10,1)"),
        ("cast(null as text)", "cast(null as text)"),
        ("timestamptz '2026-01-01 12:00+02'", "timestamptz '2026-01-01 10:00+00'"),
        ("date '2026-01-01'", "date '2026-01-01'"),
        ("time '12:30:00.5'", "time '12:30:00.5'"),
        ("true", "true"),
        ("'1'", "1"),
        ("7", "7"),
    ],
    "duckdb": [
        ("['a', null]", "['a', null]"),
        ("'ann'::enum('ann', 'bob')", "'ann'"),
        ("'a' collate nocase", "'a'"),
        ("170141183460469231731687303715884105::hugeint", "170141183460469231731687303715884105::decimal(38,0)"),
    ],
    "postgresql": [
        ("'x'::char(3)", "'x'::char(3)"),
        ("array['a', null, '\"\\']", "array['a', null, '\"\\']"),
        ("array[1, 2]", "array[1, 2]::bigint[]"),
        ("'ann'::names", "'ann'::text"),
        ("'00000000-0000-0000-0000-00000000000a'::uuid", "'00000000-0000-0000-0000-00000000000a'"),
        ("'{\"a\": 1.10}'::jsonb", "'{\"a\": 1.10}'::jsonb"),
    ],
    "sqlite": [
        ("-0.0", "0.0"),
        ("9e999", "9e999"),
        ("0.1", "0.1"),
        ("7", "7"),
        ("'1'", "1"),
        ("null", "null"),
        ("'a' collate nocase", "'a'"),
        ("x'00ff'", "x'00ff'"),
        ("'a' || char(0) || 'b'", "'a' || char(0) || 'b'"),
    ],
    "mariadb": [
        ("-0e0", "0e0"),
        ("1e-300 * 1e-20", "1e-300 * 1e-20"),
        ("0.1e0 + 0.2e0", "0.1e0 + 0.2e0"),
        ("cast(7 as signed)", "cast(7 as unsigned)"),
        ("7", "cast(7 as decimal(10,2))"),
        ("cast(1.5 as decimal(10,2))", "cast(1.5 as decimal(10,1))"),
        ("cast(null as char)", "cast(null as char)"),
        ("date '2026-01-01'", "date '2026-01-01'"),
        ("timestamp '2026-01-01 10:00:00.5'", "timestamp '2026-01-01 10:00:00.5'"),
        ("'1'", "1"),
        ("true", "true"),
        ("'a' collate utf8mb4_general_ci", "'a'"),
        ("convert('é' using latin1)", "'é'"),
        ("x'00ff'", "x'00ff'"),
        ("json_array('a', null)", "json_array('a', null)"),
    ],
    "redshift": [
        ("'NaN'::float8", "'NaN'::float8"),
        ("'-0.0'::float8", "'0.0'::float8"),
        ("7::smallint", "7::bigint"),
        ("1.50::decimal(10,2)", "1.50::decimal(20,2)"),
        ("cast(null as varchar)", "cast(null as varchar)"),
        ("'é'", "'é'::varchar(9)"),
        ("timestamptz '2026-01-01 12:00+02'", "timestamptz '2026-01-01 10:00+00'"),
        ("timestamp '2026-01-01 12:00:00.5'", "timestamp '2026-01-01 12:00:00.500'"),
        ("date '2026-01-01'", "date '2026-01-01'"),
        ("time '12:30:00.5'", "time '12:30:00.5'"),
        ("true", "true"),
    ],
    "mssql": [
        ("'a'", "N'a'"),
        ("N'é '", "N'é '"),
        ("N'a' + NCHAR(0) + N'\\ '' %s 😀'", "N'a' + NCHAR(0) + N'\\ '' %s 😀'"),
        ("'1'", "1"),
        ("7", "CAST(7 AS BIGINT)"),
        ("7", "CAST(7 AS DECIMAL(10, 2))"),
        ("CAST(1.5 AS DECIMAL(10, 2))", "CAST(1.5 AS DECIMAL(10, 1))"),
        ("CAST(NULL AS NVARCHAR(9))", "CAST(NULL AS NVARCHAR(9))"),
        ("CAST('0.1' AS FLOAT)", "CAST('0.1' AS FLOAT)"),
        ("CAST('-0.0' AS FLOAT)", "CAST('0.0' AS FLOAT)"),
        ("CAST('2.2250738585072014e-308' AS FLOAT)", "CAST('2.2250738585072014e-308' AS FLOAT)"),
        ("CAST('2026-01-01 10:00:00.5' AS DATETIME2)", "CAST('2026-01-01 10:00:00.500' AS DATETIME2)"),
        ("CAST('2026-01-01 12:00+02:00' AS DATETIMEOFFSET)", "CAST('2026-01-01 10:00Z' AS DATETIMEOFFSET)"),
        ("CAST('12:30:00.5' AS TIME)", "CAST('12:30:00.500' AS TIME)"),
        ("CAST('2026-01-01' AS DATE)", "CAST('2026-01-01' AS DATE)"),
        ("0x00ff", "0x00FF"),
        ("CAST(1 AS BIT)", "CAST(1 AS BIT)"),
        ("CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS UNIQUEIDENTIFIER)", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
    ],
    "snowflake": [
        ("'nan'::float", "'nan'::float"),
        ("'-0.0'::float", "'0.0'::float"),
        ("7::number(5,0)", "7::number(38,0)"),
        ("1.50::number(10,2)", "1.5::number(20,2)"),
        ("cast(null as varchar)", "cast(null as varchar)"),
        ("cast(null as timestamp_tz)", "cast(null as timestamp_tz)"),
        ("'2026-01-01 10:00:00.5+00:00'::timestamp_tz", "'2026-01-01 10:00:00.500+00:00'::timestamp_tz"),
        ("'2026-01-01 10:00:00.5'::timestamp_ntz", "'2026-01-01 10:00:00.500'::timestamp_ntz"),
        ("'2026-01-01'::date", "'2026-01-01'::date"),
        ("'12:30:00.5'::time", "'12:30:00.500'::time"),
        ("to_binary('00ff', 'HEX')", "to_binary('00FF', 'HEX')"),
        ("'é'", "'é'"),
        ("true", "true"),
    ],
    "bigquery": [
        ("cast('nan' as float64)", "cast('nan' as float64)"),
        ("cast('inf' as float64)", "cast('inf' as float64)"),
        ("cast('-0.0' as float64)", "0e0"),
        ("7", "cast(7 as numeric)"),
        ("numeric '1.5'", "numeric '1.50'"),
        ("cast(null as string)", "cast(null as string)"),
        ("cast(null as timestamp)", "cast(null as timestamp)"),
        ("timestamp '2026-01-01 12:00:00.5+02'", "timestamp '2026-01-01 10:00:00.500+00'"),
        ("datetime '2026-01-01 10:00:00.5'", "datetime '2026-01-01 10:00:00.500'"),
        ("date '2026-01-01'", "date '2026-01-01'"),
        ("time '12:30:00.5'", "time '12:30:00.500'"),
        ("b'\\x00\\xff'", "b'\\x00\\xff'"),
        ("'é\\0\u212a'", "'é\\0\u212a'"),
        ("'1'", "1"),
        ("true", "true"),
        ("['a', '\"é\\n']", "['a', '\"é\\n']"),
        ("[1, 9007199254740993]", "[1, 9007199254740993]"),
        ("[true]", "[true]"),
        ("cast(null as array<string>)", "cast([] as array<string>)"),
    ],
    "databricks": [
        ("cast('nan' as double)", "cast('nan' as double)"),
        ("cast('inf' as double)", "cast('inf' as double)"),
        ("cast('-0.0' as double)", "cast('0' as double)"),
        ("cast('1.5' as float)", "cast('1.5' as double)"),
        ("cast(7 as smallint)", "cast(7 as bigint)"),
        ("7", "cast(7 as decimal(10,2))"),
        ("cast(1.5 as decimal(10,2))", "cast(1.5 as decimal(10,1))"),
        ("cast(null as string)", "cast(null as string)"),
        ("cast(null as timestamp)", "cast(null as timestamp)"),
        ("cast('2026-01-01 12:00:00.5+02:00' as timestamp)", "cast('2026-01-01 10:00:00.500Z' as timestamp)"),
        ("cast('2026-01-01 10:00:00.5' as timestamp_ntz)", "cast('2026-01-01 10:00:00.500' as timestamp_ntz)"),
        ("cast('2026-01-01' as date)", "cast('2026-01-01' as date)"),
        ("unhex('00ff')", "unhex('00FF')"),
        ("'é\u212a'", "'é\u212a'"),
        ("'1'", "1"),
        ("true", "true"),
        ("array('a', '\"é', null)", "array('a', '\"é', null)"),
        ("array(1, 9007199254740993)", "array(1, 9007199254740993)"),
        ("array(true)", "array(true)"),
    ],
}
"""Values that are the same, be it of another type; they stay in the warehouse."""


DIGITS = f"(VALUES {', '.join(f'({digit})' for digit in range(10))})"


class Bench:
    """One sync of rows that are written down as SQL."""

    def __init__(self, warehouse, root, spec=SPEC, identity=IDENTITY):
        self.warehouse, self.root, self.spec, self.identity = warehouse, Path(root), spec, identity
        self.store = WarehouseStore(warehouse, "values", work=self.root / "work")
        self.store.forget(identity)

    def folder(self):
        """An empty one."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def projection(self, sql):
        """The sync's view of a model."""
        match = {name: name for name in self.spec.match}
        return Projection(sql, self.spec.key, match, {name: FieldMap(column=name) for name in self.spec.fields})

    def compare(self, sql, *, full=False):
        """The change set, and how many stored rows came out to be looked at."""
        known, projection = self.store.open(self.identity), self.projection(sql)
        with self.warehouse.desk(write=False) as desk:
            reading = Reading(lambda: self.warehouse.read(projection))
            at = (known.table, known.manifest, known.revision)
            found, partial = compare(desk, at, projection, self.spec, self.folder(), Options(full=full), reading)
        return found, partial.fetch(partial.live_places()).collect().height

    def window(self, sql):
        """The change set of rows that a cursor gave, and how many stored ones were looked up."""
        known = self.store.open(self.identity)
        at = (known.table, known.manifest, known.revision)
        with self.warehouse.desk(write=False) as desk, self.warehouse.read(self.projection(sql)) as batches:
            rows = ModelRows.from_batches(batches)
            found, partial = compare_window(desk, at, rows, self.spec, self.folder(), Options())
        return found, sum(frame.height for frame in partial._brought)

    def in_files(self, before, sql):
        """What a snapshot in files would say of them, after a run of other rows."""
        files = SnapshotStore(self.root / "files", work=self.root / "work")
        with self.warehouse.read(self.projection(before)) as batches:
            rows = ModelRows.from_batches(batches)
            first = diff(rows, files.open(self.identity), self.spec, self.folder())
        known = files.commit(files.open(self.identity), delivered(first, self.spec), "run")
        with self.warehouse.read(self.projection(sql)) as batches:
            return WindowDiff(ModelRows.from_batches(batches), known, self.spec, self.folder(), Options()).run()

    def run(self, sql, *, full=False):
        """Compare, and take all changes for acknowledged."""
        found, _ = self.compare(sql, full=full)
        self.store.commit(self.store.open(self.identity), delivered(found, self.spec), "run")


def delivered(found, spec):
    """All changes as acknowledged."""
    text = {"status": "acknowledged", "record_id": None, "code": None, "message": None}
    numbers = found.rows.collect(["seq"])
    outcomes = numbers.with_columns(pl.lit(value, pl.String).alias(name) for name, value in text.items())
    return Delivered(found.rows, found.types, outcomes, spec, found.origin)


@pytest.fixture
def bench(warehouse, tmp_path):
    """A sync of one field, over each warehouse."""
    yield Bench(warehouse, tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def kind(warehouse):
    """The name of the warehouse's words, with the types that its values have."""
    with warehouse.desk(write=True) as desk:
        name = desk.words.name
        if name == "postgresql" and not desk.rows("SELECT 1 FROM pg_type WHERE typname = 'names'"):
            desk.run("CREATE TYPE names AS ENUM ('ann', 'bob')")
    return name


def cases(of, kind):
    """Those of a warehouse; what is spelled alike in two of them is kept once."""
    return [*(of["both"] if kind in {"duckdb", "postgresql"} else ()), *of[kind]]


def spelled(value, kind):
    """A value in the warehouse's own spelling."""
    return value.replace("::bytea", "::blob") if kind == "duckdb" else value


@pytest.fixture
def side_by_side(warehouse, tmp_path):
    """Makes a bench of so many fields, so that the warehouse is asked about all values at once."""

    def made(count):
        return Bench(warehouse, tmp_path, DiffSpec(("id",), ("id",), columns(count), match_is_key=True))

    yield made
    shutil.rmtree(tmp_path, ignore_errors=True)


def columns(count):
    """Their names."""
    return tuple(f"v{number}" for number in range(count))


def model(values):
    """Two rows, alike but for their ids, of a column for each value."""
    named = ", ".join(f"{value} AS {name}" for value, name in zip(values, columns(len(values)), strict=True))
    return f"SELECT 1 AS id, {named} UNION ALL SELECT 2, {', '.join(values)}"


@pytest.mark.core
def test_what_differs_comes_out(side_by_side, kind):
    """However alike the warehouse itself takes the two values to be; nothing else of the row has changed."""
    held = [tuple(spelled(value, kind) for value in case) for case in cases(OTHER, kind)]
    first = [before for before, _ in held]
    bench = side_by_side(len(held))
    bench.run(model(first))
    missed = []
    for number, (before, after) in enumerate(held):
        found, _ = bench.compare(model([*first[:number], after, *first[number + 1 :]]))
        changed = [name for name in columns(len(held)) if found.rows.count(pl.col(f"c:{name}"))]
        if found.counts["update"] != len(("one", "other")) or changed != [f"v{number}"]:
            missed.append((before, after, dict(found.counts), changed))
    assert missed == []


@pytest.mark.core
def test_what_is_the_same_stays_there(side_by_side, kind):
    """Whatever its type is called today; and a second look finds nothing either."""
    held = cases(SAME, kind)
    first, second = ([case[side] for case in held] for side in (0, 1))
    bench = side_by_side(len(held))
    bench.run(model(first))
    for values in (first, second):
        found, out = bench.compare(model(values))
        differ = [
            case for case, name in zip(held, columns(len(held)), strict=True) if found.rows.count(pl.col(f"c:{name}"))
        ]
        assert (differ, out, sum(found.counts.values()), found.unchanged) == ([], 0, 0, 2)


def test_a_null_among_values_stays_there(bench):
    """It is what is stored, as no other value is."""
    model = "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, NULL"
    bench.run(model)
    found, out = bench.compare(model)
    assert (sum(found.counts.values()), found.unchanged, out) == (0, 2, 0)


def test_only_what_concerns_a_change_comes_out(bench, kind):
    """Of a thousand rows one changes, one leaves and one is new: two stored rows are looked at."""
    thousand = {
        "duckdb": "SELECT range AS id, 'n' || range AS v FROM range(1000)",
        "postgresql": "SELECT i AS id, 'n' || i AS v FROM generate_series(0, 999) AS r(i)",
        "redshift": "SELECT i AS id, 'n' || i AS v FROM generate_series(0, 999) AS r(i)",
        "sqlite": "WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < 999) "
        "SELECT i AS id, 'n' || i AS v FROM r",
        "snowflake": "SELECT seq4() AS id, 'n' || seq4() AS v FROM table(generator(rowcount => 1000))",
        "mariadb": "SELECT seq AS id, concat('n', seq) AS v FROM seq_0_to_999",
        "mssql": f"SELECT id, N'n' + CAST(id AS NVARCHAR(9)) AS v FROM (SELECT a.n + 10 * b.n + 100 * c.n AS id "
        f"FROM {DIGITS} AS a(n) CROSS JOIN {DIGITS} AS b(n) CROSS JOIN {DIGITS} AS c(n)) AS r",
        "bigquery": "SELECT i AS id, concat('n', cast(i as string)) AS v FROM unnest(generate_array(0, 999)) AS i",
        "databricks": "SELECT i AS id, concat('n', i) AS v FROM (SELECT explode(sequence(0, 999)) AS i)",
    }[kind]
    bench.run(thousand)
    fields = "CASE WHEN id = 5 THEN 5000 ELSE id END AS id, CASE WHEN id = 7 THEN 'x' ELSE v END AS v"
    changed = f"SELECT {fields} FROM ({thousand}) AS t"
    found, out = bench.compare(changed)
    assert (found.counts, out) == ({"insert": 1, "update": 1, "delete": 1}, 2)
    assert (found.model_rows, found.snapshot_rows, found.unchanged) == (1000, 1000, 998)


def test_rows_that_come_twice_as_they_are_stored_are_found(bench):
    """Two rows of one key are invalid, though each is what is stored."""
    bench.run("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
    twice = "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 1, 'a' UNION ALL SELECT 2, 'b'"
    found, out = bench.compare(twice)
    said = [(group.reason, group.rows, group.examples) for group in found.invalid]
    assert said == [("duplicate_key", 2, ({"id": 1}, {"id": 1}))]
    assert (sum(found.counts.values()), found.model_rows, found.unchanged, out) == (0, 3, 1, 1)


def test_keys_that_differ_in_blanks_at_their_ends_are_two(bench):
    """One leaves, and the other stays: no statement takes the one for the other."""
    bench.run("SELECT 'a' AS id, 'x' AS v UNION ALL SELECT 'a ', 'y' UNION ALL SELECT 'b', 'z'")
    after = "SELECT 'a ' AS id, 'y' AS v UNION ALL SELECT 'b', 'w'"
    found, _ = bench.compare(after)
    assert found.counts == {"insert": 0, "update": 1, "delete": 1}
    bench.run(after)
    assert bench.store.open(IDENTITY).frame()["k:id"].to_list() == ["a ", "b"]


@pytest.mark.parametrize("fold", [False, True])
def test_a_new_row_with_the_match_value_of_an_unchanged_one_is_found(warehouse, tmp_path, fold):
    """Both are invalid, though the second was left in the warehouse; so where case and blanks do not count."""
    spec = DiffSpec(("id",), ("mail",), ("v",), fold_match=frozenset({"mail"} if fold else ()))
    bench = Bench(warehouse, tmp_path, spec, Identity("mails", "crm", "00D1", "Contact", ("id",), ("mail",)))
    before = "SELECT 1 AS id, 'k@x.io' AS mail, 'a' AS v UNION ALL SELECT 2, 'b@x.io', 'b'"
    bench.run(before)
    mail = " \u212a@X.io" if fold else "k@x.io"  # the Kelvin sign, whose small letter is k
    found, _ = bench.compare(f"{before} UNION ALL SELECT 3, '{mail}', 'c'")
    assert [(group.reason, group.rows) for group in found.invalid] == [("duplicate_match", 2)]
    assert (sum(found.counts.values()), found.unchanged) == (0, 1)


def test_rows_whose_match_values_became_one_are_found_after_a_full_run(warehouse, tmp_path):
    """The run that reads everything tells the snapshot of them: the next looks again, though one is unchanged."""
    exact = DiffSpec(("id",), ("mail",), ("v",))
    bench = Bench(warehouse, tmp_path, exact, Identity("merged", "crm", "00D1", "Contact", ("id",), ("mail",)))
    bench.run("SELECT 1 AS id, 'k@x.io' AS mail, 'a' AS v UNION ALL SELECT 2, 'K@x.io', 'b'")
    bench.spec = replace(exact, fold_match=frozenset({"mail"}))
    bench.run("SELECT 1 AS id, 'k@x.io' AS mail, 'a' AS v UNION ALL SELECT 2, 'K@x.io', 'b'", full=True)
    found, _ = bench.compare("SELECT 1 AS id, 'k@x.io' AS mail, 'a' AS v UNION ALL SELECT 2, 'K@x.io', 'c'")
    assert [(group.reason, group.rows) for group in found.invalid] == [("duplicate_match", 2)]
    assert sum(found.counts.values()) == 0


def test_rows_that_were_two_when_a_dead_run_was_recovered_are_found(warehouse, tmp_path):
    """What recovery commits knows of no comparison: that the two are one for today's spec, the next run finds out."""
    exact = DiffSpec(("id",), ("mail",), ("v",))
    bench = Bench(warehouse, tmp_path, exact, Identity("died", "crm", "00D1", "Contact", ("id",), ("mail",)))
    bench.spec = replace(exact, fold_match=frozenset({"mail"}))
    one = "SELECT 1 AS id, 'k@x.io' AS mail, 'a' AS v"
    bench.run(one)
    bench.spec = exact
    found, _ = bench.compare(f"{one} UNION ALL SELECT 2, 'K@x.io', 'b'")
    recovered = replace(delivered(found, exact), origin=None)
    bench.store.commit(bench.store.open(bench.identity), recovered, "recovered")
    bench.spec = replace(exact, fold_match=frozenset({"mail"}))
    found, _ = bench.compare(f"{one} UNION ALL SELECT 2, 'K@x.io', 'c'")
    assert [(group.reason, group.rows) for group in found.invalid] == [("duplicate_match", 2)]
    assert sum(found.counts.values()) == 0


@pytest.mark.parametrize("fold", [False, True])
def test_of_a_window_only_what_concerns_it_is_looked_up(warehouse, tmp_path, fold):
    """What differs, what is new, and whose match value another row holds that was not read: as with files."""
    spec = DiffSpec(("id",), ("mail",), ("v",), fold_match=frozenset({"mail"} if fold else ()))
    bench = Bench(warehouse, tmp_path, spec, Identity("windows", "crm", "00D1", "Contact", ("id",), ("mail",)))
    rows = [(1, "a@x.io", "a"), (2, "b@x.io", "b"), (3, "k@x.io", "c"), (4, "d@x.io", "d"), (5, "e@x.io", "e")]
    held = " \u212a@X.io" if fold else "k@x.io"  # the Kelvin sign, whose small letter is k
    read = [(1, "a@x.io", "a"), (2, "b@x.io", "B"), (6, "f@x.io", "f"), (7, held, "g"), (8, "h@x.io", "h")]
    bench.run(listed(rows))
    found, out = bench.window(listed([*read, read[-1]]))
    beside = bench.in_files(listed(rows), listed([*read, read[-1]]))
    assert (dict(found.counts), found.unchanged, found.model_rows) == ({"insert": 1, "update": 1, "delete": 0}, 1, 6)
    assert out == len(("1", "2", "3, for its mail"))
    assert dict(found.counts) == dict(beside.counts)
    assert said(found) == said(beside)
    assert changed(found) == changed(beside)
    assert (found.partial, found.snapshot_rows, found.unchanged) == (True, 5, beside.unchanged)


def test_a_window_is_no_way_to_compare_what_has_another_type(bench):
    """Rows that were not read are of the old one, so that all must be."""
    bench.run("SELECT 1 AS id, 1 AS v UNION ALL SELECT 2, 2")
    with pytest.raises(Unsuited, match="v changed its type"):
        bench.window("SELECT 1 AS id, 'x' AS v")


def test_a_window_of_very_many_rows_is_none(bench, monkeypatch):
    """They are compared sooner than looked up one by one."""
    bench.run("SELECT 1 AS id, 'a' AS v")
    monkeypatch.setattr("tailrace.pushdown.compare.LOOKED_UP", 1)
    with pytest.raises(Unsuited, match="2 rows are new"):
        bench.window("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")


def listed(rows):
    """A model of ids, mails and values."""
    (first, mail, value), *others = rows
    selected = [f"SELECT {first} AS id, '{mail}' AS mail, '{value}' AS v"]
    return " UNION ALL ".join([*selected, *(f"SELECT {key}, '{mail}', '{value}'" for key, mail, value in others)])


def said(found):
    """Invalid rows, whatever their order."""
    return sorted((group.reason, group.rows, sorted(map(str, group.examples))) for group in found.invalid)


def changed(found):
    """The changes, whatever their order."""
    return sorted(found.rows.collect(["k:id", "op", "m:mail", "n:v"]).rows(), key=str)


def test_a_model_that_gives_other_rows_each_time_is_compared_whole(bench, kind, monkeypatch):
    """Rows that do not add up are not trusted: everything comes out."""
    bench.run("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
    count = "tailrace.pushdown.narrow.Narrowing.count"
    monkeypatch.setattr(count, lambda self: setattr(self.counted, "model", 7))
    found, out = bench.compare("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'")
    assert (sum(found.counts.values()), found.model_rows, found.unchanged, out) == (0, 2, 2, 2)


@pytest.mark.core
def test_a_run_that_was_overtaken_moves_nothing(bench):
    """Of two that planned on one revision the second is refused, and the first one's rows stay."""
    first, _ = bench.compare("SELECT 1 AS id, 'a' AS v")
    second, _ = bench.compare("SELECT 1 AS id, 'b' AS v")
    known = bench.store.open(IDENTITY)
    bench.store.commit(known, delivered(first, SPEC), "first")
    with pytest.raises(SnapshotError, match="changed by another run"):
        bench.store.commit(known, delivered(second, SPEC), "second")
    latest = bench.store.open(IDENTITY)
    assert (latest.run_id, latest.frame()["f:v"].to_list()) == ("first", ["a"])


@pytest.mark.core
def test_a_run_from_before_a_reset_moves_nothing(bench):
    """Though the new snapshot has come as far as the one that the run planned on."""
    bench.run("SELECT 1 AS id, 'a' AS v")
    known = bench.store.open(IDENTITY)
    stale, _ = bench.compare("SELECT 1 AS id, 'b' AS v")
    bench.store.forget(IDENTITY)
    bench.run("SELECT 2 AS id, 'c' AS v")
    assert bench.store.open(IDENTITY).revision == known.revision
    with pytest.raises(SnapshotError, match="changed by another run"):
        bench.store.commit(known, delivered(stale, SPEC), "stale")
    assert bench.store.open(IDENTITY).frame()["k:id"].to_list() == [2]


def test_a_type_that_changes_keeps_what_is_known(bench):
    """Numbers that become texts are the same ones; then a text is no number, and the type is another for good."""
    bench.run("SELECT 1 AS id, 10 AS v UNION ALL SELECT 2, 20")
    texts = "SELECT 1 AS id, '10' AS v UNION ALL SELECT 2, 'x'"
    found, _ = bench.compare(texts)
    assert (found.counts["update"], [event.kind for event in found.events]) == (1, ["retyped"])
    bench.run(texts)
    found, out = bench.compare(texts)
    assert (sum(found.counts.values()), out, str(bench.store.open(IDENTITY).types["f:v"])) == (0, 0, "string")
