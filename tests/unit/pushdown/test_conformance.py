"""The comparison in a warehouse says what the exact one says of the whole, and its snapshot is what was acknowledged.

The rows come out of the warehouse itself for the exact one, so that both see the same values.
"""

import datetime as dt
import math
import sys
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.unit.diff.told import comparable, groups, outcomes
from tests.unit.pushdown.schemas import drop_schema

from tailrace.canonical import CanonicalRows, canonical_frame
from tailrace.canonical.nested import encode
from tailrace.changes import DiffSpec, SnapshotData
from tailrace.destination import ANSWER_LOST
from tailrace.diff import engine
from tailrace.diff.core import difference
from tailrace.diff.engine import Options
from tailrace.project.config import FieldMap
from tailrace.pushdown import tables
from tailrace.pushdown.compare import Reading, compare
from tailrace.pushdown.store import WarehouseStore
from tailrace.snapshot.fold import fold
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.kept import KEPT, kept_message
from tailrace.snapshot.store import Delivered
from tailrace.values import LogicalType
from tailrace.warehouses import Projection

IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("id", "no"), ("ext",))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
ODD = st.sampled_from(["", " ", "'\"\\", "ß", "\\N", "\t\n\r", "a", "A", "K", "k", "\u212a", "İ", "i̇"])
FIELDS = {
    "bool": (LogicalType("bool"), st.booleans()),
    "int": (LogicalType("int64"), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2)),
    "float": (LogicalType("float64"), st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf])),
    "decimal": (LogicalType("decimal", 3), st.decimals(-(10**30), 10**30, places=3) | st.just(Decimal(0))),
    "text": (LogicalType("string"), TEXT | ODD),
    "bytes": (LogicalType("binary"), st.binary(max_size=2)),
    "day": (LogicalType("date"), st.dates()),
    "time": (LogicalType("time"), st.times()),
    "naive": (LogicalType("timestamp"), st.datetimes()),
    "zoned": (LogicalType("timestamptz"), st.datetimes(dt.datetime(2, 1, 1), timezones=st.just(dt.UTC))),  # noqa: DTZ001
    "list": (LogicalType("string"), st.lists(st.none() | TEXT | ODD, max_size=2)),
}
COLUMNS = {"id": LogicalType("string"), "no": LogicalType("int64"), "ext": LogicalType("string")} | {
    name: kind for name, (kind, _) in FIELDS.items()
}
"""Of the table that the model reads; lists are JSON text there."""
LISTS = {
    "duckdb": "CAST(from_json(list, '[\"VARCHAR\"]') AS VARCHAR[]) AS list",
    "postgresql": "CASE WHEN list IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(list::json)) END AS list",
    "sqlite": "list",
    "mariadb": "list",
    "redshift": "list",
    "mssql": "list",
    "snowflake": '"list"',
    "bigquery": "list",
    "databricks": "FROM_JSON(list, 'ARRAY<STRING>') AS list",
}
SCHEMAS = dict.fromkeys(("bigquery", "databricks"), "own_schema")
"""Names of schemas of ours where one may not have a blank."""
KEYS = st.tuples(st.sampled_from(["", "a", "a ", "'"]), st.integers(0, 3))
PAYLOAD = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in FIELDS.items()})
MATCHES = st.sampled_from([*"pqrstuvwxyzPQ", " p", "p ", "\u212a", "k"])


@st.composite
def rows(draw):
    """Rows of a model, sound or not: missing and repeated keys, missing and shared match values."""
    made = []
    payloads = draw(st.lists(PAYLOAD, min_size=1, max_size=3))
    for key in draw(st.lists(KEYS, max_size=7)):
        loses = draw(st.integers(0, 14))
        made.append(
            {
                "id": None if loses == 0 else key[0],
                "no": None if loses == 1 else key[1],
                "ext": None if loses == 2 else draw(MATCHES),
                **draw(st.sampled_from(payloads)),
            }
        )
    return made


@st.composite
def generations(draw, *, mapped=False):
    """Models that follow each other: each has rows of the one before as they were; and what becomes of its changes."""
    spec, before, found = draw(specs()), [], []
    for _ in range(draw(st.integers(2, 4))):
        kept = [row for row in before if draw(st.integers(0, 3))]
        before = [*kept, *draw(rows())]
        if mapped:
            spec = draw(specs(draw(st.sets(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=5))))
        found.append((before, draw(CHOICES), draw(st.booleans()), spec))
    return found


def specs(fields=frozenset(FIELDS)):
    """Any policies, and match values that compare with or without case."""
    names = st.frozensets(st.sampled_from(sorted(fields)), max_size=3)
    return st.builds(
        lambda skip, create, fill, fold: DiffSpec(
            ("id", "no"), ("ext",), tuple(sorted(fields)), skip - fill, create - fill, fill, fold
        ),
        names,
        names,
        names,
        st.sampled_from([frozenset(), frozenset({"ext"})]),
    )


DONE = ("acknowledged", None, None)
CHOICES = st.lists(
    st.sampled_from(
        [
            DONE,
            DONE,
            DONE,
            ("acknowledged", KEPT, kept_message(["text"], ["int", "list"])),
            ("rejected", "NO", "no"),
            ("unknown", "LOST", None),
            ("skipped", ANSWER_LOST, None),
            ("skipped", "exists", None),
            ("skipped", "not_found", None),
        ]
    ),
    min_size=1,
    max_size=7,
)
WALKS = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
QUICK, LONG = settings(WALKS, max_examples=3), settings(WALKS, max_examples=2)


def json_text(value):
    """A list as the table has it."""
    return None if value is None else encode(value)


def held(frame, words):
    """The rows with NULL for floats that no column there can hold."""
    odd = pl.col("float").is_nan()
    if "infinite" in words.odd_floats:
        odd |= pl.col("float").is_infinite()
    if "subnormal" in words.odd_floats:
        odd |= pl.col("float").abs().is_between(0, sys.float_info.min, closed="none")
    return frame.with_columns(pl.when(odd).then(None).otherwise("float").alias("float")) if words.odd_floats else frame


class World:
    """A store in a warehouse, and the same snapshot kept by the pure functions alone."""

    def __init__(self, warehouse, root, **options):
        self.warehouse, self.root = warehouse, Path(root)
        self.options = Options(**options)
        self.frame, self.types, self.runs = None, {}, 0
        self.left = 0
        """Rows that were left in the warehouse."""
        with warehouse.desk(write=True) as desk:
            schema = SCHEMAS.get(desk.words.name, "own schema")
            self.store = WarehouseStore(warehouse, schema, work=self.root / "work")
            drop_schema(desk, schema)
            columns = ", ".join(f"{desk.words.quote(name)} {desk.words.column(kind)}" for name, kind in COLUMNS.items())
            desk.run("DROP TABLE IF EXISTS source")
            desk.run(f"CREATE TABLE source ({columns})")

    def fill(self, made):
        """Have the model give these rows."""
        records = [{**row, "list": json_text(row["list"])} for row in made]
        schema = {name: tables.dtype(kind) for name, kind in COLUMNS.items()}
        frame = pl.DataFrame(records, schema=schema, orient="row", strict=False)
        with self.warehouse.desk(write=True) as desk:
            desk.run("DELETE FROM source WHERE 1 = 1")
            desk.load("source", [desk.words.quote(name) for name in COLUMNS], held(frame, desk.words), COLUMNS)

    def projection(self, spec):
        """The sync's view of the table."""
        with self.warehouse.desk(write=False) as desk:
            called = self.warehouse._dialect.quote
            plain = ", ".join(f"{desk.words.quote(name)} AS {called(name)}" for name in COLUMNS if name != "list")
            sql = f"SELECT {plain}, {LISTS[desk.words.name]} FROM source"
        fields = {name: FieldMap(column=name) for name in spec.fields}
        return Projection(sql, ("id", "no"), {"ext": "ext"}, fields)

    def compare(self, spec):
        """Both change sets."""
        self.runs += 1
        folder = self.root / f"run-{self.runs}"
        folder.mkdir()
        snapshot, projection = self.store.open(IDENTITY), self.projection(spec)
        with self.warehouse.desk(write=False) as desk:
            reading = Reading(lambda: self.warehouse.read(projection, batch_rows=3), 3)
            place = (snapshot.table, snapshot.manifest, snapshot.revision)
            found, partial = compare(desk, place, projection, spec, folder, self.options, reading)
            self.left += snapshot.rows - partial.fetch(partial.live_places()).collect().height
        with self.warehouse.read(projection) as batches:
            known = canonical_frame(list(batches), self.types)
        before = None if self.frame is None else SnapshotData(self.frame, self.types)
        exact = difference(CanonicalRows(known.frame, known.types), before, spec, full=self.options.full)
        return snapshot, found, exact

    def step(self, made, spec, choices, *, origin=True, pieces=()):
        """Compare, check that both agree, commit what was chosen on either way, check again."""
        self.fill(made)
        snapshot, found, exact = self.compare(spec)
        changes = found.rows.collect()
        assert changes["seq"].is_unique().all(), changes
        assert comparable(changes) == comparable(exact.frame)
        assert groups(found.invalid) == groups(exact.invalid)
        assert (found.model_rows, found.snapshot_rows, found.unchanged) == (
            exact.model_rows,
            exact.snapshot_rows,
            exact.unchanged,
        )
        assert comparable(found.occupied) == comparable(exact.occupied)
        said = outcomes(changes, choices)
        self.frame = fold(
            self.frame, changes.drop("row", "loc", strict=False), said, types=found.types, old_types=self.types
        )
        pinned = {name for name in self.frame.columns if self.frame[name].null_count() < self.frame.height}
        self.types |= {name: kind for name, kind in found.types.items() if name in pinned}
        delivered = Delivered(found.rows, found.types, said, spec, found.origin if origin else None)
        for rest in pieces:
            parts = max(pieces)
            some = said.filter(pl.col("seq") % parts == rest % parts)
            snapshot = self.store.commit(snapshot, replace(delivered, outcomes=some, origin=None), f"run-{self.runs}")
        if not pieces:
            self.store.commit(snapshot, delivered, f"run-{self.runs}")
        self.check()

    def check(self):
        """What is stored is what was folded."""
        snapshot = self.store.open(IDENTITY)
        stored = snapshot.frame()
        assert snapshot.rows == stored.height == self.frame.height, (stored, self.frame)
        if self.frame.is_empty():
            return
        order = ["k:id", "k:no", "m:ext", *(f"f:{name}" for name in FIELDS), "record_id", "unknown"]
        held = [name for name in order if name in stored.columns]
        absent = [name for name in FIELDS if f"f:{name}" in self.frame.columns and f"f:{name}" not in stored.columns]
        assert all(set(absent) <= set(unknown) for unknown in self.frame["unknown"])
        theirs = stored.select(held).with_columns(pl.col("unknown").list.sort())
        told = pl.col("unknown").list.set_difference(pl.lit(absent, dtype=pl.List(pl.String)))
        ours = self.frame.select(held).with_columns(told.list.sort())
        empty = [name for name in held if ours[name].null_count() == theirs[name].null_count() == ours.height]
        theirs, ours = theirs.drop(empty), ours.drop(empty)
        assert theirs.sort("k:id", "k:no").equals(ours.sort("k:id", "k:no")), (theirs, ours)


@pytest.fixture(params=["at once", "in buckets"])
def size(request, monkeypatch):
    """Both ways to compare what comes out: everything in memory, or bucket by bucket."""
    if request.param == "in buckets":
        monkeypatch.setattr(engine, "MIN_ROWS", 2)
        monkeypatch.setattr(engine, "MAX_BUCKETS", 3)
        monkeypatch.setattr(engine, "MEMORY", 1)
        monkeypatch.setattr(engine, "_PORTION", 2)


def walk(warehouse, steps, pieces=(), **options):
    """Run after run over one snapshot; gives how many rows were left in the warehouse."""
    with tempfile.TemporaryDirectory() as root:
        world = World(warehouse, root, **options)
        for made, choices, origin, spec in steps:
            world.step(made, spec, choices, origin=origin, pieces=pieces)
        return world.left


@pytest.mark.core
@QUICK
@given(steps=generations())
def test_any_generations_agree_with_the_exact_comparison(warehouse, size, steps):
    """Whatever the rows, policies and outcomes: the same changes, the same invalid rows, the same snapshot."""
    walk(warehouse, steps)


@QUICK
@given(steps=generations(mapped=True))
def test_fields_and_policies_may_come_and_go(warehouse, steps):
    """A field that is new to the mapping, or comes back to it, is known of the rows it was sent for, and no other."""
    walk(warehouse, steps)


@QUICK
@given(steps=generations())
def test_outcomes_may_be_taken_in_piece_by_piece(warehouse, steps):
    """Checkpoints, and the recovery of a run that died at one, give the snapshot that one commit would have given."""
    walk(warehouse, steps, (1, 2))


@pytest.mark.slow
@QUICK
@given(steps=generations())
def test_outcomes_may_be_taken_in_twice(quick, steps):
    """A piece that comes again, before or behind others, changes nothing."""
    walk(quick, steps, (2, 1, 3, 1, 2))


def test_it_knows_which_records_its_rows_have(warehouse):
    """Whatever their ids look like; and none where it has no rows."""
    plain = DiffSpec(("id", "no"), ("ext",), ("text",))
    made = [
        {"id": text, "no": no, "ext": f"{text}{no}", **dict.fromkeys(FIELDS)}
        for no in (1, 2)
        for text in ("a", "A", "'")
    ]
    with tempfile.TemporaryDirectory() as root:
        world = World(warehouse, root)
        assert world.store.open(IDENTITY).owned(["Ra1"]) == set()
        world.step(made, plain, [DONE])
        asked = ["Ra1", "ra1", "RA2", "R'1", "R'3", "Ra1 ", ""]
        assert world.store.open(IDENTITY).owned(asked) == {"Ra1", "RA2", "R'1"}


@pytest.mark.slow
@pytest.mark.parametrize("mapped", [False, True])
@LONG
@given(data=st.data())
def test_many_generations_agree_with_the_exact_comparison(quick, size, mapped, data):
    """The same for many more of them."""
    walk(quick, data.draw(generations(mapped=mapped)))


@pytest.mark.slow
@LONG
@given(steps=generations())
def test_sending_all_again_agrees_with_the_exact_comparison(quick, steps):
    """Where every field is taken for unknown, on any snapshot."""
    walk(quick, steps, full=True)
