"""Under which type a column is compared: the pinned one, as long as every value fits it."""

import datetime as dt
import math
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical import convert, dtype
from tailrace.canonical.convert import convert_rows
from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec
from tailrace.diff.pinning import Pinning, pin
from tailrace.diff.probe import Misses
from tailrace.errors import SnapshotError
from tailrace.values import LogicalType

LAWS = settings(max_examples=40, deadline=None)
VALUES = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, 10**18]),
    "float64": st.floats() | st.integers(-3, 3).map(float) | st.sampled_from([0.1, 1.25, 2.0**53, 2.0**60, 1e300]),
    "decimal(0)": st.integers(-(10**37), 10**37).map(Decimal) | st.integers(-3, 3).map(Decimal),
    "decimal(2)": st.decimals(-(10**34), 10**34, places=2) | st.sampled_from([Decimal("1.00"), Decimal("0.10")]),
    "decimal(6)": st.decimals(-(10**30), 10**30, places=6)
    | st.sampled_from([Decimal("1.000000"), Decimal("0.100000")]),
    "string": st.text(max_size=4)
    | st.sampled_from(
        ["1", "01", "1.0", "1.5", "true", "", " 1", "1e3", "NaN", "-0.0", "2026-01-01", "2026-01-01T00:00:00"]
    ),
    "json": st.sampled_from(["[]", '["p"]', "1", '{"x":1}']),
    "binary": st.binary(max_size=2),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes() | st.dates().map(lambda day: dt.datetime(day.year, day.month, day.day)),  # noqa: DTZ001
    "timestamptz": st.datetimes(timezones=st.just(dt.UTC)),
}
KINDS = sorted(VALUES)


def others(kind):
    """Any other type."""
    return st.sampled_from([other for other in KINDS if other != kind])


def series(values, kind):
    """Canonical values of a type."""
    made = pl.Series("f:a", list(values), dtype=dtype(LogicalType.parse(kind)), strict=True)
    return made.fill_nan(float("nan")) + 0.0 if kind == "float64" else made


@pytest.mark.parametrize("source", KINDS)
@LAWS
@given(data=st.data())
def test_rows_convert_as_columns_of_one_value(source, data):
    """Row by row the same as each value by itself: what loses something becomes NULL, and nothing else does."""
    target = LogicalType.parse(data.draw(others(source)))
    values = series(data.draw(st.lists(st.none() | VALUES[source], max_size=4)), source)
    found = convert_rows(values, LogicalType.parse(source), target)
    assert found.dtype == dtype(target)
    for at in range(len(values)):
        alone = convert(values[at : at + 1], LogicalType.parse(source), target)
        assert (alone is None) == (found[at] is None and values[at] is not None)
        assert alone is None or alone.eq_missing(found[at : at + 1]).all()


def test_a_large_number_does_not_spoil_its_neighbours():
    """Of decimals as floats, only the one with too many digits is lost, whichever others are in the same batch."""
    values = series([Decimal(1), Decimal(2**53), None], "decimal(0)")
    assert convert_rows(values, LogicalType("decimal", 0), LogicalType("float64")).to_list() == [1.0, None, None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_without_a_value_takes_any_type(kind, rows):
    """One that never held a value has no type of its own, and is said to be text."""
    values = pl.Series("f:a", [None] * rows, dtype=pl.Null)
    for to in (convert, convert_rows):
        found = to(values, LogicalType("string"), LogicalType.parse(kind))
        assert (found.to_list(), found.name, found.dtype) == ([None] * rows, "f:a", dtype(LogicalType.parse(kind)))


@pytest.mark.parametrize("source", KINDS)
@LAWS
@given(data=st.data())
def test_nothing_is_lost_there_and_back(source, data):
    """A value that converts comes back as it was, so that equal values stay equal and others stay apart."""
    kind, target = LogicalType.parse(source), LogicalType.parse(data.draw(others(source)))
    values = series(data.draw(st.lists(VALUES[source], max_size=4)), source)
    there = convert_rows(values, kind, target)
    back = convert_rows(there, target, kind)
    kept = there.is_not_null()
    assert back.filter(kept).eq_missing(values.filter(kept)).all()


@pytest.mark.parametrize("kind", KINDS)
@LAWS
@given(data=st.data())
def test_a_column_converts_when_all_its_rows_do(kind, data):
    """The whole column, or none of it."""
    target = LogicalType.parse(data.draw(others(kind)))
    values = series(data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=3)), kind)
    whole = convert(values, LogicalType.parse(kind), target)
    rows = convert_rows(values, LogicalType.parse(kind), target)
    assert (whole is not None) == (rows.null_count() == values.null_count())
    assert whole is None or whole.eq_missing(rows).all()


@dataclass
class Snapshot:
    """What must be known of a snapshot."""

    types: dict
    values: dict = field(default_factory=dict)
    """Stored values by column."""
    rows: int = 2
    hashed: bool = False

    @property
    def stored_types(self):
        """Digests are text."""
        text = LogicalType("string")
        return {name: text if self.hashed and name[:2] == "f:" else kind for name, kind in self.types.items()}

    @property
    def columns(self):
        """All pinned columns, and those without a value."""
        return tuple({**self.types, **self.values})

    def converts(self, column, target):
        """Whether every stored value can be had under another type."""
        values = pl.Series(self.values[column], dtype=dtype(self.types[column]))
        return convert_rows(values, self.types[column], target).null_count() == 0


SPEC = DiffSpec(("id",), ("ext",), ("a",))
TYPES = {"k:id": LogicalType("int64"), "m:ext": LogicalType("string"), "f:a": LogicalType("int64")}


def pinned(folder, snapshot, **columns):
    """What is decided for a model of these columns, none of whose rows is known."""
    usual = {"k:id": [1, 2], "m:ext": ["x", "y"], "f:a": [1, 2]}
    arrays = {**usual, **{name.replace("_", ":", 1): values for name, values in columns.items()}}
    rows = ModelRows.from_batches(
        [pa.record_batch({n: v if isinstance(v, pa.Array) else pa.array(v) for n, v in arrays.items()})]
    )
    path = folder / "misses.parquet"
    rows.lazy.select(column.value.alias(name) for name, column in rows.columns.items()).sink_parquet(path)
    return pin(rows, Misses(path, (), 2), snapshot, SPEC)


def said(pinning):
    """Events as (kind, column)."""
    return [(event.kind, event.column) for event in pinning.events]


def test_without_a_snapshot_the_model_decides(tmp_path):
    """The types of the first run are those of the model, and there is nothing to say."""
    found = pinned(tmp_path, Snapshot({}, rows=0), f_a=["p", "q"])
    assert {name: str(kind) for name, kind in found.types.items()} == {
        "k:id": "int64",
        "m:ext": "string",
        "f:a": "string",
    }
    assert (found.retyped, found.lost, found.events) == (frozenset(), frozenset(), ())


FITTING = {
    "the same type": ([1, 2], "int64"),
    "whole decimals": ([Decimal("1.00"), Decimal("2.00")], "int64"),
    "whole floats": ([1.0, 2.0], "int64"),
    "digits": (["1", "2"], "int64"),
    "no value at all": ([None, None], "int64"),
}


@pytest.mark.parametrize("kind", FITTING)
def test_a_pinned_type_stays_while_values_fit(tmp_path, kind):
    """Whatever type a driver says, nothing is retyped, and nothing is said."""
    values, logical = FITTING[kind]
    found = pinned(tmp_path, Snapshot(TYPES), f_a=values)
    assert (str(found.types["f:a"]), found.retyped, found.events) == (logical, frozenset(), ())


def test_a_value_that_does_not_fit_retypes(tmp_path):
    """The column takes the model's type; stored values come along where they can."""
    found = pinned(tmp_path, Snapshot(TYPES, {"f:a": [1, 2]}), f_a=["1", "two"])
    assert (str(found.types["f:a"]), found.retyped, found.lost) == ("string", {"f:a"}, frozenset())
    assert said(found) == [("retyped", "a")]
    assert "not every value fits the old type; cast it back in the model" in found.events[0].message


LOST = {
    "too many digits for a float": ("int64", [1, 2**60 + 1], [0.5, 1.0]),
    "a time without a zone": ("timestamp", [dt.datetime(2026, 1, 1)], pa.array([1, 2], pa.timestamp("us", "UTC"))),  # noqa: DTZ001
    "text that is no list": ("string", ["[]"], [["p"], []]),
}


@pytest.mark.parametrize("kind", LOST)
def test_stored_values_that_do_not_convert_are_lost(tmp_path, kind):
    """One that does not is enough; the event says so."""
    logical, stored, values = LOST[kind]
    found = pinned(tmp_path, Snapshot({**TYPES, "f:a": LogicalType.parse(logical)}, {"f:a": stored}), f_a=values)
    assert (found.retyped, found.lost) == ({"f:a"}, {"f:a"})
    assert "its values cannot be compared with the old ones" in found.events[0].message


def test_a_key_that_is_lost_is_refused(tmp_path):
    """Nothing could be found again; a match field may be lost."""
    with pytest.raises(SnapshotError, match=r"key column cannot be matched[\s\S]*id was int64"):
        pinned(tmp_path, Snapshot(TYPES, {"k:id": [1]}), k_id=[[1], [2]])
    found = pinned(tmp_path, Snapshot(TYPES, {"m:ext": ["x"]}), m_ext=[["x"], ["y"]])
    assert (found.lost, said(found)) == ({"m:ext"}, [("retyped", "ext")])


def test_fields_that_come_and_go_are_told(tmp_path):
    """As long as there are rows that lack the one or keep the other."""
    types = {name: TYPES[name] for name in ("k:id", "m:ext")}
    known = Snapshot({**types, "f:old": LogicalType("int64")})
    assert said(pinned(tmp_path, known)) == [("added", "a"), ("removed", "old")]
    assert said(pinned(tmp_path, Snapshot(known.types, rows=0))) == []


def test_what_had_to_be_cut_off_is_told_once(tmp_path):
    """Nanoseconds cannot be kept: said when the column is new, not in every run."""
    nanos = pa.array([1, 2], pa.timestamp("ns"))
    new = pinned(tmp_path, Snapshot({}, rows=0), f_a=nanos)
    assert said(new) == [("retyped", "a")]
    assert "finer than a microsecond is cut off" in new.events[0].message
    assert said(pinned(tmp_path, Snapshot({**TYPES, "f:a": LogicalType("timestamp")}), f_a=nanos)) == []


def test_digests_are_left_as_they_are(tmp_path):
    """They cannot be converted, and need not be where the type stays."""
    found = pinned(tmp_path, Snapshot(TYPES, hashed=True), f_a=[Decimal("1.00"), None])
    assert (found.fixed, found.retyped) == ({"f:a"}, frozenset())
    stored = pl.LazyFrame({"k:id": [1], "m:ext": ["x"], "f:a": ["0f" * 16]})
    assert found.stored(stored, TYPES).collect().rows() == [(1, "x", "0f" * 16)]


def test_both_sides_come_under_the_types():
    """The model's rows and the stored ones, each from its own type; a field that is lost is unknown."""
    pinning = Pinning(
        {"k:id": LogicalType("string"), "f:a": LogicalType("decimal", 1), "f:b": LogicalType("json")},
        frozenset({"k:id", "f:b"}),
        frozenset({"f:b"}),
        (),
    )
    stored = pl.LazyFrame({"k:id": [1, 2], "f:b": ["p", None], "unknown": [[], ["c"]]})
    old = {"k:id": LogicalType("int64"), "f:a": LogicalType("int64"), "f:b": LogicalType("string")}
    assert pinning.stored(stored, old).collect().to_dict(as_series=False) == {
        "k:id": ["1", "2"],
        "f:b": [None, None],
        "unknown": [["b"], ["c"]],
    }
    model = pl.LazyFrame({"k:id": ["1", "2"], "f:a": [1.5, math.pi], "f:b": ["[]", None]})
    found = {"k:id": LogicalType("string"), "f:a": LogicalType("float64"), "f:b": LogicalType("json")}
    assert pinning.model(model, found).collect()["f:a"].to_list() == [Decimal("1.5"), None]
