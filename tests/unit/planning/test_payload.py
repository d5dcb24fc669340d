"""Names of rows that outlive a plan: how they are written must never change by itself."""

import hashlib
import hmac
import json
from datetime import UTC, date
from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tailrace.canonical import python_values
from tailrace.canonical.types import dtype
from tailrace.jsonform import key_json, to_json
from tailrace.planning.payload import keys, payload_hashes
from tailrace.values import LogicalType

VALUES = {
    LogicalType("bool"): st.booleans(),
    LogicalType("int64"): st.integers(-(2**63), 2**63 - 1),
    LogicalType("float64"): st.floats(),
    LogicalType("decimal", scale=2): st.decimals(-(10**9), 10**9, places=2),
    LogicalType("string"): st.text(st.characters(codec="utf-8")),
    LogicalType("binary"): st.binary(),
    LogicalType("date"): st.dates(),
    LogicalType("timestamptz"): st.datetimes(timezones=st.just(UTC)),
    LogicalType("json"): st.recursive(
        st.none() | st.integers(0, 9) | st.text('bä"\\\n'),
        lambda some: st.lists(some) | st.dictionaries(st.text("aé "), some),
        max_leaves=4,
    ).map(json.dumps),
}
KEYED = [kind for kind in VALUES if kind.kind not in {"float64", "json"}]


@st.composite
def frames(draw):
    """Rows of a plan, and their types."""
    names = draw(st.lists(st.text('aé" ', min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 4))
    columns, types = {"action": pl.Series(["create", "update", "delete"] * 2, dtype=pl.String)[:rows]}, {}

    def column(name, kinds, *, null):
        kind = types[name] = draw(st.sampled_from(kinds))
        value = (st.none() | VALUES[kind]) if null else VALUES[kind]
        values = draw(st.lists(value, min_size=rows, max_size=rows))
        columns[name.replace("f:", "n:")] = pl.Series(values, dtype=dtype(kind))

    for name in names:
        column(f"k:{name}", KEYED, null=False)
        column(f"f:{name}", list(VALUES), null=True)
        columns[f"c:{name}"] = pl.Series(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=pl.Boolean)
    if draw(st.booleans()):
        column("m:ext", KEYED, null=True)
    return pl.DataFrame(columns), types


@given(frames(), st.sampled_from([b"", b"secret"]))
def test_hashes_are_of_sorted_json(made, secret):
    """Of action, match values, and the fields that are sent, as `json` writes them: what is on record was made so."""
    frame, types = made
    values = {
        name: python_values(frame[name], types[name.replace("n:", "f:")])
        for name in frame.columns
        if name[:2] in {"m:", "n:"}
    }
    expected = []
    for at, action in enumerate(frame["action"]):
        told = {name: to_json(column[at]) for name, column in values.items()}
        head = [action, *(value for name, value in told.items() if name[:2] == "m:")]
        sent = {name[2:]: value for name, value in told.items() if name[:2] == "n:" and frame[f"c:{name[2:]}"][at]}
        text = json.dumps([head, sent], sort_keys=True).encode()
        whole = hmac.digest(secret, text, "sha256") if secret else hashlib.sha256(text).digest()
        expected.append(whole.hex()[:32])
    assert payload_hashes(frame, types, secret) == expected


@given(frames())
def test_keys_are_written_as_one_by_one(made):
    """A row is found by the text that `key_json` makes of its key."""
    frame, types = made
    names = [name for name in frame.columns if name.startswith("k:")]
    values = [python_values(frame[name], types[name]) for name in names]
    shown = [name[2:] for name in names]
    assert keys(frame, types) == [key_json(dict(zip(shown, row, strict=True))) for row in zip(*values, strict=True)]


def test_a_hash_stays_what_it_is():
    """Rows on record were filed under such hashes: another one would have them sent anew."""
    frame = pl.DataFrame(
        {
            "action": ["update"],
            "m:ext": ["Zoë"],
            "n:a": [date(2026, 11, 22)],
            "c:a": [True],
            "n:b": [Decimal("1.50")],
            "c:b": [True],
            "n:c": ["left out"],
            "c:c": [False],
        }
    )
    types = {
        "m:ext": LogicalType("string"),
        "f:a": LogicalType("date"),
        "f:b": LogicalType("decimal", scale=2),
        "f:c": LogicalType("string"),
    }
    assert payload_hashes(frame, types) == ["99ed91760a22327142530bf0f3bf5d3a"]
