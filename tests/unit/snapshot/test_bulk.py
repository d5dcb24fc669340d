"""Plain inserts, where they are many: the file that the model was streamed to becomes a segment as it is."""

import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tailrace.diff import engine
from tailrace.snapshot.kept import KEPT, kept_message


@pytest.fixture(autouse=True)
def bulky(monkeypatch):
    """Even a handful of rows is too much to be compared at once."""
    monkeypatch.setattr(engine, "MIN_ROWS", 1)
    monkeypatch.setattr(engine, "_SHARE", 10**12)


def model(ids):
    """Rows of a model by key; every third one has no b."""
    ids = list(ids)
    return {
        "k_id": pa.array(ids, pa.int64()),
        "m_ext": pa.array([f"x{n}" for n in ids], pa.string()),
        "f_a": pa.array(ids, pa.int64()),
        "f_b": pa.array([f"b{n}" if n % 3 else None for n in ids], pa.string()),
    }


def inserts(run):
    """How many changes are plain inserts still in the model's file, and how many are not."""
    return tuple(run.found.rows.part(bulk=bulk).count() for bulk in (True, False))


def segments(sync):
    """Of each segment its rows, its live rows, and whether it has record ids and live bits of its own."""
    return [
        (segment.rows, segment.live_rows, segment.ids is not None, segment.live is not None)
        for segment in sync.open().manifest.segments
    ]


def settled(sync, columns):
    """The model needs nothing, and every row of it is known by name."""
    sync.check()
    run = sync.run(**columns)
    assert (run.said, run.misses) == ({}, 0)


def test_the_models_file_becomes_the_segment(sync):
    """No row is written again: the file is linked, beside it are names and record ids."""
    run = sync.run(**model(range(20)))
    assert inserts(run) == (20, 0)
    assert segments(sync) == [(20, 20, True, False)]
    (segment,) = sync.open().manifest.segments
    assert (sync.folder / segment.values.name).samefile(run.found.origin.folder / "new.parquet")
    settled(sync, model(range(20)))
    assert run.changes["seq"].to_list() == list(range(20))


def test_record_ids_are_kept_where_there_are_any(sync, make_answers):
    """A destination that tells no ids costs no file of them; one that tells some has those."""
    run = sync.compare(**model(range(20)))
    silent = make_answers(run.changes).with_columns(record_id=pl.lit(None, pl.String))
    sync.commit(run, silent)
    assert segments(sync) == [(20, 20, False, False)]
    settled(sync, model(range(20)))
    more = sync.compare(**model(range(30)))
    some = pl.when(pl.col("seq") % 2 == 0).then(pl.col("record_id"))
    sync.commit(more, make_answers(more.changes).with_columns(some))
    assert segments(sync)[1:] == [(10, 10, True, False)]
    settled(sync, model(range(30)))


@pytest.mark.parametrize("refused", [{0}, {19}, {3, 4, 5, 6, 7}], ids=len)
def test_refused_rows_are_dead_from_the_start(sync, refused):
    """The file stays as it is where most of its rows were acknowledged; the others come up again."""
    sync.run(**model(range(20)), refused=refused)
    assert segments(sync) == [(20, 20 - len(refused), True, True)]
    sync.check()
    again = sync.run(**model(range(20)))
    assert again.said == {key: ("insert", {"a", "b"}) for key in refused}
    settled(sync, model(range(20)))


def test_a_file_of_many_refused_rows_is_soon_merged(sync):
    """Above a share of dead rows the live ones are written anew by the same commit."""
    sync.run(**model(range(20)), refused=set(range(10)))
    assert segments(sync) == [(10, 10, False, False)]
    sync.check()
    sync.run(**model(range(20)))
    settled(sync, model(range(20)))


def test_a_file_of_mostly_refused_rows_is_not_kept(sync):
    """Then the acknowledged rows are written anew, and record ids with them."""
    sync.run(**model(range(20)), refused=set(range(11)))
    assert segments(sync) == [(9, 9, False, False)]
    sync.check()
    assert sync.run(**model(range(20))).said == {key: ("insert", {"a", "b"}) for key in range(11)}
    settled(sync, model(range(20)))


def test_rows_that_are_no_plain_inserts_are_parted(sync):
    """Updates, deletes, moved and invalid rows of the same model are compared, and the rest stays in the file."""
    sync.run(**model(range(4)))
    columns = model([1, 2, 3, *range(10, 30), 40, 40])
    columns["f_a"] = pa.array([1, 22, 3, *range(10, 30), 40, 41])
    columns["m_ext"] = pa.array(["x1", "x2", "x0", *(f"x{n}" for n in range(10, 30)), "x40", "x40"])
    run = sync.run(**columns, refused={15})
    assert inserts(run) == (20, 3)
    assert run.said == {
        0: ("delete", set()),
        2: ("update", {"a"}),
        3: ("update", set()),
        **{key: ("insert", {"a", "b"}) for key in range(10, 30)},
    }
    assert [(group.reason, group.rows) for group in run.found.invalid] == [("duplicate_key", 2)]
    assert run.changes["seq"].is_unique().all()
    sync.check()
    assert sync.run(**columns).said == {15: ("insert", {"a", "b"})}


def test_fields_that_are_not_sent_as_they_are_null_are_unknown(sync):
    """Where NULLs are skipped, the file itself tells which fields were not sent."""
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
    run = sync.run(**model(range(9)), refused={5})
    assert run.said == {key: ("insert", {"a", "b"} if key % 3 else {"a"}) for key in range(9)}
    assert sync.open().manifest.segments[0].null_is_unknown == ("b",)
    sync.check()
    sync.run(**model(range(9)))
    settled(sync, model(range(9)))
    sync.spec = replace(sync.spec, skip_nulls=frozenset())
    assert sync.run(**model(range(9))).said == {key: ("update", {"b"}) for key in (0, 3, 6)}
    settled(sync, model(range(9)))


def test_fields_that_a_record_kept_are_unknown(sync, make_answers):
    """A row whose write left fields alone is no plain insert any more; all other rows are."""
    run = sync.compare(**model(range(20)))
    said = make_answers(run.changes)
    kept = pl.col("seq").is_in([3, 8])
    said = said.with_columns(
        code=pl.when(kept).then(pl.lit(KEPT)), message=pl.when(kept).then(pl.lit(kept_message(["b"], ["a"])))
    )
    sync.store.commit(sync.open(), sync.delivered(run, said), "run")
    assert segments(sync) == [(2, 2, False, False), (20, 18, True, True)]
    frame = sync.open().frame()
    assert frame.filter(pl.col("unknown").list.len() > 0).select("k:id", "record_id").rows() == [(3, "R3"), (8, "R8")]
    assert frame["f:b"].to_list() == [f"b{n}" if n % 3 else None for n in range(20)]
    again = sync.compare(**model(range(20)))
    assert again.said == {3: ("update", {"a", "b"}), 8: ("update", {"a", "b"})}


def test_records_that_were_there_already_are_unknown(sync, make_answers):
    """In mode insert such a row enters with its id, and nothing is known of its fields."""
    run = sync.compare(**model(range(20)))
    there = pl.col("seq") == 7
    said = make_answers(run.changes).with_columns(
        status=pl.when(there).then(pl.lit("skipped")).otherwise("status"), code=pl.when(there).then(pl.lit("exists"))
    )
    sync.store.commit(sync.open(), sync.delivered(run, said), "run")
    assert sync.open().frame().filter(pl.col("unknown").list.len() > 0).row(0)[:1] == (7,)
    assert sync.compare(**model(range(20))).said == {7: ("update", {"a", "b"})}


def test_an_insert_takes_a_record_over(sync, make_answers):
    """A record that the destination gave to a new key no longer belongs to the old one."""
    sync.run(**model(range(3)))
    run = sync.compare(**model(range(20)))
    taken = pl.when(pl.col("record_id") == "R9").then(pl.lit("R1")).otherwise("record_id")
    said = make_answers(run.changes).with_columns(record_id=taken)
    sync.store.commit(sync.open(), sync.delivered(run, said), "run")
    frame = sync.open().frame()
    assert frame["k:id"].to_list() == [0, *range(2, 20)]
    assert frame.filter(pl.col("record_id") == "R1")["k:id"].to_list() == [9]


def test_columns_in_other_types_than_pinned(sync):
    """Rows that came in a wider type are kept under the pinned one, and known by the names of that."""
    sync.run(**model(range(3)))
    columns = {**model(range(20)), "f_a": pa.array([f"{n}" for n in range(20)]), "k_id": pa.array(map(str, range(20)))}
    run = sync.run(**columns)
    assert (run.events, inserts(run)) == ([], (17, 0))
    assert sync.open().frame()["f:a"].to_list() == list(range(20))
    settled(sync, columns)
    settled(sync, model(range(20)))


def test_lists_and_texts_are_kept_as_they_are_named(sync):
    """Names taken of lists, and values kept as their JSON text, belong together."""
    columns = {**model(range(9)), "f_b": [[f"p{n}", None] if n % 3 else [] for n in range(9)]}
    sync.run(**columns)
    assert sync.open().frame()["f:b"].head(2).to_list() == ["[]", '["p1",null]']
    settled(sync, columns)
    columns["f_b"] = [*columns["f_b"][:8], ["p8"]]
    assert sync.run(**columns).said == {8: ("update", {"b"})}
    settled(sync, columns)


def test_wide_names(make_sync, tmp_path):
    """Both halves of wide names are kept with the file."""
    sync = make_sync(tmp_path, wide=True)
    sync.run(**model(range(20)), refused={4})
    sync.run(**model(range(20)))
    settled(sync, model(range(20)))


@pytest.mark.parametrize("refused", [set(), {0, 11}], ids=len)
def test_both_ways_of_a_commit_are_the_same(make_sync, tmp_path, refused):
    """A recovered run, which knows nothing of the file, comes to the same snapshot."""
    frames = []
    for origin in (True, False):
        root = tmp_path / str(origin)
        root.mkdir()
        sync = make_sync(root)
        sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
        sync.run(**model([0, 1, 2, 90]))
        sync.run(**{**model(range(20)), "f_a": pa.array([5, *range(1, 20)])}, refused=refused, origin=origin)
        sync.check()
        frames.append(sync.open().frame())
        assert sync.run(**{**model(range(20)), "f_a": pa.array([5, *range(1, 20)])}).said.keys() == refused
    assert frames[0].equals(frames[1])


ROW = st.fixed_dictionaries({"a": st.none() | st.integers(0, 1), "b": st.none() | st.just("p")})
WALKS = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


@WALKS
@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(0, 9), ROW), st.sets(st.integers(0, 9), max_size=4)),
        min_size=2,
        max_size=4,
    )
)
def test_any_runs_with_refusals(make_sync, runs):
    """Whatever was refused, the snapshot is what was acknowledged, and in the end the whole model."""
    with tempfile.TemporaryDirectory() as root:
        sync = make_sync(Path(root))
        sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
        for rows, refused in [*runs, (runs[-1][0], set())]:
            columns = {**model(rows), "f_a": pa.array([row["a"] for row in rows.values()], pa.int64())}
            columns["f_b"] = pa.array([row["b"] for row in rows.values()], pa.string())
            sync.run(**columns, refused=refused)
            sync.check()
        assert {key: row["a"] for key, row in sync.held.items()} == {key: row["a"] for key, row in rows.items()}
        assert sync.run(**columns).said == {}


def test_a_row_beside_others_that_know_more_knows_no_more_for_it(sync, make_answers):
    """A plain insert that was answered unlike the rest is written with rows that still have a field of old."""
    sync.run(**model(range(1, 4)))
    spec, sync.spec = sync.spec, replace(sync.spec, fields=("a",))
    moved = {**model(range(1, 30)), "f_a": pa.array([100, *range(2, 30)], pa.int64())}
    run = sync.compare(**{name: column for name, column in moved.items() if name != "f_b"})
    assert inserts(run) == (26, 1)
    odd = pl.col("seq") == run.changes.filter(pl.col("k:id") == 9)["seq"].item()
    said = make_answers(run.changes).with_columns(
        code=pl.when(odd).then(pl.lit(KEPT)), message=pl.when(odd).then(pl.lit(kept_message([], ["a"])))
    )
    sync.store.commit(sync.open(), sync.delivered(run, said), "run")
    sync.spec = spec
    again = sync.compare(**moved)  # of row 9, b is null: sent all the same, as nobody knows what is there
    assert again.said == {n: ("update", {"b"} | ({"a"} if n == 9 else set())) for n in range(4, 30)}
