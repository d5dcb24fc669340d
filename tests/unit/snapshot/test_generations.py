"""A sync over its runs: what is sent is what differs from what was acknowledged, field by field."""

import datetime as dt
import itertools
import tempfile
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tailrace.changes import DiffSpec
from tailrace.errors import SnapshotError

WALKS = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
FIELDS = ("a", "b")
ROW = st.fixed_dictionaries({"a": st.none() | st.integers(0, 2), "b": st.none() | st.sampled_from(["", "p", "q"])})
MODEL = st.dictionaries(st.integers(0, 5), ROW)


def columns(model):
    """A model of rows by key as columns."""
    rows = list(model.values())
    return {
        "k_id": pa.array(model, pa.int64()),
        "m_ext": pa.array([f"x{key}" for key in model], pa.string()),
        "f_a": pa.array([row["a"] for row in rows], pa.int64()),
        "f_b": pa.array([row["b"] for row in rows], pa.string()),
    }


def wanted(held, model):
    """What a comparison must say, from dicts alone: a field that was never acknowledged is not held."""
    nothing = object()
    new = {
        key: {name for name in FIELDS if held.get(key, {}).get(name, nothing) != row[name]}
        for key, row in model.items()
    }
    return {
        **{key: ("update" if key in held else "insert", fields) for key, fields in new.items() if fields},
        **{key: ("delete", set()) for key in held.keys() - model.keys()},
    }


@WALKS
@given(runs=st.lists(st.tuples(MODEL, st.sets(st.integers(0, 5), max_size=3), st.booleans()), min_size=2, max_size=5))
def test_only_what_was_acknowledged_counts(make_sync, runs):
    """Over runs with refusals, committed on either way, the changes are what an oracle over dicts says."""
    with tempfile.TemporaryDirectory() as root:
        sync = make_sync(Path(root))
        for model, refused, origin in [*runs, (runs[-1][0], set(), True)]:
            expected = wanted(sync.held, model)
            run = sync.run(**columns(model), refused=refused, origin=origin)
            assert run.said == expected
            assert run.found.counts == {op: sum(op == said for said, _ in expected.values()) for op in run.found.counts}
            sync.check()
        assert {key: {name: row[name] for name in FIELDS} for key, row in sync.held.items()} == runs[-1][0]


MOMENTS = [dt.datetime(2026, 11, 22, 6, 30, 0, 250_000), None, dt.datetime(1969, 12, 31)]  # noqa: DTZ001 - naive by meaning
MONEY = [Decimal("1.50"), None, Decimal("-12345678.90")]
WIDTHS = {
    "int32 to int64": (pa.int32(), pa.int64(), [1, None, -(2**31)]),
    "uint8 to int16": (pa.uint8(), pa.int16(), [1, None, 255]),
    "int64 to numeric": (pa.int64(), pa.decimal128(19, 0), [1, None, -(10**17)]),
    "numeric to int64": (pa.decimal128(10, 0), pa.int64(), [1, None, -5]),
    "float to double": (pa.float32(), pa.float64(), [0.5, None, -0.0]),
    "10 digits to 38": (pa.decimal128(10, 2), pa.decimal128(38, 2), MONEY),
    "2 digits of scale to 6": (pa.decimal128(10, 2), pa.decimal128(38, 6), MONEY),
    "128 bits to 256": (pa.decimal128(10, 2), pa.decimal256(60, 2), MONEY),
    "milliseconds to microseconds": (pa.timestamp("ms"), pa.timestamp("us"), MOMENTS),
    "milliseconds to nanoseconds": (pa.timestamp("ms"), pa.timestamp("ns"), MOMENTS),
    "zones": (pa.timestamp("ms", "UTC"), pa.timestamp("us", "Europe/Berlin"), MOMENTS),
    "days": (pa.date32(), pa.date64(), [dt.date(2026, 11, 22), None, dt.date(1, 1, 1)]),
    "times": (pa.time32("ms"), pa.time64("us"), [dt.time(6, 30), None, dt.time(0)]),
    "text to categories": (pa.string(), pa.dictionary(pa.int32(), pa.string()), ["p", None, ""]),
    "text to large text": (pa.string(), pa.large_string(), ["p", None, "ß"]),
    "text to views": (pa.string(), pa.string_view(), ["p", None, "x" * 50]),
    "bytes": (pa.binary(), pa.large_binary(), [b"p", None, b""]),
    "fixed bytes": (pa.binary(2), pa.binary(), [b"pq", None, b"\0\0"]),
    "lists of ints": (pa.list_(pa.int32()), pa.list_(pa.int64()), [[1, None], None, []]),
    "large lists": (pa.list_(pa.string()), pa.large_list(pa.string()), [["p", None], None, []]),
    "bools and digits": (pa.bool_(), pa.int64(), [True, None, False]),
}


@pytest.mark.parametrize("turned", [False, True], ids=["there", "back"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_column_in_other_clothes_is_the_same(sync, width, turned):
    """A driver's change of width, unit or encoding changes nothing: no row is sent, and nothing is said."""
    *kinds, values = WIDTHS[width]
    before, after = reversed(kinds) if turned else kinds
    texts = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_b": [None, "q", "r"]}
    first = sync.run(**texts, f_a=pa.array(values, kinds[0]).cast(before, safe=False))
    types = sync.open().types
    for arrow in (after, before, after):
        run = sync.run(**texts, f_a=pa.array(values, kinds[0]).cast(arrow, safe=False))
        assert (run.said, run.events, run.found.unchanged, run.misses) == ({}, [], 3, 0), arrow
    assert sync.open().types == types
    assert first.events == []
    assert len(sync.open().readers) == 1


def test_a_value_that_does_not_fit_the_old_type_is_told(sync):
    """A column leaves its type: an event says what to do, and only rows that really differ are sent."""
    texts = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_b": ["p", "q", "r"]}
    sync.run(**texts, f_a=[1, 2, 3])
    run = sync.run(**texts, f_a=["1", "two", "3"])
    assert run.said == {2: ("update", {"a"})}
    assert run.events == [("retyped", "a")]
    message = run.found.events[0].message
    assert "a was int64 and is now string: not every value fits the old type" in message
    assert "cast it back in the model" in message
    assert sync.open().frame()["f:a"].to_list() == ["1", "two", "3"]
    assert str(sync.open().types["f:a"]) == "string"
    again = sync.run(**texts, f_a=["1", "two", "3"])
    assert (again.said, again.events) == ({}, [])
    back = sync.run(**texts, f_a=[1, 2, 3])
    assert (back.said, back.events) == ({2: ("update", {"a"})}, [])


def test_a_refused_row_under_a_new_type_is_still_what_it_was(sync):
    """The column leaves its type even for rows whose change was refused; these come up again, and no others."""
    texts = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_b": ["p", "q", "r"]}
    sync.run(**texts, f_a=[1, 2, 3])
    sync.run(**texts, f_a=[1.5, 2.0, 3.5], refused={1})
    assert sync.open().frame()["f:a"].to_list() == [1.0, 2.0, 3.5]
    run = sync.run(**texts, f_a=[1.5, 2.0, 3.5])
    assert (run.said, run.events) == ({1: ("update", {"a"})}, [])


def test_values_that_cannot_be_compared_are_sent_once(sync):
    """Naive and zoned times have nothing in common: the field is sent for all rows, and after that for none."""
    texts = {"k_id": [1, 2], "m_ext": ["x", "y"], "f_b": ["p", "q"]}
    sync.run(**texts, f_a=pa.array(MOMENTS[::2], pa.timestamp("us")))
    run = sync.run(**texts, f_a=pa.array(MOMENTS[::2], pa.timestamp("us", "UTC")))
    assert run.said == {1: ("update", {"a"}), 2: ("update", {"a"})}
    assert run.events == [("retyped", "a")]
    assert "its values cannot be compared with the old ones" in run.found.events[0].message
    assert sync.run(**texts, f_a=pa.array(MOMENTS[::2], pa.timestamp("us", "UTC"))).said == {}


@pytest.mark.parametrize("origin", [True, False])
def test_only_values_that_cannot_be_compared_are_given_up(sync, origin):
    """Where some values go under the new type and others do not, rows with the former are neither sent nor lost."""
    texts = {"k_id": [1, 2, 3, 4], "m_ext": ["w", "x", "y", "z"], "f_b": ["p", "q", "r", "s"]}
    sync.run(**texts, f_a=[1.5, 1e300, None, 0.25])
    exact = pa.array([Decimal("1.50"), Decimal(7), None, Decimal("12345678901234567890.12")], pa.decimal128(38, 2))
    run = sync.run(**texts, f_a=exact, refused={2}, origin=origin)
    assert run.said == {2: ("update", {"a"}), 4: ("update", {"a"})}
    assert run.events == [("retyped", "a")]
    assert sync.open().frame()["unknown"].to_list() == [[], ["a"], [], []]
    assert sync.run(**texts, f_a=exact).said == {2: ("update", {"a"})}
    again = sync.run(**texts, f_a=exact)
    assert (again.said, again.misses) == ({}, 0)


def test_values_that_cannot_be_compared_stay_unknown_until_sent(sync):
    """A row that was refused meanwhile is sent again, with that field alone."""
    texts = {"k_id": [1, 2], "m_ext": ["x", "y"], "f_b": ["p", "q"]}
    sync.run(**texts, f_a=["[1]", "[2]"])
    sync.run(**texts, f_a=[[1], [2]], refused={2})
    assert sync.open().frame()["unknown"].to_list() == [[], ["a"]]
    assert sync.run(**texts, f_a=[[1], [2]]).said == {2: ("update", {"a"})}
    assert sync.run(**texts, f_a=[[1], [2]]).said == {}


def test_a_key_that_cannot_be_compared_is_refused(sync):
    """Without a key there is nothing to compare by: an error says what to do, and nothing is written."""
    rows = {"m_ext": ["x", "y"], "f_a": [1, 2], "f_b": ["p", "q"]}
    sync.run(k_id=pa.array(MOMENTS[::2], pa.timestamp("us")), **rows)
    with pytest.raises(SnapshotError, match=r"key column cannot be matched[\s\S]*tailrace adopt"):
        sync.compare(k_id=pa.array(MOMENTS[::2], pa.timestamp("us", "UTC")), **rows)


@pytest.mark.parametrize("origin", [True, False])
def test_a_key_may_leave_its_type(sync, origin):
    """Numbers that become texts are the same keys, for updates, deletes and rows that stay."""
    sync.run(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[1, 2, 3], f_b=["p", "q", "r"])
    sync.held = {str(key): row for key, row in sync.held.items()}
    model = {"k_id": ["1", "2", "4a"], "m_ext": ["x", "y", "w"], "f_a": [1, 5, 4], "f_b": ["p", "q", "s"]}
    run = sync.run(**model, origin=origin)
    assert run.said == {"2": ("update", {"a"}), "4a": ("insert", {"a", "b"}), "3": ("delete", set())}
    assert run.events == [("retyped", "id")]
    sync.check()
    again = sync.run(**model)
    assert (again.said, again.misses) == ({}, 0)


@pytest.mark.parametrize("origin", [True, False])
def test_a_match_field_may_leave_its_type(sync, origin):
    """Numbers that become texts still name the same records."""
    sync.run(k_id=[1, 2, 3], m_ext=[10, 20, 30], f_a=[1, 2, 3], f_b=["p", "q", "r"])
    model = {"k_id": [1, 2, 4], "m_ext": ["10", "20", "40a"], "f_a": [1, 5, 4], "f_b": ["p", "q", "s"]}
    run = sync.run(**model, origin=origin)
    assert run.said == {2: ("update", {"a"}), 4: ("insert", {"a", "b"}), 3: ("delete", set())}
    assert run.events == [("retyped", "ext")]
    assert sync.known() == {**sync.held, 1: {**sync.held[1], "match": ["10"]}}
    again = sync.run(**model)
    assert (again.said, again.misses) == ({}, 0)


@pytest.mark.parametrize("origin", [True, False])
def test_a_match_field_may_leave_its_type_for_another_kind(sync, origin):
    """Where the old values cannot be compared, every record goes by another value now."""
    times = [dt.datetime(2026, 1, day) for day in (1, 2, 3)]  # noqa: DTZ001 - naive by meaning
    rows = {"k_id": [1, 2, 3], "f_a": [1, 2, 3], "f_b": ["p", "q", "r"]}
    sync.run(**rows, m_ext=pa.array(times, pa.timestamp("us")))
    zoned = pa.array(times, pa.timestamp("us", "UTC"))
    run = sync.run(**rows, m_ext=zoned, origin=origin, refused={3})
    assert run.said == dict.fromkeys((1, 2, 3), ("update", set()))
    assert sync.run(**rows, m_ext=zoned).said == {3: ("update", set())}
    assert sync.run(**rows, m_ext=zoned).said == {}


ROWS = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_a": [1, 2, None]}
BOTH = {**ROWS, "f_b": ["p", None, "r"]}


def only(sync, *fields):
    """The sync with other fields."""
    sync.spec = replace(sync.spec, fields=fields)
    return sync


def test_a_field_that_is_new_is_sent_for_every_row(sync):
    """Nothing is known of it, not even where the model has NULL; other fields are left alone."""
    only(sync, "a").run(**ROWS)
    run = only(sync, "a", "b").run(**BOTH, refused={3})
    assert run.said == {1: ("update", {"b"}), 2: ("update", {"b"}), 3: ("update", {"b"})}
    assert run.events == [("added", "b")]
    sync.check()
    again = sync.run(**BOTH)
    assert (again.said, again.misses) == ({3: ("update", {"b"})}, 1)
    assert sync.run(**BOTH).said == {}


def test_a_field_that_is_gone_is_kept(sync):
    """It is not sent any more; mapped again, only what differs from the last acknowledged value is sent."""
    sync.run(**BOTH)
    run = only(sync, "a").run(**{**ROWS, "f_a": [1, 5, None]})
    assert (run.said, run.events) == ({2: ("update", {"a"})}, [("removed", "b")])
    assert sync.open().frame()["f:b"].to_list() == ["p", None, "r"]
    sync.run(k_id=[1, 2, 3, 4], m_ext=["x", "y", "z", "w"], f_a=[1, 5, None, 4])
    back = only(sync, "a", "b").run(
        k_id=[1, 2, 3, 4], m_ext=["x", "y", "z", "w"], f_a=[1, 5, None, 4], f_b=["p", "q", "r", None]
    )
    assert (back.said, back.events) == ({2: ("update", {"b"}), 4: ("update", {"b"})}, [])
    sync.check()


@pytest.mark.parametrize("origin", [True, False])
def test_a_field_that_never_had_a_value_comes_back_as_anything(sync, make_answers, origin):
    """Rows were written meanwhile that hold nothing of it, and do not tell which type that nothing is of."""
    seen = only(sync, "a", "b").compare(**{**BOTH, "f_b": [1.5, None, 2.5]})
    there = make_answers(seen.changes).with_columns(status=pl.lit("skipped"), code=pl.lit("exists"))
    sync.store.commit(sync.open(), sync.delivered(seen, there), "run")
    more = {"k_id": [1, 2, 3, 4], "m_ext": ["x", "y", "z", "w"], "f_a": [1, 2, None, 4]}
    only(sync, "a")
    for amount in (4, 5):
        more["f_a"] = [1, 2, None, amount]
        run = sync.compare(**more)
        (fourth,) = run.changes.filter(pl.col("k:id") == 4)["seq"]
        said = make_answers(run.changes).filter(pl.col("seq") == fourth)
        sync.store.commit(sync.open(), sync.delivered(run, said, origin=origin), "run")
    back = only(sync, "a", "b").compare(**more, f_b=[1.5, None, 2.5, None])
    assert back.said == {**dict.fromkeys((1, 2, 3), ("update", {"a", "b"})), 4: ("update", {"b"})}


def test_all_fields_may_go_and_come(sync):
    """A sync of keys alone still inserts and deletes."""
    sync.run(**BOTH)
    bare = {"k_id": [2, 3, 4], "m_ext": ["y", "z", "w"]}
    assert only(sync).run(**bare).said == {4: ("insert", set()), 1: ("delete", set())}
    back = only(sync, "a", "b").run(**bare, f_a=[2, None, 4], f_b=[None, "r", "s"])
    assert back.said == {4: ("update", {"a", "b"})}


POLICIES = {
    "always": {},
    "skip": {"skip_nulls": frozenset({"b"})},
    "create": {"create_only": frozenset({"b"})},
    "empty": {"fill_empty": frozenset({"b"})},
}
HELD = {1: "p", 2: None, 3: "r", 4: None}
NOW = {1: "p", 2: "q", 3: None, 4: None}


def policed(sync, policy):
    """The sync with that policy for the field b."""
    none = dict.fromkeys(("skip_nulls", "create_only", "fill_empty"), frozenset())
    sync.spec = replace(sync.spec, **{**none, **POLICIES[policy]})
    return sync


def of_b(values):
    """A model whose rows differ in b alone."""
    return {
        "k_id": list(values),
        "m_ext": [f"x{key}" for key in values],
        "f_a": list(values),
        "f_b": pa.array(values.values(), pa.string()),
    }


def due(policy, sent, held, new):
    """Whether b is to be written: whether it was ever acknowledged, the value then, and the model's."""
    if policy == "create" or (policy in {"skip", "empty"} and new is None):
        return False
    return held is None if policy == "empty" else not sent or held != new


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(POLICIES, 2)))
def test_a_policy_that_changes_changes_that_field_only(sync, before, after):
    """What was written under one policy is compared under the other: nothing is taken for sent that was not."""
    policed(sync, before).run(**of_b(HELD))
    sent = {key: before not in {"skip", "empty"} or value is not None for key, value in HELD.items()}
    policed(sync, after)
    for model in (HELD, NOW):
        run = sync.compare(**of_b(model))
        assert run.said == {
            key: ("update", {"b"}) for key, value in model.items() if due(after, sent[key], HELD[key], value)
        }
        assert run.events == []
    run = sync.run(**of_b(NOW))
    sync.check()
    assert sync.run(**of_b(NOW)).said == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_that_stays_costs_no_second_look(sync, policy):
    """Where nothing changed, every row is known by its name."""
    policed(sync, policy).run(**of_b(HELD))
    for _ in range(2):
        run = sync.run(**of_b(HELD))
        assert (run.said, run.misses) == ({}, 0)


IDS = [uuid.UUID(int=number) for number in (1, 2, 2**127)]
DAYS = [dt.date(2026, 11, 22), dt.date(1969, 12, 31), dt.date(1, 1, 1)]
KEYS = {
    "numbers and texts": {"id": pa.array([1, 1, 2]), "no": pa.array(["p", "q", "p"])},
    "texts that run into each other": {"id": pa.array(["a", "ab", ""]), "no": pa.array(["bc", "c", "abc"])},
    "swapped": {"id": pa.array([1, 2, 3]), "no": pa.array([2, 1, 3])},
    "days": {"day": pa.array(DAYS, pa.date32())},
    "uuids": {"id": pa.array([value.bytes for value in IDS], pa.uuid())},
    "uuids as bytes": {"id": pa.array([value.bytes for value in IDS], pa.binary(16))},
    "decimals": {"id": pa.array(list(map(Decimal, ("1.10", "1.1e10", "-1.10"))), pa.decimal128(38, 2))},
    "moments": {"at": pa.array(MOMENTS[::2] + [dt.datetime(1, 1, 1)], pa.timestamp("us", "UTC"))},  # noqa: DTZ001, RUF005
    "three parts": {"a": pa.array([True, True, False]), "b": pa.array([1, 2, 1]), "c": pa.array(["", "", ""])},
}


def keyed(make_sync, root, keys):
    """A sync with such keys, and a model of the rows chosen."""
    sync = make_sync(root, DiffSpec(tuple(keys), ("ext",), ("a",)))

    def model(rows, values):
        parts = {f"k_{name}": values.take(pa.array(rows)) for name, values in keys.items()}
        return {**parts, "m_ext": [f"x{row}" for row in rows], "f_a": values}

    return sync, model


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_any_type_tell_rows_apart(make_sync, tmp_path, kind):
    """Rows are found again by their keys, one part or several, on either way of a commit."""
    sync, model = keyed(make_sync, tmp_path, KEYS[kind])
    sync.run(**model([0, 1], [10, 11]))
    run = sync.run(**model([2, 1], [22, 21]))
    assert sorted(run.said.values()) == [("delete", set()), ("insert", {"a"}), ("update", {"a"})]
    sync.check()
    slow = sync.run(**model([2, 0], [32, 30]), origin=False)
    assert sorted(slow.said.values()) == [("delete", set()), ("insert", {"a"}), ("update", {"a"})]
    sync.check()
    again = sync.run(**model([0, 2], [30, 32]))
    assert (again.said, again.misses) == ({}, 0)


def test_many_columns(make_sync, tmp_path):
    """A change in one of two hundred columns is that one."""
    names = [f"c{number}" for number in range(200)]
    sync = make_sync(tmp_path, DiffSpec(("id",), (), tuple(names)))
    model = {"k_id": [1, 2], **{f"f_{name}": [at, str(at)][at % 2 : at % 2 + 1] * 2 for at, name in enumerate(names)}}
    sync.run(**model)
    run = sync.run(**{**model, "f_c150": [150, 0], "f_c199": [None, "199"]})
    assert run.said == {1: ("update", {"c199"}), 2: ("update", {"c150"})}
    sync.check()


def test_swapped_values_are_a_change(sync):
    """The same values in other columns, or in other rows, are other values."""
    sync.run(k_id=[1, 2], m_ext=["x", "y"], f_a=["p", "q"], f_b=["q", "p"])
    run = sync.run(k_id=[1, 2], m_ext=["x", "y"], f_a=["q", "q"], f_b=["p", "p"])
    assert run.said == {1: ("update", {"a", "b"})}


LONG = "long " * 20_000
NESTED = {
    "long texts": [LONG, LONG + ".", None],
    "lists of texts": [["p", None, ""], [], None],
    "lists of lists": [[[1], []], [[1, None]], None],
    "structs": [{"x": 1.5, "y": "p"}, {"x": None, "y": "p"}, None],
    "lists of structs": [[{"x": 1}], [{"x": None}], []],
    "texts that look like lists": ['["p"]', '["p" ]', "[]"],
}


@pytest.mark.parametrize("kind", NESTED)
def test_values_of_any_shape_are_compared_whole(sync, kind):
    """Long texts, lists and structs change when anything in them does, and are known again when nothing does."""
    values = NESTED[kind]
    rows = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_b": ["p", "q", "r"]}
    array = pa.array(values)
    sync.run(**rows, f_a=array)
    same = sync.run(**rows, f_a=array)
    assert (same.said, same.misses) == ({}, 0)
    run = sync.run(**rows, f_a=array.take(pa.array([0, 2, 1])))
    assert run.said == {2: ("update", {"a"}), 3: ("update", {"a"})}
    sync.check()


ASIDE = {
    "a repeated key": (
        {"k_id": [1, 2, 2], "m_ext": ["x", "y", "y"], "f_a": [1, 2, 9], "f_b": ["p"] * 3},
        "duplicate_key",
        2,
    ),
    "no key": ({"k_id": [1, None], "m_ext": ["x", "y"], "f_a": [1, 2], "f_b": ["p"] * 2}, "null_key", 1),
    "no match": ({"k_id": [1, 2], "m_ext": ["x", None], "f_a": [1, 2], "f_b": ["p"] * 2}, "null_match", 1),
    "a shared match": (
        {"k_id": [1, 2, 3], "m_ext": ["x", "y", "y"], "f_a": [1, 2, 3], "f_b": ["p"] * 3},
        "duplicate_match",
        2,
    ),
}


@pytest.mark.parametrize("kind", ASIDE)
def test_rows_that_are_set_aside_keep_what_was_sent(sync, kind):
    """They are neither sent nor taken for gone, run after run; sound again, they are known as before."""
    model, reason, rows = ASIDE[kind]
    sound = {"k_id": [1, 2], "m_ext": ["x", "y"], "f_a": [1, 2], "f_b": ["p", "p"]}
    sync.run(**sound)
    before = sync.open().frame()
    for origin in (True, False):
        run = sync.run(**model, origin=origin)
        assert run.said == {}
        assert [(group.reason, group.rows) for group in run.found.invalid] == [(reason, rows)]
        assert run.found.occupied.rows() == ([] if reason == "null_key" else [("y",)])
        assert sync.open().frame().equals(before)
    again = sync.run(**sound)
    assert (again.said, again.found.unchanged) == ({}, 2)
