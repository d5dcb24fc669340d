"""Folding outcomes into a snapshot, case by case; the laws are with the diff's."""

import datetime as dt

import polars as pl
import pyarrow as pa

from tailrace.canonical import canonical_frame
from tailrace.changes import DiffSpec, SnapshotData
from tailrace.diff.core import difference as diff
from tailrace.snapshot.fold import fold
from tailrace.snapshot.kept import ANEW, KEPT, kept_message

SPEC = DiffSpec(key=("id",), match=("ext",), fields=("a", "b"))


def model(**columns):
    """Canonical rows from columns named by role with an underscore: k_id, m_ext, f_a."""
    named = {name.replace("_", ":", 1): pa.array(values) for name, values in columns.items()}
    return canonical_frame([pa.record_batch(named)], {})


def outcomes(*rows):
    """Outcomes from (seq, status, record id, code)."""
    schema = {"seq": pl.Int64, "status": pl.String, "record_id": pl.String, "code": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(message=pl.lit(None, pl.String))


def rows_of(frame):
    """The snapshot's rows by key, without the key."""
    return {row.pop("k:id"): row for row in frame.to_dicts()}


BOTH = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2], f_b=["p", "q"])
FIRST = diff(BOTH, None, SPEC)
SAVED = fold(None, FIRST.frame, outcomes((0, "acknowledged", "R1", None), (1, "acknowledged", "R2", None)))


def test_only_acknowledged_rows_enter():
    """Rejected and unanswered rows leave no trace."""
    for status in ("rejected", "skipped"):
        frame = fold(None, FIRST.frame, outcomes((0, status, None, "not_found")))
        assert frame.height == 0
        assert frame.columns == ["k:id", "m:ext", "f:a", "f:b", "record_id", "unknown"]
    assert rows_of(SAVED)[1] == {"m:ext": "x", "f:a": 1, "f:b": "p", "record_id": "R1", "unknown": []}


def test_a_record_that_exists_already_is_settled_but_unknown():
    """In insert mode the row enters with its record id, and nothing is known of its fields."""
    frame = fold(None, FIRST.frame, outcomes((0, "skipped", "R9", "exists"), (1, "skipped", None, "not_found")))
    assert rows_of(frame) == {1: {"m:ext": "x", "f:a": None, "f:b": None, "record_id": "R9", "unknown": ["a", "b"]}}


def test_a_row_in_doubt_is_there_with_nothing_known_of_it():
    """A new one, a changed one, one that may be gone: whatever was tried is unknown, and what was known stays."""
    frame = fold(None, FIRST.frame, outcomes((0, "unknown", None, "ANSWER_LOST")))
    assert rows_of(frame) == {1: {"m:ext": "x", "f:a": None, "f:b": None, "record_id": None, "unknown": ["a", "b"]}}
    rows = model(k_id=[1], m_ext=["z"], f_a=[5], f_b=["p"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC)
    doubted = outcomes((0, "unknown", None, "ANSWER_LOST"), (1, "unknown", None, "ANSWER_LOST"))
    frame = rows_of(fold(SAVED, changes.frame, doubted))
    assert frame[1] == {"m:ext": "x", "f:a": 1, "f:b": "p", "record_id": "R1", "unknown": ["a"]}
    assert frame[2] == {**rows_of(SAVED)[2], "unknown": ["a", "b"]}


def test_creates_in_doubt_do_not_enter():
    """Nothing finds what they may have made: they are held, and the snapshot knows nothing of them."""
    changes = FIRST.frame.with_columns(action=pl.lit("create"))
    assert fold(None, changes, outcomes((0, "unknown", None, "ANSWER_LOST"))).height == 0


def test_an_update_takes_what_was_sent_and_keeps_the_rest():
    """Sent fields take the new value, others and the record id stay; the new match is remembered."""
    rows = model(k_id=[1, 2], m_ext=["z", "y"], f_a=[5, 2], f_b=["p", "q"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC)
    frame = fold(SAVED, changes.frame, outcomes((0, "acknowledged", None, None)))
    assert rows_of(frame)[1] == {"m:ext": "z", "f:a": 5, "f:b": "p", "record_id": "R1", "unknown": []}


def test_the_last_outcome_of_a_row_counts():
    """A row that was rejected and then acknowledged is acknowledged."""
    frame = fold(None, FIRST.frame, outcomes((0, "rejected", None, "BUSY"), (0, "acknowledged", "R1", None)))
    assert list(rows_of(frame)) == [1]


def test_an_acknowledged_delete_drops_the_row():
    """A delete that was refused keeps the row, so that it comes up again."""
    rows = model(k_id=[1], m_ext=["x"], f_a=[1], f_b=["p"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC).frame
    assert list(rows_of(fold(SAVED, changes, outcomes((0, "rejected", None, "NO"))))) == [1, 2]
    assert list(rows_of(fold(SAVED, changes, outcomes((0, "acknowledged", None, None))))) == [1]


def test_a_field_that_was_not_sent_is_unknown():
    """A null skipped on creation is no acknowledged null: should nulls clear one day, it is sent."""
    skipping = DiffSpec(("id",), ("ext",), ("a", "b"), skip_nulls=frozenset({"b"}))
    rows = model(k_id=[1], m_ext=["x"], f_a=[1], f_b=pa.array([None], pa.string()))
    first = diff(rows, None, skipping)
    saved = fold(None, first.frame, outcomes((0, "acknowledged", "R1", None)))
    assert saved["unknown"].to_list() == [["b"]]
    data = SnapshotData(saved, first.types)
    assert diff(rows, data, skipping).frame.height == 0
    clearing = diff(rows, data, SPEC)
    assert clearing.frame.select("c:a", "c:b").rows() == [(False, True)]
    cleared = fold(saved, clearing.frame, outcomes((0, "acknowledged", None, None)))
    assert cleared["unknown"].to_list() == [[]]


def test_a_field_new_to_the_mapping_is_unknown_until_sent():
    """Rows that did not get the new field yet still wait for it."""
    spec = DiffSpec(("id",), ("ext",), ("a", "b", "c"))
    rows = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2], f_b=["p", "q"], f_c=[True, None])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), spec)
    frame = fold(SAVED, changes.frame, outcomes((1, "acknowledged", None, None)))
    assert rows_of(frame)[1]["unknown"] == ["c"]
    assert rows_of(frame)[2]["unknown"] == []
    again = diff(rows, SnapshotData(frame, changes.types), spec)
    assert again.frame.select("k:id", "c:a", "c:b", "c:c").rows() == [(1, False, False, True)]


def test_a_field_gone_from_the_mapping_is_carried_over():
    """Should it be mapped again, only what differs from the last acknowledged value is sent."""
    spec = DiffSpec(("id",), ("ext",), ("a",))
    rows = model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[7, 2, 3])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), spec)
    frame = fold(SAVED, changes.frame, outcomes((0, "acknowledged", None, None), (1, "acknowledged", "R3", None)))
    assert {key: row["f:b"] for key, row in rows_of(frame).items()} == {1: "p", 2: "q", 3: None}
    back = model(k_id=[1, 2, 3], m_ext=["x", "y", "z"], f_a=[7, 2, 3], f_b=["p", "new", None])
    again = diff(back, SnapshotData(frame, {**FIRST.types, **changes.types}), SPEC)
    assert again.frame.select("k:id", "c:a", "c:b").rows() == [(2, False, True), (3, False, True)]


def test_a_list_gone_from_the_mapping_is_carried_over():
    """It is stored as text, and the types of the changes, which do not have it, do not make text of it."""
    lists = diff(model(k_id=[1], m_ext=["x"], f_a=[1], f_b=[["p"]]), None, SPEC)
    saved = fold(None, lists.frame, outcomes((0, "acknowledged", "R1", None)), types=lists.types)
    spec = DiffSpec(SPEC.key, SPEC.match, ("a",))
    changes = diff(model(k_id=[1], m_ext=["x"], f_a=[7]), SnapshotData(saved, lists.types), spec)
    told = outcomes((0, "acknowledged", "R1", None))
    frame = fold(saved, changes.frame, told, types=changes.types, old_types=lists.types)
    assert rows_of(frame) == {1: {"m:ext": "x", "f:a": 7, "f:b": '["p"]', "record_id": "R1", "unknown": []}}


def test_a_record_belongs_to_one_key():
    """The key that took a record over replaces the one that left, told by the record id or the match."""
    moved = model(k_id=[9, 2], m_ext=["x", "y"], f_a=[1, 2], f_b=["p", "q"])
    changes = diff(moved, SnapshotData(SAVED, FIRST.types), SPEC).frame
    by_match = fold(SAVED, changes, outcomes((0, "acknowledged", None, None)))
    assert sorted(rows_of(by_match)) == [2, 9]
    other = changes.with_columns(pl.lit("other").alias("m:ext"))
    by_id = fold(SAVED, other, outcomes((0, "acknowledged", "R1", None)))
    assert sorted(rows_of(by_id)) == [2, 9]
    refused = fold(SAVED, changes, outcomes((0, "rejected", None, "NO")))
    assert sorted(rows_of(refused)) == [1, 2]


def test_a_key_that_moves_on_by_itself_is_not_replaced():
    """A key whose own change was refused keeps its record, though another key took its old match."""
    rows = model(k_id=[1, 2, 3], m_ext=["x", "z", "y"], f_a=[1, 2, 3], f_b=["p", "q", "r"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC).frame
    frame = fold(SAVED, changes, outcomes((0, "rejected", None, "NO"), (1, "acknowledged", "R3", None)))
    assert {key: row["m:ext"] for key, row in rows_of(frame).items()} == {1: "x", 2: "y", 3: "y"}


def test_a_row_created_anew_forgets_what_it_was():
    """What a create did not write is unknown, even for a key the snapshot knew: it may be another record."""
    changes = FIRST.frame.with_columns(pl.lit(value=False).alias("c:b"))
    frame = fold(SAVED, changes, outcomes((0, "acknowledged", "R8", None)))
    assert rows_of(frame)[1] == {"m:ext": "x", "f:a": 1, "f:b": None, "record_id": "R8", "unknown": ["b"]}


def test_an_update_that_made_its_record_anew_forgets_what_went_with_the_old_one():
    """All mapped values were sent, so they are known; what is no longer mapped is not, and a null may not be."""
    rows = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[5, None])
    now = DiffSpec(SPEC.key, SPEC.match, ("a",))
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), now).frame
    frame = fold(SAVED, changes, outcomes((0, "acknowledged", "R8", ANEW), (1, "acknowledged", "R2", None)))
    assert rows_of(frame) == {
        1: {"m:ext": "x", "f:a": 5, "f:b": None, "record_id": "R8", "unknown": ["b"]},
        2: {"m:ext": "y", "f:a": None, "f:b": "q", "record_id": "R2", "unknown": []},
    }
    unchanged = changes.with_columns(pl.lit(value=False).alias("c:a"))
    frame = fold(SAVED, unchanged, outcomes((0, "acknowledged", "R8", ANEW), (1, "acknowledged", "R9", ANEW)))
    assert [(row["f:a"], row["unknown"]) for row in rows_of(frame).values()] == [(5, ["b"]), (None, ["a", "b"])]


def test_a_column_under_a_new_type_keeps_its_values():
    """Old rows are cast along where that loses nothing; else the field is unknown for them."""
    rows = model(k_id=[1, 2], m_ext=["x", "y"], f_a=["one", "2"], f_b=["p", "q"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC)
    frame = fold(SAVED, changes.frame, outcomes(), types=changes.types, old_types=FIRST.types)
    assert frame["f:a"].to_list() == ["1", "2"]
    naive = model(k_id=[1], m_ext=["x"], f_a=[dt.datetime.fromisoformat("2026-01-01T00:00:00")], f_b=["p"])
    lost = fold(SAVED, diff(naive, None, SPEC).frame, outcomes())
    assert rows_of(lost)[2]["unknown"] == ["a"]


def test_text_that_became_json_is_told_by_its_type():
    """Text and JSON are kept alike, so that only the logical types tell them apart."""
    lists = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[1, 2], f_b=[["p"], []])
    changes = diff(lists, SnapshotData(SAVED, FIRST.types), SPEC)
    told = fold(SAVED, changes.frame, outcomes(), types=changes.types, old_types=FIRST.types)
    assert told["unknown"].to_list() == [["b"], ["b"]]


def kept(*seqs, filled=(), left=()):
    """Acknowledged outcomes of rows that left fields alone."""
    told = pl.lit(kept_message(filled, left)).alias("message")
    return outcomes(*((seq, "acknowledged", f"R{seq + 1}", KEPT) for seq in seqs)).with_columns(told)


def test_a_field_that_was_left_alone_is_unknown():
    """The row was written, but not that field: what the record has there was never acknowledged."""
    frame = fold(None, FIRST.frame, kept(0, left=["a"]))
    assert rows_of(frame)[1] == {"m:ext": "x", "f:a": None, "f:b": "p", "record_id": "R1", "unknown": ["a"]}
    written = diff(BOTH, SnapshotData(frame, FIRST.types), SPEC).frame
    assert written.select("op", "c:a", "c:b").rows()[0] == ("update", True, False)


def test_a_field_that_was_filled_already_is_settled_and_unknown():
    """It is not offered again, and yet not taken for what the record has there."""
    frame = fold(None, FIRST.frame, kept(0, 1, filled=["a"]))
    assert frame["unknown"].to_list() == [["a"], ["a"]]
    saved = SnapshotData(frame, FIRST.types)
    filling = DiffSpec(SPEC.key, SPEC.match, SPEC.fields, fill_empty=frozenset({"a"}))
    newer = model(k_id=[1, 2], m_ext=["x", "y"], f_a=[8, 9], f_b=["p", "q"])
    assert diff(newer, saved, filling).frame.height == 0
    assert diff(newer, saved, filling, full=True).frame["c:a"].to_list() == [True, True]
    always = diff(BOTH, saved, SPEC).frame
    assert always.select("c:a", "o:a", "c:b", "o:b").rows() == [(True, None, False, "p"), (True, None, False, "q")]
    sent = fold(frame, always, outcomes((0, "acknowledged", None, None), (1, "rejected", None, "NO")))
    assert sent["unknown"].to_list() == [[], ["a"]]


def test_a_known_empty_field_that_others_filled_becomes_unknown():
    """The update found a value where null had been acknowledged."""
    filling = DiffSpec(SPEC.key, SPEC.match, SPEC.fields, fill_empty=frozenset({"a"}))
    empty = SAVED.with_columns(pl.lit(None, pl.Int64).alias("f:a"))
    changes = diff(BOTH, SnapshotData(empty, FIRST.types), filling)
    frame = fold(empty, changes.frame, kept(0, filled=["a"]))
    assert frame["unknown"].to_list() == [["a"], []]
    assert diff(BOTH, SnapshotData(frame, FIRST.types), filling).frame["k:id"].to_list() == [2]


def test_another_adapters_words_are_no_fields():
    """A code that happens to be ours, with words that are not, changes nothing."""
    told = outcomes((0, "acknowledged", "R1", KEPT)).with_columns(message=pl.lit("done"))
    assert rows_of(fold(None, FIRST.frame, told))[1]["unknown"] == []
    silent = outcomes((0, "acknowledged", "R1", KEPT)).drop("message")
    assert rows_of(fold(None, FIRST.frame, silent))[1]["unknown"] == []


def test_two_keys_never_share_a_record():
    """Should a record have been written over all the same, it belongs to the key that was written last."""
    rows = model(k_id=[1, 2, 3], m_ext=["x", "z", "y"], f_a=[1, 2, 3], f_b=["p", "q", "r"])
    changes = diff(rows, SnapshotData(SAVED, FIRST.types), SPEC).frame
    frame = fold(SAVED, changes, outcomes((0, "rejected", None, "NO"), (1, "acknowledged", "R2", None)))
    assert {key: row["record_id"] for key, row in rows_of(frame).items()} == {1: "R1", 3: "R2"}
    again = diff(rows, SnapshotData(frame, FIRST.types), SPEC).frame
    assert again.select("k:id", "op").rows() == [(2, "insert")]
