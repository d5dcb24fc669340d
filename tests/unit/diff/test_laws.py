"""Laws of diff and fold, against an oracle that only knows dicts."""

import datetime as dt
import math
import random
from decimal import Decimal

import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.canonical import canonical_frame, python_values
from tailrace.changes import DiffSpec, SnapshotData
from tailrace.diff.core import difference as diff
from tailrace.snapshot.fold import fold

TEXT = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(["", " ", "\0", "'\"\\", "ß", "\u017f", "İ"])
FIELDS = {
    "bool": (pa.bool_(), st.booleans()),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2)),
    "float": (pa.float64(), st.floats() | st.sampled_from([0.0, -0.0, math.nan])),
    "decimal": (pa.decimal128(38, 3), st.decimals(-(10**30), 10**30, places=3) | st.just(Decimal(0))),
    "text": (pa.string(), TEXT),
    "bytes": (pa.binary(), st.binary(max_size=2)),
    "date": (pa.date32(), st.dates()),
    "time": (pa.time64("us"), st.times()),
    "naive": (pa.timestamp("us"), st.datetimes()),
    "zoned": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "list": (pa.list_(pa.string()), st.lists(st.none() | TEXT, max_size=2)),
    "struct": (pa.struct([("x", pa.float64())]), st.fixed_dictionaries({"x": st.none() | st.floats()})),
}
SPEC = DiffSpec(key=("id", "no"), match=("ext",), fields=tuple(FIELDS))
SCHEMA = pa.schema(
    [("k:id", pa.string()), ("k:no", pa.int64()), ("m:ext", pa.string())]
    + [(f"f:{name}", arrow) for name, (arrow, _) in FIELDS.items()]
)
KEYS = st.tuples(st.sampled_from(["", "a", "\0'"]), st.integers(0, 2))
PAYLOADS = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in FIELDS.items()})


@st.composite
def models(draw, *, own_match=False):
    """A valid model: unique keys, unique match values; with `own_match` the match follows from the key."""
    keys = draw(st.lists(KEYS, unique=True, max_size=5))
    matches = draw(st.permutations("pqrstu"))
    return {
        key: {"ext": f"{key[0]}/{key[1]}" if own_match else matches[index], **draw(PAYLOADS)}
        for index, key in enumerate(keys)
    }


def rows_of(model, pinned=None):
    """The model as a warehouse would hand it over, in any order."""
    records = [
        {"k:id": key[0], "k:no": key[1], "m:ext": row["ext"], **{f"f:{name}": row[name] for name in FIELDS}}
        for key, row in model.items()
    ]
    return canonical_frame([pa.RecordBatch.from_pylist(records, SCHEMA)], pinned or {})


def plain(value):
    """A value that compares as canonical values do: NaN is itself, zero has no sign."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, value) if isinstance(value, float) else value


def json_plain(value):
    """A struct's floats as their JSON has them."""
    if value is None or not isinstance(value["x"], float) or math.isfinite(value["x"]):
        return plain(value)
    return {"x": "NaN" if math.isnan(value["x"]) else "Infinity" if value["x"] > 0 else "-Infinity"}


def expected(model):
    """What the destination holds once all of the model has arrived."""
    return {
        key: {name: json_plain(row[name]) if name == "struct" else plain(row[name]) for name in ("ext", *FIELDS)}
        for key, row in model.items()
    }


def held(snapshot):
    """What a snapshot says the destination holds."""
    frame, types = snapshot.frame, snapshot.types
    columns = {name: python_values(frame[name], types[name]) for name in types}
    return {
        (columns["k:id"][i], columns["k:no"][i]): {
            "ext": columns["m:ext"][i],
            **{name: plain(columns[f"f:{name}"][i]) for name in FIELDS},
        }
        for i in range(frame.height)
    }


def answers(changes, acknowledged):
    """Outcomes that acknowledge the given rows and reject the others."""
    return pl.DataFrame(
        {
            "seq": changes.frame["seq"],
            "status": ["acknowledged" if seq in acknowledged else "rejected" for seq in changes.frame["seq"]],
            "record_id": [f"{row['m:ext']}" for row in changes.frame.to_dicts()],
            "code": [None] * changes.frame.height,
            "message": [None] * changes.frame.height,
        },
        schema={"seq": pl.Int64, "status": pl.String, "record_id": pl.String, "code": pl.String, "message": pl.String},
    )


def apply(changes, snapshot, acknowledged=None):
    """The snapshot after those changes were acknowledged (None: all of them)."""
    done = set(changes.frame["seq"]) if acknowledged is None else acknowledged
    frame = snapshot.frame if snapshot else None
    old_types = snapshot.types if snapshot else {}
    folded = fold(frame, changes.frame, answers(changes, done), types=changes.types, old_types=old_types)
    return SnapshotData(folded, changes.types)


LAWS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LAWS
@given(models(), models())
def test_applying_the_difference_gives_the_model(before, after):
    """apply(diff(a, b), a) == b, whatever moved, left, or came back under another key."""
    first = apply(diff(rows_of(before), None, SPEC), None)
    assert held(first) == expected(before)
    second = apply(diff(rows_of(after), first, SPEC), first)
    assert held(second) == expected(after)
    assert diff(rows_of(after), second, SPEC).frame.height == 0


@LAWS
@given(models())
def test_a_model_does_not_differ_from_itself(model):
    """diff(a, a) is empty, and every row is counted unchanged."""
    changes = diff(rows_of(model), apply(diff(rows_of(model), None, SPEC), None), SPEC)
    assert (changes.frame.height, changes.unchanged, changes.invalid) == (0, len(model), ())


@LAWS
@given(models(), models(), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(before, after, source):
    """Shuffled rows and a shuffled snapshot give the same change set."""
    old = apply(diff(rows_of(before), None, SPEC), None)
    order = list(after.items())
    source.shuffle(order)
    shuffled = SnapshotData(old.frame.sample(fraction=1, shuffle=True, seed=source.randint(0, 9)), old.types)
    one, other = diff(rows_of(after), old, SPEC), diff(rows_of(dict(order)), shuffled, SPEC)
    assert one.frame.equals(other.frame)


@LAWS
@given(models(own_match=True), models(own_match=True))
def test_changes_are_what_the_oracle_says(before, after):
    """Kinds and changed fields agree with a comparison of two dicts."""
    changes = diff(rows_of(after), apply(diff(rows_of(before), None, SPEC), None), SPEC)
    old, new = expected(before), expected(after)
    oracle = {
        **{key: ("insert", set(FIELDS)) for key in new.keys() - old.keys()},
        **{key: ("delete", set()) for key in old.keys() - new.keys()},
        **{
            key: ("update", {name for name in FIELDS if old[key][name] != new[key][name]})
            for key in old.keys() & new.keys()
            if old[key] != new[key]
        },
    }
    found = {
        (row["k:id"], row["k:no"]): (row["op"], {name for name in FIELDS if row[f"c:{name}"]})
        for row in changes.frame.to_dicts()
    }
    assert found == oracle


@LAWS
@given(st.lists(models(own_match=True), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_only_acknowledged_rows_move_over_generations(generations, source):
    """Over several runs with refusals the snapshot is exactly what was acknowledged, and catches up."""
    snapshot, oracle = None, {}
    for model in generations:
        changes = diff(rows_of(model), snapshot, SPEC)
        done = {seq for seq in changes.frame["seq"] if source.random() < 0.5}
        for row in changes.frame.filter(pl.col("seq").is_in(list(done))).to_dicts():
            key = (row["k:id"], row["k:no"])
            oracle.pop(key, None)
            if row["op"] != "delete":
                oracle[key] = expected(model)[key]
        snapshot = apply(changes, snapshot, done)
        assert held(snapshot) == oracle
    final = apply(diff(rows_of(generations[-1]), snapshot, SPEC), snapshot)
    assert held(final) == expected(generations[-1])


@LAWS
@given(models(), models(), st.integers(0, 99))
def test_folding_twice_is_folding_once(before, after, seed):
    """A run recovered after its commit changes nothing."""
    first = apply(diff(rows_of(before), None, SPEC), None)
    changes = diff(rows_of(after), first, SPEC)
    done = {seq for seq in changes.frame["seq"] if random.Random(seed + seq).random() < 0.6}  # noqa: S311
    once = apply(changes, first, done)
    twice = apply(changes, once, done)
    assert once.frame.equals(twice.frame)


@LAWS
@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("xyz")), max_size=6))
def test_invalid_rows_agree_with_the_oracle(pairs):
    """Which rows are set aside, and for which reason, as counted over plain tuples."""
    spec = DiffSpec(key=("id",), match=("ext",), fields=())
    batch = pa.record_batch(
        {"k:id": pa.array([k for k, _ in pairs], pa.int64()), "m:ext": pa.array([m for _, m in pairs], pa.string())}
    )
    changes = diff(canonical_frame([batch], {}), None, spec)
    reasons = [_reason(key, match, pairs) for key, match in pairs]
    assert {item.reason: item.rows for item in changes.invalid} == {
        reason: reasons.count(reason) for reason in set(reasons) if reason
    }
    assert changes.frame.height == reasons.count(None)


def _reason(key, match, pairs):
    if key is None:
        return "null_key"
    if sum(other == key for other, _ in pairs) > 1:
        return "duplicate_key"
    if match is None:
        return "null_match"
    rivals = {other for other, held_by in pairs if held_by == match and other is not None}
    return "duplicate_match" if len(rivals) > 1 else None
