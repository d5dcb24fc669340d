"""Fingerprints and digests: apart exactly when values are, and the same from one day to the next."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical import dtype
from tailrace.canonical.plain import carried_of, form_of
from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec
from tailrace.diff.digests import Digests
from tailrace.diff.fingerprint import Part, Recipe, digest, golden
from tailrace.values import LogicalType

INT, TEXT = LogicalType("int64"), LogicalType("string")
LAWS = settings(max_examples=60, deadline=None)


def names(values, kind, part=None, **options):
    """The names of rows of one column, as they would be made of what is stored."""
    part = part or Part("f:a")
    recipe = Recipe((part,), **options)
    frame = pl.DataFrame({part.column: values}, schema={part.column: dtype(kind)})
    return frame.select(recipe.stored({part.column: kind}))["name"].to_list()


APART = {
    "texts": ([None, "", "[]", "0", "null", " ", "\0", "a", "A", "ß", "ss"], TEXT),
    "numbers": ([None, 0, 1, -1, 2**63 - 1, -(2**63)], INT),
    "floats": ([None, 0.0, 1.0, float("nan"), float("inf"), -float("inf"), 5e-324], LogicalType("float64")),
    "bools": ([None, False, True], LogicalType("bool")),
    "decimals": ([None, Decimal(0), Decimal("0.01"), Decimal("-0.01"), Decimal(10**30)], LogicalType("decimal", 2)),
    "bytes": ([None, b"", b"\0", b"\0\0"], LogicalType("binary")),
    "days": ([None, dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31)], LogicalType("date")),
    "times": ([None, dt.time(0), dt.time(0, 0, 0, 1)], LogicalType("time")),
    "moments": ([None, 0, 1, -1], LogicalType("timestamp")),
    "zoned moments": ([None, 0, 1, -1], LogicalType("timestamptz")),
    "lists as texts": ([None, "[]", "[null]", '[""]'], LogicalType("json")),
}


@pytest.mark.parametrize("kind", APART)
def test_values_of_one_type_are_told_apart(kind):
    """NULL, empty, and zero are three values."""
    values, logical = APART[kind]
    found = names(values, logical)
    assert len(set(found)) == len(values)
    assert names(values, logical) == found


LISTS = {
    "list:string": (TEXT, ["[]", "[null]", '[""]', '["a"]', '["a",null]', '["[]"]', '["a","b"]', '["b","a"]']),
    "list:int64": (INT, ["[]", "[null]", "[0]", "[1]", "[1,null]", "[12]", "[1,2]"]),
    "list:bool": (LogicalType("bool"), ["[]", "[null]", "[false]", "[true]", "[true,null]"]),
}


@pytest.mark.parametrize("carrier", LISTS)
def test_lists_are_told_apart(carrier):
    """An empty list, a list of nothing, one of something empty, and no list at all."""
    values = [None, *LISTS[carrier][1]]
    assert len(set(names(values, LogicalType("json"), Part("f:a", "", carrier)))) == len(values)


TEXTS = st.none() | st.text(max_size=4) | st.sampled_from(['"', "\\", "\n", "\0", "\x7f", "\ud7ff", "[]", "null", "😀"])
ELEMENTS = {
    "list:string": TEXTS,
    "list:int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "list:bool": st.none() | st.booleans(),
}
PHYSICAL = {"list:string": pl.String, "list:int64": pl.Int64, "list:bool": pl.Boolean}


@pytest.mark.parametrize("carrier", LISTS)
@LAWS
@given(data=st.data())
def test_a_list_and_its_text_are_the_same(carrier, data):
    """What is hashed as the rows stream by is what is hashed of the text that is stored."""
    values = data.draw(st.lists(st.none() | st.lists(ELEMENTS[carrier], max_size=3), max_size=5))
    frame = pl.DataFrame({"f:a": values}, schema={"f:a": pl.List(PHYSICAL[carrier])})
    form = form_of(frame.schema["f:a"])
    assert form.carrier == carrier
    part = Part("f:a", "", carrier)
    streamed = frame.select(Recipe((part,)).names({"f:a": form.carried(pl.col("f:a"))}))["name"]
    texts = frame.select(form.value(pl.col("f:a")).alias("f:a"))["f:a"]
    assert streamed.to_list() == names(texts, LogicalType("json"), part)
    assert texts.to_frame().select(carried_of(carrier, pl.col("f:a")))["f:a"].to_list() == values


SEEDS = [
    Part("f:a"),
    Part("f:b"),
    Part("k:a"),
    Part("m:a"),
    Part("f:a", "skip"),
    Part("f:a", "empty"),
    Part("f:a", "", "list:string"),
    Part("f:a", "skip", "list:string"),
    Part("f:askip"),
]


def test_every_part_has_a_seed_of_its_own():
    """Column, role, policy, carrier, lane and secret all count."""
    seeds = {part.seed(secret, lane) for part in SEEDS for secret in (b"", b"s", b"t") for lane in ("", "second")}
    assert len(seeds) == len(SEEDS) * 6
    assert all(0 <= seed < 2**64 for seed in seeds)


SEED, SECRET_SEED = 11_692_356_169_804_522_582, 12_676_137_311_218_696_997


def test_seeds_are_what_they_were():
    """A golden value: names that are stored depend on it."""
    assert Part("f:a", "skip", "list:string").seed() == SEED
    assert Part("f:a").seed(b"secret", "second") == SECRET_SEED


def test_what_a_recipe_takes_in():
    """Keys, match values and fields that are compared, each with what makes it compare otherwise."""
    spec = DiffSpec(
        ("id",),
        ("ext", "no"),
        ("a", "b", "c", "d"),
        skip_nulls=frozenset({"a", "d"}),
        create_only=frozenset({"b"}),
        fill_empty=frozenset({"d"}),
        fold_match=frozenset({"ext"}),
    )
    recipe = Recipe.of(spec, {"f:c": "list:string", "f:b": "list:string"}, secret=b"s", wide=True)
    assert recipe.parts == (
        Part("k:id"),
        Part("m:ext", "fold"),
        Part("m:no"),
        Part("f:a", "skip"),
        Part("f:c", "", "list:string"),
        Part("f:d", "empty"),
    )
    assert (recipe.secret, recipe.wide) == (b"s", True)


def test_wide_names_have_two_different_halves():
    """The second half is not the first one again."""
    recipe = Recipe((Part("f:a"),), wide=True)
    frame = pl.DataFrame({"f:a": range(50)}).select(recipe.stored({"f:a": INT}))
    assert frame.columns == ["name", "name2"]
    assert len({*frame["name"].to_list(), *frame["name2"].to_list()}) == 100


def test_values_in_other_columns_make_other_names():
    """The same values swapped between two columns are another row."""
    recipe = Recipe((Part("f:a"), Part("f:b")))
    frame = pl.DataFrame({"f:a": ["p", "q", "p"], "f:b": ["q", "p", "p"]})
    found = frame.select(recipe.stored({"f:a": TEXT, "f:b": TEXT}))["name"]
    assert found.n_unique() == 3


def test_names_are_sums_of_columns():
    """A column can be taken in or out without a look at the others: sums wrap."""
    frame = pl.DataFrame({"f:a": range(100), "f:b": range(100, 200)})
    types = {"f:a": INT, "f:b": INT}
    one, other, both = (
        frame.select(Recipe(parts).stored(types))["name"]
        for parts in ((Part("f:a"),), (Part("f:b"),), (Part("f:a"), Part("f:b")))
    )
    assert both.to_list() == [(a + b) % 2**64 for a, b in zip(one, other, strict=True)]
    assert any(a + b >= 2**64 for a, b in zip(one, other, strict=True))


@LAWS
@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from(["", "a", "0"])), max_size=8))
def test_a_digest_is_of_whole_values(rows):
    """It is the same exactly for equal values, whatever the columns are called, and null where a part is missing."""
    frame = pl.DataFrame(rows, schema={"x": pl.Int64, "y": pl.String}, orient="row")
    found = frame.select(digest([pl.col("x"), pl.col("y")]).alias("d"))["d"].to_list()
    renamed = frame.rename({"x": "p", "y": "q"}).select(digest([pl.col("p"), pl.col("q")]).alias("d"))["d"].to_list()
    assert found == renamed
    assert [value is None for value in found] == [None in row for row in rows]
    whole = {row: value for row, value in zip(rows, found, strict=True) if None not in row}
    assert len(set(whole.values())) == len(whole)


def test_a_digest_of_nothing_is_null():
    """Without a match field no row has a match value."""
    assert pl.DataFrame({"x": [1]}).select(digest([]).alias("d"))["d"].to_list() == [None]


def test_parts_of_a_digest_do_not_change_places():
    """The order of values counts."""
    frame = pl.DataFrame({"x": [1], "y": [2]})
    one, other = (frame.select(digest([pl.col(a), pl.col(b)]).alias("d"))["d"][0] for a, b in ("xy", "yx"))
    assert one != other


def test_the_sample_notices_a_changed_hash(monkeypatch):
    """Another hash function gives another sample, and the same one the same sample."""
    golden.cache_clear()
    before = golden()
    golden.cache_clear()
    assert golden() == before
    real = pl.Expr.hash
    monkeypatch.setattr(pl.Expr, "hash", lambda expr, seed: real(expr, seed ^ 1))
    golden.cache_clear()
    assert golden() != before
    golden.cache_clear()


KINDS = {
    "bool": [True, False],
    "int64": [0, 1],
    "float64": [0.5, 1.0],
    "decimal(2)": [Decimal("0.50"), Decimal(1)],
    "string": ["", "ß"],
    "json": ["[]", '["ß"]'],
    "binary": [b"", b"\0"],
    "date": [dt.date(1969, 12, 31), dt.date(2026, 11, 22)],
    "time": [dt.time(0), dt.time(6, 30)],
    "timestamp": [dt.datetime(1969, 12, 31), dt.datetime(2026, 11, 22, 6, 30)],  # noqa: DTZ001 - naive by meaning
    "timestamptz": [dt.datetime(1969, 12, 31, tzinfo=dt.UTC), dt.datetime(2026, 11, 22, tzinfo=dt.UTC)],
}
DIGESTS = {
    "bool": ["87714321cd98d8bc02e702215979f8a9", "14067948223098850411e1fd61c80274"],
    "int64": ["89ee3790b478dfee3c6c4026599f6f8a", "0429846223a3bd7f23ab0552bece81bc"],
    "float64": ["7e5cb68bb29a492171084459650030cf", "f6b6f5c414336e878b4122d652a01caa"],
    "decimal(2)": ["1faafd2d0938ec807547e506e687028f", "7912d267a10ef7f642ccc21c05e08c48"],
    "string": ["033e594052257f80f90b9ea59e8fe364", "b5072272b9b8b9569570d48a56b944f1"],
    "json": ["74585929137851c6428282df1ef4c42d", "571c21e64e52fb96882c4e97c0cc49c1"],
    "binary": ["4014ec760c014b3f3874a12291bd0866", "d0a9624dfc4468cd3dadee61017baf8f"],
    "date": ["a52ea229c37dd61b45dbde7364916d0a", "02f57c0f6dc1e3fc239120ce6b168bd0"],
    "time": ["151fa8b2be5dbf5ccd88bc945186fc35", "e66906efa5997539eb05fb4ae771c1a9"],
    "timestamp": ["821d7f32ceae73be88e70418faeccaca", "c4a50e16cfd9d5e8494116716a439dfb"],
    "timestamptz": ["17fa847eee24478b977e3423b15bfa5e", "cf9a80513dca546bb935f010df842186"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_digests_of_values_are_what_they_were(kind):
    """Golden values: a snapshot of digests is worth nothing once they come out otherwise."""
    logical = LogicalType.parse(kind)
    values = pl.Series([*KINDS[kind], None], dtype=dtype(logical))
    found = Digests(b"key").series(values, logical, "f:a").to_list()
    assert found == [*DIGESTS[kind], None]
    assert Digests(b"other").series(values, logical, "f:a")[0] != found[0]
    assert Digests(b"key").series(values, logical, "f:b")[0] != found[0]


@pytest.mark.parametrize(
    ("arrow", "value"),
    [
        (pa.float64(), [0.0, -0.0]),
        (pa.float64(), [float("nan"), -float("nan")]),
        (pa.float32(), [0.5, 0.5]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "a"]),
        (pa.decimal128(10, 1), [Decimal("1.0"), Decimal(1)]),
    ],
    ids=str,
)
def test_equal_values_have_equal_names(arrow, value):
    """Zero has no sign, there is one NaN, and a category is its text."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": pa.array(value, arrow)})])
    recipe = Recipe((Part("f:a"),))
    frame = rows.lazy.select(recipe.names({"f:a": rows.columns["f:a"].carried})).collect()
    assert frame["name"].n_unique() == 1
