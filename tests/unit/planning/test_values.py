"""Notes on rows whose values a closed set does not have."""

import polars as pl

from tailrace.planning.values import refused
from tailrace.rowset import Rows
from tailrace.values import LogicalType

TYPES = {"f:Tier": LogicalType("string"), "f:Tags": LogicalType("json"), "f:Size": LogicalType("int64")}


def rows(*changes):
    """Rows of a plan: op, and Tier as it is written; None stands for a null, "-" for what is not written."""
    frame = pl.DataFrame(
        {
            "op": [op for op, _ in changes],
            "n:Tier": pl.Series([None if tier == "-" else tier for _, tier in changes], dtype=pl.String),
            "c:Tier": [tier != "-" for _, tier in changes],
            "n:Tags": ['["a","b"]'] * len(changes),
            "c:Tags": [True] * len(changes),
        }
    )
    return Rows.of_frame(frame)


def test_rows_are_counted_by_reason():
    """Written values alone count, without deletes and nulls; the note has the reason and no value."""
    made = rows(("insert", "canary"), ("update", "canary"), ("insert", "ok"), ("delete", "canary"), ("update", None))
    told = refused(made, TYPES, {"Tier": lambda value: None if value == "ok" else "no such tier"})
    assert told == ("Tier: 2 rows will be rejected: no such tier",)


def test_lists_reach_the_adapter_as_lists():
    """And a field that the plan does not have is left out."""
    seen = []
    closed = {"Tags": seen.append, "Other": lambda value: "never"}
    assert refused(rows(("insert", "-")), TYPES, closed) == ()
    assert seen == [["a", "b"]]


def test_many_reasons_are_summed_up():
    """Three are told, then how many rows there are in all."""
    made = rows(*[("insert", f"t{n}") for n in range(5)])
    told = refused(made, TYPES, {"Tier": lambda value: f"not {value}"})
    assert len(told) == 4
    assert told[-1] == "Tier: 5 rows will be rejected in all"
    assert told[0].startswith("Tier: 1 row will be rejected: ")
