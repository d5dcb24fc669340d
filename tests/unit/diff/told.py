"""What a comparison told, in a form to compare, and what may become of it."""

import itertools

import polars as pl


def comparable(frame):
    """A change frame's rows as text, in an order of their own; NaN is itself there."""
    kept = frame.drop("seq", "row", "loc", strict=False)
    return sorted(repr(row) for row in kept.select(sorted(kept.columns)).to_dicts())


def groups(invalid):
    """Invalid rows by reason."""
    return {item.reason: item.rows for item in invalid}


def outcomes(frame, choices):
    """Outcomes for the rows of a change frame, as chosen."""
    said = [choice for _, choice in zip(range(frame.height), itertools.cycle(choices), strict=False)]
    return pl.DataFrame(
        {
            "seq": frame["seq"],
            "status": [status for status, _, _ in said],
            "record_id": [f"R{row['k:id']}{row['k:no']}" for row in frame.select("k:id", "k:no").to_dicts()],
            "code": [code for _, code, _ in said],
            "message": [message for _, _, message in said],
        },
        schema={"seq": pl.Int64, "status": pl.String, "record_id": pl.String, "code": pl.String, "message": pl.String},
    )
