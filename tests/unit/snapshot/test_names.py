"""Rows are known by their names: which are looked at twice, and what happens when names do not serve."""

from dataclasses import replace

import polars as pl
import pytest

from tailrace.diff import fingerprint
from tailrace.diff.fingerprint import Part, Recipe
from tailrace.snapshot import naming

ROWS = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_a": [1, 2, None], "f_b": ["p", "q", "r"]}


def once_more(sync, model, *, misses):
    """A model that needs nothing: it is looked at, and after that known."""
    run = sync.run(**model)
    assert (run.said, run.misses) == ({}, misses)
    for _ in range(2):
        again = sync.run(**model)
        assert (again.said, again.misses) == ({}, 0)
    sync.check()


TOUCHED = {
    "a field only filled has another value": ({"fill_empty": frozenset({"a"})}, {"f_a": [1, 9, None]}),
    "a null is skipped": ({"skip_nulls": frozenset({"b"})}, {"f_b": ["p", None, "r"]}),
    "a match value in other letters": ({"fold_match": frozenset({"ext"})}, {"m_ext": ["x", " Y", "z"]}),
}


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", TOUCHED)
def test_a_row_that_needs_nothing_is_compared_once(make_sync, tmp_path, kind, wide):
    """A row that the model has otherwise, and that yet needs nothing, is known by its new name afterwards."""
    policy, other = TOUCHED[kind]
    sync = make_sync(tmp_path, wide=wide)
    sync.spec = replace(sync.spec, **policy)
    sync.run(**ROWS)
    once_more(sync, {**ROWS, **other}, misses=1)
    once_more(sync, ROWS, misses=1)


def test_touched_rows_keep_what_was_known_of_them(sync):
    """With its new name a row keeps its record id, its unknown fields, and the values that were acknowledged."""
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}), fill_empty=frozenset({"a"}))
    sync.run(**{**ROWS, "f_b": ["p", None, "r"]})
    before = sync.open().frame()
    assert before["unknown"].to_list() == [[], ["b"], ["a"]]
    once_more(sync, {**ROWS, "f_a": [7, 8, None], "f_b": [None, None, "r"]}, misses=2)
    assert sync.open().frame().equals(before)


def test_touched_rows_and_changed_ones_are_committed_together(sync):
    """A commit takes both in, and those that were refused come up again."""
    sync.spec = replace(sync.spec, fill_empty=frozenset({"a"}))
    sync.run(**ROWS)
    model = {**ROWS, "f_a": [7, 8, 9], "f_b": ["p", "changed", "r"]}
    run = sync.run(**model, refused={3})
    assert (run.said, run.misses) == ({2: ("update", {"b"}), 3: ("update", {"a"})}, 3)
    sync.check()
    again = sync.run(**model)
    assert (again.said, again.misses) == ({3: ("update", {"a"})}, 1)
    once_more(sync, model, misses=0)


def test_a_commit_without_its_origin_makes_names_that_serve(sync):
    """A recovered run knows no names; the next comparison makes them, and knows every row."""
    sync.run(**ROWS, origin=False)
    assert [reader.segment.names for reader in sync.open().readers] == [None]
    once_more(sync, ROWS, misses=0)
    assert [reader.segment.names is None for reader in sync.open().readers] == [False]


def test_rows_that_were_two_when_a_dead_run_was_recovered_are_found(sync):
    """A commit without its origin knows of no comparison: that two rows are one by now, the next run finds out."""
    exact = sync.spec
    folding = replace(exact, fold_match=frozenset({"ext"}))
    sync.spec = folding
    sync.run(k_id=[1], m_ext=["x"], f_a=[1], f_b=["p"])
    sync.spec = exact
    sync.run(k_id=[1, 2], m_ext=["x", "X"], f_a=[1, 1], f_b=["p", "p"], origin=False)
    sync.spec = folding
    assert sync.run(k_id=[1, 2], m_ext=["x", "X"], f_a=[1, 2], f_b=["p", "p"]).said == {}


UNKNOWN = 1
"""A row with an unknown field never gets a name from what is stored: it is compared first."""


@pytest.fixture(params=[False, True], ids=["narrow", "wide"])
def known(request, make_sync, tmp_path):
    """A sync of a few rows, with several segments, dead rows and unknown fields."""
    sync = make_sync(tmp_path, wide=request.param)
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
    sync.run(**{**ROWS, "f_b": ["p", None, "r"]})
    sync.run(**{**ROWS, "f_a": [1, 5, None], "f_b": ["p", None, "r"]})
    sync.model = {**ROWS, "f_a": [1, 5, None], "f_b": ["p", None, "r"]}
    return sync


def another_hash(monkeypatch, *, told):
    """The library's hash is another one from now on; `told` says whether it shows in the samples."""
    seed = Part.seed
    monkeypatch.setattr(Part, "seed", lambda part, *args: seed(part, *args) ^ 0xA5A5)
    if told:
        monkeypatch.setattr(naming, "golden", lambda: "another")
        monkeypatch.setattr(fingerprint, "golden", lambda: "another")


def test_names_by_another_hash_are_made_anew(known, monkeypatch):
    """Names made by another version of the library are made from the values: no row is sent, and few are looked at."""
    before = known.open()
    another_hash(monkeypatch, told=True)
    once_more(known, known.model, misses=UNKNOWN)
    after = known.open()
    assert after.manifest.naming.golden == "another"
    was, now = before.readers[0].segment, after.readers[0].segment
    assert now.values == was.values
    assert now.names != was.names


def test_names_that_fit_nothing_cost_time_alone(known, monkeypatch):
    """Should the hash change unseen, every row is compared, and none is sent."""
    another_hash(monkeypatch, told=False)
    once_more(known, known.model, misses=3)


def test_a_secret_makes_other_names(known):
    """With a secret, and with another one, names are made anew; without it they would tell what rows hold."""
    names = [b"".join(path.read_bytes() for path in sorted(known.folder.glob("*.names")))]
    for secret in (b"one", b"two", b""):
        known.options = replace(known.options, secret=secret)
        once_more(known, known.model, misses=UNKNOWN)
        files = [known.folder / reader.segment.names.name for reader in known.open().readers]
        names.append(b"".join(path.read_bytes() for path in files))
    assert len({name[:8] for name in names}) == 3


def test_names_may_become_wide_and_narrow_again(known):
    """The width of names can be changed at any time."""
    for wide in (not known.options.wide, known.options.wide):
        known.options = replace(known.options, wide=wide)
        once_more(known, known.model, misses=UNKNOWN)
        assert known.open().manifest.naming.wide is wide


def test_a_field_that_comes_or_goes_corrects_the_names(known):
    """Names follow the fields that are compared; one that comes back is unknown in a row where it was never sent."""
    for fields, misses in ((("a",), 0), (("a", "b"), UNKNOWN), (("b",), 0), ((), 0), (("b", "a"), UNKNOWN)):
        known.spec = replace(known.spec, fields=fields)
        model = {name: values for name, values in known.model.items() if name[:2] != "f_" or name[2:] in fields}
        run = known.run(**model)
        assert (run.said, run.misses) == ({}, misses)


def colliding(monkeypatch):
    """The first 64 bits of a name tell the key and nothing else."""
    total = Recipe._sum

    def summed(recipe, carried, lane):
        blind = {name: value if name[:2] == "k:" else pl.lit(0) for name, value in carried.items()}
        return total(recipe, carried if lane else blind, lane)

    monkeypatch.setattr(Recipe, "_sum", summed)


def test_64_bits_can_collide(make_sync, tmp_path, monkeypatch):
    """That two rows have one name by chance is possible, and then the change is missed: what the wide ones are for."""
    sync = make_sync(tmp_path)
    colliding(monkeypatch)
    sync.run(**ROWS)
    assert sync.compare(**{**ROWS, "f_a": [1, 9, None]}).said == {}


def test_wide_names_tell_colliding_rows_apart(make_sync, tmp_path, monkeypatch):
    """Rows whose first 64 bits are the same differ in the other ones."""
    sync = make_sync(tmp_path, wide=True)
    colliding(monkeypatch)
    sync.run(**ROWS)
    model = {**ROWS, "f_a": [1, 9, None], "f_b": ["p", "q", "new"]}
    run = sync.run(**model)
    assert (run.said, run.misses) == ({2: ("update", {"a"}), 3: ("update", {"b"})}, 2)
    once_more(sync, model, misses=0)


@pytest.mark.parametrize("wide", [False, True])
def test_known_rows_that_share_a_name_are_always_compared(make_sync, tmp_path, monkeypatch, wide):
    """Where a name does not tell which of two known rows it is, both are looked at: nothing is lost or sent twice."""
    total = Recipe._sum
    blind = Recipe((Part("f:b"),))
    monkeypatch.setattr(Recipe, "_sum", lambda recipe, carried, lane: total(recipe if lane else blind, carried, lane))
    sync = make_sync(tmp_path, wide=wide)
    alike = {**ROWS, "f_b": ["p", "p", "p"]}
    sync.run(**alike)
    same = sync.run(**alike)
    assert (same.said, same.misses, same.found.unchanged) == ({}, 3, 3)
    run = sync.run(**{**alike, "f_a": [1, 9, None]})
    assert run.said == {2: ("update", {"a"})}
    gone = sync.run(k_id=[1, 3, 4], m_ext=["x", "z", "w"], f_a=[1, None, 4], f_b=["p", "p", "p"])
    assert gone.said == {4: ("insert", {"a", "b"}), 2: ("delete", set())}
    sync.check()
