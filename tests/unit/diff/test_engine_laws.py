"""The streaming diff says what the exact one says of the whole, and its snapshot is what was acknowledged."""

import datetime as dt
import math
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.unit.diff.told import comparable, groups, outcomes

from tailrace.canonical import CanonicalRows, canonical_frame
from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec, SnapshotData
from tailrace.destination import ANSWER_LOST
from tailrace.diff import engine
from tailrace.diff.core import difference
from tailrace.diff.engine import Options, diff
from tailrace.diff.window import WindowDiff
from tailrace.snapshot.fold import fold
from tailrace.snapshot.kept import KEPT, kept_message
from tailrace.snapshot.store import Delivered, Identity, SnapshotStore

IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("id", "no"), ("ext",))
FIELDS = {
    "bool": (pa.bool_(), st.booleans()),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2)),
    "float": (pa.float64(), st.floats() | st.sampled_from([0.0, -0.0, math.nan])),
    "decimal": (pa.decimal128(38, 3), st.decimals(-(10**30), 10**30, places=3) | st.just(Decimal(0))),
    "text": (pa.string(), st.text(max_size=3) | st.sampled_from(["", " ", "\0", "'\"\\", "ß"])),
    "day": (pa.date32(), st.dates()),
    "zoned": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "list": (pa.list_(pa.string()), st.lists(st.none() | st.text(max_size=2), max_size=2)),
}
SCHEMA = pa.schema(
    [("k:id", pa.string()), ("k:no", pa.int64()), ("m:ext", pa.string())]
    + [(f"f:{name}", arrow) for name, (arrow, _) in FIELDS.items()]
)
KEYS = st.tuples(st.sampled_from(["", "a", "\0'"]), st.integers(0, 3))
PAYLOAD = st.fixed_dictionaries({f"f:{name}": st.none() | values for name, (_, values) in FIELDS.items()})


@st.composite
def rows(draw):
    """Rows of a model, sound or not: missing and repeated keys, missing and shared match values."""
    keys = draw(st.lists(KEYS, max_size=7))
    payloads = draw(st.lists(PAYLOAD, min_size=1, max_size=3))
    made = []
    for key in keys:
        loses = draw(st.integers(0, 14))
        made.append(
            {
                "k:id": None if loses == 0 else key[0],
                "k:no": None if loses == 1 else key[1],
                "m:ext": None if loses == 2 else draw(st.sampled_from("pqrstuvwxyzPQ")),
                **draw(st.sampled_from(payloads)),
            }
        )
    return made


def specs():
    """Any policies, and match values that compare with or without case."""
    names = st.frozensets(st.sampled_from(sorted(FIELDS)), max_size=3)
    return st.builds(
        lambda skip, create, fill, fold: DiffSpec(
            ("id", "no"), ("ext",), tuple(FIELDS), skip - fill, create - fill, fill, fold
        ),
        names,
        names,
        names,
        st.sampled_from([frozenset(), frozenset({"ext"})]),
    )


def mapped(specs):
    """The same, over some of the fields."""
    chosen = st.sets(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=4)
    return st.builds(_over, specs, chosen)


def _over(spec, fields):
    return replace(
        spec,
        fields=tuple(sorted(fields)),
        skip_nulls=spec.skip_nulls & fields,
        create_only=spec.create_only & fields,
        fill_empty=spec.fill_empty & fields,
    )


def batch(made, spec):
    """The rows as a warehouse hands them over: the columns of the mapping, in its order, and no other."""
    whole = pa.RecordBatch.from_pylist(made, SCHEMA)
    return whole.select(["k:id", "k:no", "m:ext", *(f"f:{name}" for name in spec.fields)])


CHOICES = st.lists(
    st.sampled_from(
        [
            ("acknowledged", None, None),
            ("acknowledged", None, None),
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
RUNS = st.lists(st.tuples(rows(), CHOICES, st.booleans()), min_size=2, max_size=4)
"""The model, what becomes of its changes, and whether the commit knows what they were made from."""
OTHERS = st.lists(st.tuples(rows(), CHOICES, st.booleans(), specs()), min_size=2, max_size=4)
"""The same, and under which spec."""
MAPPINGS = st.lists(st.tuples(rows(), CHOICES, st.booleans(), mapped(specs())), min_size=2, max_size=5)
"""The same, and each time of other fields."""
WALKS = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
QUICK, LONG = settings(WALKS, max_examples=8), settings(WALKS, max_examples=20)


class World:
    """A store in a folder of its own, and the same snapshot kept by the pure functions alone."""

    def __init__(self, root, **options):
        self.root = Path(root)
        self.store = SnapshotStore(self.root / "snapshots", work=self.root / "work")
        self.options = Options(**options)
        self.frame = None
        self.types = {}
        self.runs = 0

    def compare(self, made, spec):
        """Both change sets."""
        self.runs += 1
        folder = self.root / f"run-{self.runs}"
        folder.mkdir()
        snapshot = self.store.open(IDENTITY)
        found = diff(ModelRows.from_batches([batch(made, spec)]), snapshot, spec, folder, self.options)
        known = canonical_frame([batch(made, spec)], self.types)
        before = None if self.frame is None else SnapshotData(self.frame, self.types)
        exact = difference(CanonicalRows(known.frame, known.types), before, spec, full=self.options.full)
        return snapshot, found, exact

    def step(self, made, spec, choices, *, origin=True, pieces=()):
        """Compare, check that both agree, commit what was chosen on either way, check again.

        With `pieces` each commit takes the outcomes of some rows in: those whose number leaves that rest.
        """
        snapshot, found, exact = self.compare(made, spec)
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
        self.frame = fold(self.frame, changes.drop("row", "loc"), said, types=found.types, old_types=self.types)
        self.types |= found.types  # what is no longer mapped keeps its type
        delivered = Delivered(found.rows, found.types, said, spec, found.origin if origin else None)
        for rest in pieces:
            some = said.filter(pl.col("seq") % max(pieces, default=1) == rest % max(pieces, default=1))
            snapshot = self.store.commit(snapshot, replace(delivered, outcomes=some, origin=None), f"run-{self.runs}")
        if not pieces:
            self.store.commit(snapshot, delivered, f"run-{self.runs}")
        self.check()

    def check(self):
        """What is stored is what was folded."""
        stored = self.store.open(IDENTITY).frame()
        assert stored.height == self.frame.height, (stored, self.frame)
        if self.frame.is_empty():
            return
        order = ["k:id", "k:no", "m:ext", *(f"f:{name}" for name in FIELDS), "record_id", "unknown"]
        held = [name for name in order if name in stored.columns]
        absent = [name for name in FIELDS if f"f:{name}" in self.frame.columns and f"f:{name}" not in stored.columns]
        assert all(set(absent) <= set(unknown) for unknown in self.frame["unknown"])  # of no row anything is known
        theirs = stored.select(held).with_columns(pl.col("unknown").list.sort())
        told = pl.col("unknown").list.set_difference(pl.lit(absent, dtype=pl.List(pl.String)))
        ours = self.frame.select(held).with_columns(told.list.sort())
        # A column that is not mapped any more, and never held a value, has no type to be kept in.
        empty = [name for name in held if ours[name].null_count() == theirs[name].null_count() == ours.height]
        theirs, ours = theirs.drop(empty), ours.drop(empty)
        assert theirs.sort("k:id", "k:no").equals(ours.sort("k:id", "k:no")), (theirs, ours)


@pytest.fixture(params=["at once", "in buckets"])
def size(request, monkeypatch):
    """Both ways to compare: everything in memory, or bucket by bucket."""
    if request.param == "in buckets":
        monkeypatch.setattr(engine, "MIN_ROWS", 2)
        monkeypatch.setattr(engine, "MAX_BUCKETS", 3)
        monkeypatch.setattr(engine, "MEMORY", 1)
        monkeypatch.setattr(engine, "_PORTION", 2)


def walk(generations, pieces=(), **options):
    """Run after run over one snapshot."""
    with tempfile.TemporaryDirectory() as root:
        world = World(root, **options)
        for made, choices, origin, spec in generations:
            world.step(made, spec, choices, origin=origin, pieces=pieces)


@pytest.mark.parametrize("wide", [False, True])
@QUICK
@given(generations=RUNS, spec=specs())
def test_any_generations_agree_with_the_exact_comparison(size, wide, generations, spec):
    """Whatever the rows, policies and outcomes: the same changes, the same invalid rows, the same snapshot."""
    walk([(*run, spec) for run in generations], wide=wide)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
@LONG
@given(generations=RUNS, spec=specs())
def test_many_generations_agree_with_the_exact_comparison(size, wide, generations, spec):
    """The same for many more of them."""
    walk([(*run, spec) for run in generations], wide=wide)


@pytest.mark.parametrize("pieces", [(1, 2), (1, 1, 2), (2, 1, 3, 1, 2)], ids=str)
@QUICK
@given(generations=RUNS, spec=specs())
def test_outcomes_may_be_taken_in_piece_by_piece_and_twice(pieces, generations, spec):
    """Checkpoints, and the recovery of a run that died at one, give the snapshot that one commit would have given."""
    walk([(*run, spec) for run in generations], pieces)


@QUICK
@given(generations=OTHERS)
def test_policies_may_change_between_runs(size, generations):
    """A policy that changes changes what is compared, and nothing is taken for known that is not."""
    walk(generations)


@QUICK
@given(generations=MAPPINGS)
def test_fields_may_come_and_go_between_runs(size, generations):
    """A field that is new to the mapping, or comes back to it, is known of the rows it was sent for, and no other."""
    walk(generations)


def test_a_change_that_is_taken_back_leaves_its_number_free(size):
    """A row without a key may be any that is missing: its delete is left out, and no other row has its number twice."""
    values = dict.fromkeys(FIELDS)
    rows_ = [{"k:id": "a", "k:no": n, "m:ext": f"x{n}", **values, "f:int": n} for n in range(24)]
    spec = DiffSpec(("id", "no"), ("ext",), ("int",))
    done = [("acknowledged", None, None)]
    for n in range(24):
        lost = {**rows_[n], "k:no": None}
        walk([(rows_, done, True, spec), ([lost], [*done, ("unknown", "LOST", None)], True, spec)])


@pytest.mark.slow
@LONG
@given(generations=MAPPINGS)
def test_fields_may_come_and_go_between_many_runs(size, generations):
    """The same for many more of them."""
    walk(generations)


@pytest.mark.slow
@LONG
@given(generations=OTHERS)
def test_policies_may_change_between_many_runs(size, generations):
    """The same for many more of them."""
    walk(generations)


@pytest.mark.slow
@LONG
@given(generations=RUNS, spec=specs())
def test_sending_all_again_agrees_with_the_exact_comparison(size, generations, spec):
    """Where every field is taken for unknown, on any snapshot."""
    walk([(*run, spec) for run in generations], full=True)


def looked_through(world, made, spec):
    """Compare a part of the model by itself, and exactly: with what the snapshot has of all other keys beside it."""
    folder = world.root / "window"
    folder.mkdir()
    snapshot = world.store.open(IDENTITY)
    found = WindowDiff(ModelRows.from_batches([batch(made, spec)]), snapshot, spec, folder, world.options).run()
    read = canonical_frame([batch(made, spec)], world.types)
    keys = ["k:id", "k:no"]
    known = world.frame.with_row_index("loc").with_columns(pl.col("loc").cast(pl.UInt64))
    beside = known.join(read.frame.drop_nulls(keys), on=keys, how="anti")
    rows_ = read.frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    kept = beside.select(name for name in read.frame.columns if name in beside.columns)
    exact = difference(
        CanonicalRows(pl.concat([rows_, kept], how="diagonal_relaxed"), read.types),
        SnapshotData(known, world.types),
        spec,
    )
    own = exact.frame.filter(pl.col("op") != "delete").join(beside.select(keys), on=keys, how="anti")
    return found, exact, own


def looks_through(generations, part, spec, **options):
    """Some runs over all rows, then a part of the model."""
    with tempfile.TemporaryDirectory() as root:
        world = World(root, **options)
        for made, choices, origin in generations[:-1]:
            world.step(made, spec, choices, origin=origin)
        found, exact, own = looked_through(world, part, spec)
        assert found.partial
        assert comparable(found.rows.collect()) == comparable(own)
        assert found.counts == {
            "delete": 0,
            **{op: own.filter(pl.col("op") == op).height for op in ("insert", "update")},
        }
        assert groups(found.invalid) == groups(exact.invalid)
        assert comparable(found.occupied) == comparable(exact.occupied)
        assert found.model_rows == len(part)
        assert found.unchanged == (exact.same["row"].count() if "row" in exact.same.columns else 0)


@pytest.mark.parametrize("wide", [False, True])
@QUICK
@given(generations=RUNS, part=rows(), spec=specs())
def test_a_part_of_the_model_is_compared_as_if_all_else_were_as_it_is_known(size, wide, generations, part, spec):
    """Nothing that was not read is changed, gone or counted, but its key and match value are its own."""
    looks_through(generations, part, spec, wide=wide)


@pytest.mark.slow
@LONG
@given(generations=RUNS, part=rows(), spec=specs())
def test_many_parts_of_the_model_are_compared_so(size, generations, part, spec):
    """The same for many more of them."""
    looks_through(generations, part, spec)
