"""Old snapshot and acknowledged changes into the new snapshot. Pure, and the only way a row enters.

A field of a row is `unknown` while nobody knows which value the destination has: none was acknowledged
when the row was created, the record kept a value of its own, the mapping gained it later, or a write of it
was not answered. Such a field is sent again whatever the model says by then, or goes with its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from tailrace.canonical import dtype, type_of
from tailrace.canonical.convert import convert_rows
from tailrace.destination import ANSWER_LOST
from tailrace.snapshot.kept import ANEW, KEPT, kept_fields
from tailrace.values import LogicalType

Types = Mapping[str, LogicalType]
_NO_TYPES: Types = MappingProxyType({})
_NAMES = pl.List(pl.String)


@dataclass(frozen=True, slots=True)
class _Fold:
    """What both halves of the work need: names by role, and the old rows in the new shape."""

    base: pl.DataFrame
    keys: list[str]
    matches: list[str]
    mapped: frozenset[str]
    fields: list[str]
    """Mapped fields, and those that were mapped once."""


def fold(
    snapshot: pl.DataFrame | None,
    changes: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    types: Types = _NO_TYPES,
    old_types: Types = _NO_TYPES,
) -> pl.DataFrame:
    """The snapshot after a run, by key: old rows, plus what was acknowledged, minus what was deleted.

    `changes` is a plan frame; `outcomes` has `seq`, `status`, `record_id`, `code`. Folding the same
    outcomes twice gives the same. `types` (of the changes) and `old_types` (of the snapshot) tell
    text from JSON where a column's type changed; without them text is taken for text.
    """
    job = _prepare(snapshot, changes, types, old_types)
    settled = _settled(changes, answers(outcomes))
    put = settled.filter(_is_put())
    kept = job.base.join(settled, on=job.keys, how="anti")
    kept = _without_ceded(kept, put, changes, job)
    return pl.concat([kept, _entered(put, job, ())]).sort(job.keys)


@dataclass(frozen=True, slots=True)
class Entries:
    """What a batch of changes comes to."""

    entered: pl.DataFrame
    """Rows as the destination holds them now, with their `seq`, `op`, `doubtful`, and the model's values `n:`."""
    gone: pl.DataFrame
    """Keys (`k:`) whose old rows are no longer true: those entered anew, and those deleted."""


def enter(
    base: pl.DataFrame,
    changes: pl.DataFrame,
    answered: pl.DataFrame,
    *,
    types: Types = _NO_TYPES,
    old_types: Types = _NO_TYPES,
) -> Entries:
    """The rows that a batch of changes moves, as `fold` has it; `base` are the snapshot's rows of their keys.

    `answered` is what `answers` makes of outcomes. Which rows give their record up to others is not asked here.
    """
    job = _prepare(base, changes, types, old_types)
    settled = _settled(changes, answered)
    put = settled.filter(_is_put())
    model = [f"n:{name}" for name in job.fields if name in job.mapped]
    return Entries(_entered(put, job, ["seq", "op", "doubtful", *model]), settled.select(job.keys))


def _prepare(snapshot: pl.DataFrame | None, changes: pl.DataFrame, types: Types, old_types: Types) -> _Fold:
    mapped = [name[2:] for name in changes.columns if name.startswith("n:")]
    shape = {_stored(name): kind for name, kind in changes.schema.items() if name[:2] in {"k:", "m:", "n:"}}
    old = pl.DataFrame(schema=shape) if snapshot is None else snapshot
    carried = {name: kind for name, kind in old.schema.items() if name.startswith("f:") and name not in shape}
    # What is no longer mapped stays what it is: the types of the changes do not tell, and JSON is no text.
    stays = {name: old_types[name] for name in carried if name in old_types}
    base = _reshape(old, {**shape, **carried}, {**stays, **types}, old_types)
    return _Fold(
        base=base,
        keys=[name for name in shape if name.startswith("k:")],
        matches=[name for name in shape if name.startswith("m:")],
        mapped=frozenset(mapped),
        fields=[name[2:] for name in base.columns if name.startswith("f:")],
    )


def _stored(name: str) -> str:
    return f"f:{name[2:]}" if name.startswith("n:") else name


def _reshape(old: pl.DataFrame, shape: Mapping[str, pl.DataType], types: Types, old_types: Types) -> pl.DataFrame:
    """The old rows with the columns of `shape`; a field is unknown where its value cannot be compared."""
    columns: list[pl.Series] = []
    lost: dict[str, pl.Series] = {}
    for name, physical in shape.items():
        target = types.get(name) or type_of(physical)
        values = _converted(old, name, target, old_types)
        columns.append(values)
        given_up = values.is_null() & (old[name].is_not_null() if name in old.columns else True)
        if name.startswith("f:") and given_up.any():
            lost[name[2:]] = given_up
    ids = _column(old, "record_id", pl.String())
    unknown = _column(old, "unknown", _NAMES).fill_null(pl.Series([[]], dtype=_NAMES))
    frame = pl.DataFrame([*columns, ids, unknown])
    for name, rows in lost.items():
        longer = pl.col("unknown").list.set_union(pl.lit([name], dtype=_NAMES))
        frame = frame.with_columns(pl.when(pl.lit(rows)).then(longer).otherwise("unknown").alias("unknown"))
    return frame


def _converted(old: pl.DataFrame, name: str, target: LogicalType, old_types: Types) -> pl.Series:
    """A column under another type; null where it has no such value."""
    if name not in old.columns:
        return _nulls(name, old.height, dtype(target))
    same = old[name].dtype == dtype(target)
    return convert_rows(old[name], old_types.get(name) or (target if same else type_of(old[name].dtype)), target)


def _column(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Series:
    return frame[name].cast(kind) if name in frame.columns else _nulls(name, frame.height, kind)


def _nulls(name: str, rows: int, kind: pl.DataType) -> pl.Series:
    return pl.Series(name, [None], dtype=kind).new_from_index(0, rows)


def answers(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The last outcome of each row that the snapshot must know of: `seq`, `answered` (the record's id), what it was.

    A row that exists already (mode insert) enters with its record id and nothing known of its fields.
    One whose answer was lost enters as sent where the sync says to skip such rows; else it is in doubt.
    One that was written anew, as its record was gone, enters as if it were new.
    """
    taken = (pl.col("status") == "skipped") & (pl.col("code") == ANSWER_LOST).fill_null(value=False)
    sent = ((pl.col("status") == "acknowledged") | taken).alias("sent")
    there = ((pl.col("status") == "skipped") & (pl.col("code") == "exists")).fill_null(value=False).alias("there")
    doubt = (pl.col("status") == "unknown").alias("doubt")
    kept = pl.when(pl.col("code") == KEPT).then(pl.col("message") if "message" in outcomes.columns else None)
    answered = pl.col("record_id").alias("answered")
    anew = (pl.col("code") == ANEW).fill_null(value=False).alias("anew")
    last = _last(outcomes).select("seq", answered, sent, there, doubt, anew, kept.cast(pl.String).alias("kept"))
    return last.filter(pl.col("sent") | pl.col("there") | pl.col("doubt"))


def _last(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The last outcome of each row; where every row has one only, in order, that takes no looking for."""
    seqs = outcomes["seq"]
    once = outcomes.height < 2 or bool((seqs[1:] > seqs[:-1]).all())  # noqa: PLR2004
    return outcomes if once else outcomes.unique("seq", keep="last")


def _settled(changes: pl.DataFrame, answered: pl.DataFrame) -> pl.DataFrame:
    """Changes that moved the destination, may have, or were found to be there already, with the answer's id."""
    joined = changes.join(answered, on="seq", how="inner")
    joined = joined.with_columns((pl.col("doubt") & _repeatable(changes.columns)).alias("doubtful"))
    joined = joined.filter(pl.col("sent") | (pl.col("there") & (pl.col("op") == "insert")) | pl.col("doubtful"))
    joined = _made_anew(joined)
    written = [name for name in changes.columns if name.startswith("c:")]
    tried = [(pl.col(name) & pl.col("doubtful")).alias(f"tried:{name[2:]}") for name in written]
    return _without_kept(joined.with_columns(*tried, *(pl.col(name) & pl.col("sent") for name in written)))


def _made_anew(joined: pl.DataFrame) -> pl.DataFrame:
    """Updates that were written whole are inserts: nothing is known of what went with the old record.

    A null may have been left out: where the record may have been there, nobody knows what it has. Where the update
    made a record of its own (mode append), that has what was sent, and nothing else.
    """
    created = pl.col("action") == "create" if "action" in joined.columns else pl.lit(value=False)
    own = pl.col("sent") & (pl.col("op") == "update") & created
    made = joined.with_columns(own.fill_null(value=False).alias("own"))
    if not (made["anew"] | made["own"]).any():
        return joined
    whole = [
        (pl.col(name) | pl.col("own") | (pl.col("anew") & pl.col(f"n:{name[2:]}").is_not_null())).alias(name)
        for name in joined.columns
        if name.startswith("c:")
    ]
    op = pl.when(pl.col("anew") | pl.col("own")).then(pl.lit("insert")).otherwise("op").alias("op")
    return made.with_columns(op, *whole).drop("own")


def _repeatable(columns: Sequence[str]) -> pl.Expr:
    """Whether a row in doubt is to be written again: what it may have created is found by its match value.

    Other creates are held: to take them for known would be to send them never, or twice.
    """
    if "action" not in columns:
        return pl.lit(value=True)
    return (
        pl.when(pl.col("op") == "insert")
        .then(pl.col("action") == "upsert")
        .otherwise(pl.col("action") != "create")
        .fill_null(value=False)
    )


def _is_put() -> pl.Expr:
    """Whether there is a row afterwards: a delete in doubt leaves one, of which nothing is known."""
    return (pl.col("op") != "delete") | pl.col("doubtful")


def _without_kept(settled: pl.DataFrame) -> pl.DataFrame:
    """The same, but fields that the write left alone were not sent: `left:FIELD`, and `offered:FIELD` if filled."""
    named = {text: kept_fields(text) for text in settled["kept"].drop_nulls().unique()}
    marks = [
        marked
        for name in sorted({name for fields in named.values() for name in fields})
        if f"c:{name}" in settled.columns
        for marked in (
            _says(f"left:{name}", (text for text, fields in named.items() if name in fields)),
            _says(f"offered:{name}", (text for text, fields in named.items() if fields.get(name))),
        )
    ]
    return settled.with_columns(marks)


def _says(name: str, texts: Iterable[str]) -> pl.Expr:
    return pl.col("kept").is_in(list(texts)).fill_null(value=False).alias(name)


def _without_ceded(kept: pl.DataFrame, put: pl.DataFrame, changes: pl.DataFrame, job: _Fold) -> pl.DataFrame:
    """Leave out old rows whose record a new key has taken over: a record belongs to one key.

    Where only the match value tells so, a key with a change of its own has moved on, or is about to.
    """
    new = put.filter(pl.col("op") == "insert")
    if kept.height == 0 or new.height == 0:
        return kept
    ids = new.select(pl.coalesce("answered", "record_id").alias("record_id")).drop_nulls()
    ceded = kept.join(ids, on="record_id", how="semi")
    if job.matches:
        by_match = kept.join(new, on=job.matches, how="semi").join(changes, on=job.keys, how="anti")
        ceded = pl.concat([ceded, by_match])
    return kept.join(ceded, on=job.keys, how="anti") if ceded.height else kept


def _entered(put: pl.DataFrame, job: _Fold, more: Sequence[str]) -> pl.DataFrame:
    """The rows as the destination holds them now, with more columns of the changes."""
    past = job.base.drop(job.matches).rename({"record_id": "past_id", "unknown": "past_unknown"})
    both = put.join(past.with_columns(known=pl.lit(value=True)), on=job.keys, how="left")
    return both.select(
        *job.keys,
        *(_match(name, both) for name in job.matches),
        *(_value(name, job, both) for name in job.fields),
        pl.coalesce("answered", "record_id", "past_id").alias("record_id"),
        _unknown(both, job),
        *more,
    )


def _match(name: str, both: pl.DataFrame) -> pl.Expr:
    """The match value; of an update in doubt the one that was acknowledged."""
    if f"o{name}" not in both.columns:
        return pl.col(name)
    held = pl.col(f"o{name}").cast(both.schema[name], strict=False)
    return pl.when(pl.col("doubtful") & held.is_not_null()).then(held).otherwise(pl.col(name)).alias(name)


def _keeps() -> pl.Expr:
    """Whether the row keeps what it does not write: an insert starts afresh, even when folded twice."""
    return (pl.col("op") != "insert") & pl.col("known").fill_null(value=False)


def _value(name: str, job: _Fold, both: pl.DataFrame) -> pl.Expr:
    """The value sent or kept; one that was offered to a filled field stands for the unknown one there."""
    old = pl.when(_keeps()).then(pl.col(f"f:{name}"))
    if name not in job.mapped:
        return old.alias(f"f:{name}")
    new = _sent(name, both) | _flag(f"offered:{name}", both)
    return pl.when(new).then(pl.col(f"n:{name}")).otherwise(old).alias(f"f:{name}")


def _sent(name: str, both: pl.DataFrame) -> pl.Expr:
    return pl.col(f"c:{name}") & ~_flag(f"left:{name}", both)


def _flag(column: str, both: pl.DataFrame) -> pl.Expr:
    return pl.col(column) if column in both.columns else pl.lit(value=False)


def _unknown(both: pl.DataFrame, job: _Fold) -> pl.Expr:
    """Fields neither written now nor known before; most often there are none at all."""
    flags = both.select(_is_unknown(name, job, both).alias(name) for name in job.fields)
    some = [name for name in job.fields if flags[name].any()]
    return _names(flags, some).alias("unknown")


def _is_unknown(name: str, job: _Fold, both: pl.DataFrame) -> pl.Expr:
    before = pl.when(_keeps()).then(pl.col("past_unknown").list.contains(name)).otherwise(pl.lit(value=True))
    before |= pl.col("op") == "delete"  # in doubt: the record may be gone
    if name not in job.mapped:
        return before
    return ((before | _flag(f"left:{name}", both)) & ~_sent(name, both)) | _flag(f"tried:{name}", both)


def _names(flags: pl.DataFrame, some: Iterable[str]) -> pl.Expr:
    named = [flags.select(pl.when(pl.col(name)).then(pl.lit(name)).alias(name)).to_series() for name in some]
    if not named:
        return pl.lit([], dtype=_NAMES)
    lists = pl.DataFrame(named).select(pl.concat_list(pl.all()).list.drop_nulls().alias("unknown"))
    return pl.lit(lists.to_series())
