"""The diff, case by case."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.canonical import canonical_frame
from tailrace.changes import DiffSpec, SnapshotData
from tailrace.diff.columns import fold_text, match_values
from tailrace.diff.core import difference as diff
from tailrace.errors import SnapshotError
from tailrace.values import LogicalType

SPEC = DiffSpec(key=("id",), match=("ext",), fields=("a",))


def model(schema=None, pinned=None, **columns):
    """Canonical rows from columns named by role with an underscore: k_id, m_ext, f_a."""
    named = {name.replace("_", ":", 1): values for name, values in columns.items()}
    types = {name.replace("_", ":", 1): kind for name, kind in (schema or {}).items()}
    arrays = {name: pa.array(values, types.get(name)) for name, values in named.items()}
    return canonical_frame([pa.record_batch(arrays)], pinned or {})


def snapshot(rows, unknown=None, ids=None):
    """A snapshot that acknowledged those rows."""
    size = rows.frame.height
    lists = pl.Series("unknown", unknown or [[]] * size, dtype=pl.List(pl.String))
    record_ids = pl.Series("record_id", ids or [f"R{n}" for n in range(size)], dtype=pl.String)
    return SnapshotData(rows.frame.with_columns(record_ids, lists), rows.types)


def said(changes):
    """Changes as (op, key, fields to write)."""
    written = [name for name in changes.frame.columns if name.startswith("c:")]
    return [(row["op"], row["k:id"], {name[2:] for name in written if row[name]}) for row in changes.frame.to_dicts()]


def test_a_first_diff_inserts_everything():
    """Without a snapshot every valid row is an insert with all fields."""
    changes = diff(model(k_id=[2, 1], m_ext=["y", "x"], f_a=[None, 5]), None, SPEC)
    assert said(changes) == [("insert", 1, {"a"}), ("insert", 2, {"a"})]
    assert changes.frame.columns == ["seq", "op", "record_id", "k:id", "m:ext", "om:ext", "n:a", "o:a", "c:a"]
    assert changes.frame["seq"].to_list() == [0, 1]
    assert (changes.model_rows, changes.snapshot_rows, changes.unchanged, changes.events) == (2, 0, 0, ())


def test_inserts_updates_and_deletes_in_order():
    """Changes come by key, deletes last, with old and new values and the record's id."""
    old = snapshot(model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[1, 2, 3]))
    changes = diff(model(k_id=[4, 3, 2], m_ext=["w", "z", "y"], f_a=[4, 30, 2]), old, SPEC)
    assert said(changes) == [("update", 3, {"a"}), ("insert", 4, {"a"}), ("delete", 1, set())]
    update, insert, delete = changes.frame.to_dicts()
    assert (update["o:a"], update["n:a"], update["record_id"], update["om:ext"]) == (3, 30, "R2", "z")
    assert (insert["o:a"], insert["n:a"], insert["record_id"], insert["om:ext"]) == (None, 4, None, None)
    assert (delete["o:a"], delete["n:a"], delete["record_id"], delete["m:ext"]) == (1, None, "R0", "x")
    assert changes.unchanged == 1


def test_nulls_and_nans_are_equal_to_themselves():
    """Null equals null and NaN equals NaN, but neither equals anything else."""
    old = snapshot(model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[None, float("nan"), 0.0]))
    assert said(diff(model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[None, float("nan"), -0.0]), old, SPEC)) == []
    changes = diff(model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[0.0, None, float("nan")]), old, SPEC)
    assert len(said(changes)) == 3


def test_rows_with_a_null_key_are_set_aside():
    """A row without a key is reported, in every part of a composite key."""
    spec = DiffSpec(key=("id", "no"), match=(), fields=("a",))
    changes = diff(model(k_id=[1, None, 2], k_no=[1, 1, None], f_a=[1, 2, 3]), None, spec)
    assert changes.frame.height == 1
    assert [(item.reason, item.rows) for item in changes.invalid] == [("null_key", 2)]
    assert changes.invalid[0].examples == ({"id": 2, "no": None}, {"id": None, "no": 1})


def test_rows_sharing_a_key_are_set_aside_and_never_deleted():
    """All rows of a repeated key are invalid, and their record stays."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    changes = diff(model(k_id=[1, 1, 2], m_ext=["x", "x", "y"], f_a=[8, 9, 2]), old, SPEC)
    assert said(changes) == []
    assert [(item.reason, item.rows, item.examples) for item in changes.invalid] == [
        ("duplicate_key", 2, ({"id": 1}, {"id": 1}))
    ]


def test_a_row_without_match_is_set_aside_and_never_deleted():
    """A row that names no record cannot be sent, but it has not left the model."""
    old = snapshot(model(k_id=[1], m_ext=["x"], f_a=[1]))
    changes = diff(model({"m_ext": pa.string()}, k_id=[1], m_ext=[None], f_a=[2]), old, SPEC)
    assert said(changes) == []
    assert changes.invalid[0].reason == "null_match"


def test_a_new_row_that_takes_the_match_of_an_unchanged_row_spoils_both():
    """Two keys with one match value are one record: neither is sent, neither is deleted."""
    old = snapshot(model(k_id=[1, 3], m_ext=["x", "z"], f_a=[1, 3]))
    changes = diff(model(k_id=[1, 2, 3], m_ext=["x", "x", "z"], f_a=[5, 6, 3]), old, SPEC)
    assert said(changes) == []
    assert [(item.reason, item.examples) for item in changes.invalid] == [("duplicate_match", ({"id": 1}, {"id": 2}))]


def test_match_values_compare_as_the_destination_tells_records_apart():
    """Where the vendor folds case and outer spaces, so does the diff; elsewhere it does not."""
    rows = model(k_id=[1, 2], m_ext=["A@x.io", " a@x.io "], f_a=[1, 2])
    folding = DiffSpec(key=("id",), match=("ext",), fields=("a",), fold_match=frozenset({"ext"}))
    assert diff(rows, None, folding).invalid[0].reason == "duplicate_match"
    assert diff(rows, None, SPEC).invalid == ()
    old = snapshot(model(k_id=[1], m_ext=["a@X.io"], f_a=[1]))
    same = model(k_id=[1], m_ext=["A@x.io"], f_a=[1])
    assert said(diff(same, old, folding)) == []
    assert said(diff(same, old, SPEC)) == [("update", 1, set())]


def test_a_match_taken_from_a_repeated_key_is_shared_too():
    """A row cannot be sent to the record that an ambiguous key also claims."""
    changes = diff(model(k_id=[1, 1, 2], m_ext=["x", "x", "x"], f_a=[1, 2, 3]), None, SPEC)
    assert [(item.reason, item.rows) for item in changes.invalid] == [("duplicate_key", 2), ("duplicate_match", 1)]


def test_a_changed_match_is_an_update_of_the_known_record():
    """The record is found by its id, and told its new match value, even when no field changed."""
    old = snapshot(model(k_id=[1], m_ext=["x"], f_a=[1]))
    changes = diff(model(k_id=[1], m_ext=["y"], f_a=[1]), old, SPEC)
    assert said(changes) == [("update", 1, set())]
    row = changes.frame.to_dicts()[0]
    assert (row["m:ext"], row["om:ext"], row["record_id"]) == ("y", "x", "R0")


def test_a_record_taken_over_by_a_new_key_is_not_deleted():
    """A row that came back under another key is the same record: deleting the old key would destroy it."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    changes = diff(model(k_id=[9, 2], m_ext=["x", "y"], f_a=[1, 2]), old, SPEC)
    assert said(changes) == [("insert", 9, {"a"})]


def test_a_record_two_keys_were_known_by_is_not_deleted_while_one_stays():
    """Where the old key was kept beside its successor, the record goes only when both have left."""
    old = snapshot(model(k_id=[1, 9], m_ext=["x", "x"], f_a=[1, 1]))
    assert said(diff(model(k_id=[9], m_ext=["x"], f_a=[1]), old, SPEC)) == []
    assert len(said(diff(model(k_id=[7], m_ext=["y"], f_a=[1]), old, SPEC))) == 3


def test_a_record_whose_match_a_known_row_takes_is_deleted():
    """A known row has a record of its own: the departed one must go, or the value never becomes free."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    changes = diff(model(k_id=[2], m_ext=["x"], f_a=[2]), old, SPEC)
    assert said(changes) == [("update", 2, set()), ("delete", 1, set())]


@pytest.mark.parametrize(
    ("keys", "matches"),
    [([None, 2], ["x", "y"]), ([2, 2], ["x", "y"]), ([2, 3], ["x", "x"]), ([2, None], ["y", " X"])],
)
def test_a_record_named_by_any_row_is_not_deleted(keys, matches):
    """Key 1 left the model, but a row that was set aside, or lost its key, still names its record."""
    folding = DiffSpec(key=("id",), match=("ext",), fields=("a",), fold_match=frozenset({"ext"}))
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    changes = diff(model({"k_id": pa.int64()}, k_id=keys, m_ext=matches, f_a=[1, 2]), old, folding)
    assert "delete" not in changes.frame["op"].to_list()


def test_records_of_rows_set_aside_are_told():
    """Their match values are taken, as the snapshot has them; those of valid, new and keyless rows are not told."""
    old = snapshot(model(k_id=[1, 2, 3, 4], m_ext=["x", "y", "z", "w"], f_a=[1, 2, 3, 4]))
    rows = model({"k_id": pa.int64()}, k_id=[1, 1, 2, 3, None, 9], m_ext=["q", "r", None, "z", "w", None], f_a=[1] * 6)
    changes = diff(rows, old, SPEC)
    assert sorted(changes.occupied["om:ext"]) == ["x", "y"]
    assert diff(model(k_id=[1], m_ext=["x"], f_a=[1]), old, SPEC).occupied.rows() == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=6) | st.text(" \x1c\x85\u3000ΣßİA", max_size=6))
def test_one_rule_folds_columns_and_single_values(text):
    """The diff, the plan and look-ups agree on which match values are one record."""
    frame = pl.DataFrame({"m:ext": [text]})
    (expression,) = match_values("m", ["ext"], {"ext"}, frame.schema)
    assert frame.select(expression).item() == fold_text(text)


@pytest.mark.parametrize(
    ("policy", "new", "expected"),
    [
        ({}, [None, 2], [("update", 1, {"a"})]),
        ({"skip_nulls": {"a"}}, [None, 2], []),
        ({"skip_nulls": {"a"}}, [5, 2], [("update", 1, {"a"})]),
        ({"create_only": {"a"}}, [5, 6], []),
        ({"fill_empty": {"a"}}, [5, 6], []),
    ],
)
def test_fields_take_part_as_their_policy_says(policy, new, expected):
    """Nulls may be skipped, a field written at creation only, or only while it is empty."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    spec = DiffSpec(key=("id",), match=("ext",), fields=("a",), **{k: frozenset(v) for k, v in policy.items()})
    rows = model({"f_a": pa.int64()}, k_id=[1, 2], m_ext=["x", "y"], f_a=new)
    assert said(diff(rows, old, spec)) == expected


def test_filling_waits_for_a_value_and_for_an_empty_field():
    """A fill-if-empty field is written once a value comes and nothing was acknowledged."""
    spec = DiffSpec(key=("id",), match=("ext",), fields=("a",), fill_empty=frozenset({"a"}))
    old = snapshot(model({"f_a": pa.int64()}, k_id=[1, 2], m_ext=["x", "y"], f_a=[None, None]))
    rows = model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[5, None, None])
    assert said(diff(rows, old, spec)) == [("update", 1, {"a"}), ("insert", 3, set())]


def test_policies_of_new_rows():
    """A new row is written with its create-only fields, and without nulls that are to be skipped."""
    spec = DiffSpec(("id",), ("ext",), ("a", "b"), skip_nulls=frozenset({"a"}), create_only=frozenset({"b"}))
    rows = model({"f_a": pa.int64()}, k_id=[1], m_ext=["x"], f_a=[None], f_b=[1])
    assert said(diff(rows, None, spec)) == [("insert", 1, {"b"})]


def test_fields_unknown_for_a_row_are_sent_again():
    """What the destination never acknowledged counts as changed, even where the values are equal."""
    rows = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2])
    changes = diff(rows, snapshot(rows, unknown=[["a"], ["other"]]), SPEC)
    assert said(changes) == [("update", 1, {"a"})]


def test_full_sends_rows_that_have_no_field():
    """A member of a list is nothing but its match."""
    spec = DiffSpec(("id",), ("ext",), ())
    rows = model(k_id=[1], m_ext=["x"])
    assert said(diff(rows, snapshot(rows), spec, full=True)) == [("update", 1, set())]
    assert said(diff(rows, snapshot(rows), spec)) == []


def test_full_sends_every_field_of_every_row():
    """A full run takes nothing for granted but what may be written only once."""
    rows = model(k_id=[1], m_ext=["x"], f_a=[1], f_b=[1])
    spec = DiffSpec(("id",), ("ext",), ("a", "b"), create_only=frozenset({"b"}))
    assert said(diff(rows, snapshot(rows), spec, full=True)) == [("update", 1, {"a"})]


def test_a_field_new_to_the_mapping_is_sent_alone():
    """An added field goes out for every row, and nothing else does."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    spec = DiffSpec(("id",), ("ext",), ("a", "b"))
    changes = diff(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2], f_b=[None, "v"]), old, spec)
    assert said(changes) == [("update", 1, {"b"}), ("update", 2, {"b"})]
    assert [(event.column, event.kind) for event in changes.events] == [("b", "added")]


def test_a_field_gone_from_the_mapping_changes_nothing():
    """A removed field is mentioned, and no row is touched."""
    old = snapshot(model(k_id=[1], m_ext=["x"], f_a=[1], f_b=[2]))
    changes = diff(model(k_id=[1], m_ext=["x"], f_a=[1]), old, SPEC)
    assert said(changes) == []
    assert [(event.column, event.kind) for event in changes.events] == [("b", "removed")]


def test_a_retyped_field_compares_by_value():
    """Whichever side casts without loss is cast; only real differences are sent."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2]))
    back = diff(model(k_id=[1, 2], m_ext=["x", "y"], f_a=["1", "3"]), old, SPEC)
    assert (said(back), str(back.types["f:a"])) == ([("update", 2, {"a"})], "int64")
    forth = diff(model(k_id=[1, 2], m_ext=["x", "y"], f_a=["1", "two"]), old, SPEC)
    assert (said(forth), str(forth.types["f:a"])) == ([("update", 2, {"a"})], "string")
    assert forth.frame["o:a"].to_list() == ["2"]


def test_a_field_that_cannot_be_compared_is_sent_for_all_rows_and_told():
    """Naive and zoned times never compare: every row is sent, and an event says why."""
    old = snapshot(model(k_id=[1], m_ext=["x"], f_a=[dt.datetime.fromisoformat("2026-01-01T00:00:00")]))
    changes = diff(model(k_id=[1], m_ext=["x"], f_a=[dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]), old, SPEC)
    assert said(changes) == [("update", 1, {"a"})]
    assert (changes.events[0].kind, "cannot be compared" in changes.events[0].message) == ("retyped", True)


def test_a_retyped_field_that_was_filled_stays_filled():
    """A fill-if-empty field is not written again only because its type changed."""
    spec = DiffSpec(("id",), ("ext",), ("a",), fill_empty=frozenset({"a"}))
    old = snapshot(model(k_id=[1], m_ext=["x"], f_a=[dt.datetime.fromisoformat("2026-01-01T00:00:00")]))
    changes = diff(model(k_id=[1], m_ext=["x"], f_a=[dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]), old, spec)
    assert said(changes) == []


@pytest.mark.parametrize("keys", [["42", "7"], ["42", "x7"], [Decimal(42), Decimal(7)], [42.0, 7.0]])
def test_a_retyped_key_still_finds_its_rows(keys):
    """Integer keys that became text, decimals or floats are the same keys: nothing is resent or deleted."""
    old = snapshot(model(k_id=[42], m_ext=["x"], f_a=[1]))
    changes = diff(model(k_id=keys, m_ext=["x", "y"], f_a=[1, 1]), old, SPEC)
    assert [row[0] for row in said(changes)] == ["insert"]
    assert changes.unchanged == 1


def test_a_key_that_cannot_be_matched_is_an_error_with_advice():
    """Rather than inserting everything anew, the diff stops and says what to do."""
    old = snapshot(model(k_id=[42], m_ext=["x"], f_a=[1]))
    with pytest.raises(SnapshotError, match=r"id was int64 and is now binary.*[\s\S]*adopt"):
        diff(model(k_id=[b"1"], m_ext=["x"], f_a=[1]), old, SPEC)


def test_a_column_that_never_held_a_value_pins_nothing():
    """A field that was always null takes whatever type its first value has."""
    rows = model(k_id=[1], m_ext=["x"], f_a=[None])
    types = {name: kind for name, kind in rows.types.items() if name != "f:a"}
    old = SnapshotData(snapshot(rows).frame, types)
    changes = diff(model(k_id=[1], m_ext=["x"], f_a=[5]), old, SPEC)
    assert changes.types["f:a"] == LogicalType("int64")
    assert changes.frame["n:a"].to_list() == [5]
    assert changes.events == ()


@pytest.mark.parametrize("pinned", [{}, {"f:a": LogicalType("string")}])
def test_a_row_without_a_key_is_told_from_departed_ones_by_columns_that_never_held_a_value(pinned):
    """Such a column is stored without a type; text compares with it all the same."""
    old = snapshot(model(k_id=[1, 2], m_ext=["x", "y"], f_a=["p", "q"]))
    untyped = SnapshotData(old.frame.with_columns(pl.lit(None, pl.Null).alias("f:a")), pinned)
    rows = model(k_id=[1, None], m_ext=["x", None], f_a=["p", None], schema={"k_id": pa.int64()})
    assert said(diff(rows, untyped, SPEC)) == [("update", 1, {"a"})]


def test_an_empty_model_deletes_all_and_an_empty_snapshot_nothing():
    """Both ends of nothing work; stopping a mass delete is a guard's task."""
    full = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2])
    none = canonical_frame(
        [
            pa.record_batch(
                {n: pa.array([], t) for n, t in {"k:id": pa.int64(), "m:ext": pa.string(), "f:a": pa.int64()}.items()}
            )
        ],
        {},
    )
    assert [row[0] for row in said(diff(none, snapshot(full), SPEC))] == ["delete", "delete"]
    assert said(diff(none, snapshot(none), SPEC)) == []


def test_a_diff_without_match_or_fields_knows_only_keys():
    """Append and delete may map nothing at all."""
    spec = DiffSpec(key=("id",), match=(), fields=())
    old = snapshot(model(k_id=[1, 2]))
    assert said(diff(model(k_id=[2, 3]), old, spec)) == [("insert", 3, set()), ("delete", 1, set())]
