"""The tables of snapshots in a warehouse: making them, reading rows of them, writing rows to them.

`tailrace_snapshots` has a manifest for each snapshot, whose rows are in `snapshot_DIGEST`: typed columns (`k0`, `m0`,
`f0` …; the manifest says which is which), `record_id`, `layout` (the number of the set of fields that are known of the
row, which the manifest has) and `revision` (that wrote it).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from tailrace.canonical.convert import convert_rows
from tailrace.canonical.source import Capsule
from tailrace.canonical.types import dtype
from tailrace.pushdown.slices import sliced
from tailrace.snapshot.identity import Identity
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk
    from tailrace.pushdown.manifest import Manifest
    from tailrace.pushdown.words import Words

MANIFESTS = "tailrace_snapshots"
UNKNOWN = pl.List(pl.String)
FIXED = ("record_id", "layout")
TEXT, NUMBER = LogicalType("string"), LogicalType("int64")
BATCH = 65_536


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of tables in the schema of ours, as a warehouse writes them."""

    name: str
    words: Words = field(repr=False)

    def manifests(self, identity: Identity) -> str:
        """The table of manifests; of this one alone where each has its own."""
        return self.words.place(self.name, self.manifest_name(identity))

    def manifest_name(self, identity: Identity) -> str:
        """Its name within the schema."""
        return f"{manifests_of(identity.sync)}{identity.digest}" if self.words.copy else MANIFESTS

    def rows(self, identity: Identity, manifest: Manifest | None = None) -> str:
        """The table of a snapshot's rows."""
        named = manifest.table if manifest else ""
        return self.words.place(self.name, named or table_name(identity))


def table_name(identity: Identity) -> str:
    """The name of a snapshot's table within the schema."""
    return f"snapshot_{identity.digest}"


def manifests_of(sync: str) -> str:
    """What the names of a sync's manifests begin with, where each is a table."""
    return f"{MANIFESTS}_{hashlib.sha256(sync.encode()).hexdigest()[:8]}_"


def fresh_name(identity: Identity) -> str:
    """A name for a table of its rows that no other attempt has made."""
    return f"{table_name(identity)}_{secrets.token_hex(4)}"


def left_over(desk: Desk, schema: Schema, identity: Identity, current: str) -> list[str]:
    """Tables of a snapshot's rows but for the current one: what was before, and what attempts that failed have made."""
    found = desk.listed(schema.name, table_name(identity))
    places = (schema.words.place(schema.name, name.lower()) for name in found)
    return [place for place in places if place != current]


def abandoned(desk: Desk, schema: Schema, identity: Identity, before: datetime) -> list[str]:
    """Tables for a snapshot's rows that were made before that moment."""
    found = desk.listed(schema.name, table_name(identity))
    return [schema.words.place(schema.name, name) for name, made in found.items() if made is not None and made < before]


def make_schema(desk: Desk, schema: str) -> None:
    """Make the schema where it is not there yet; until the transaction ends nobody else makes it, or tables in it."""
    if desk.words.alone:
        desk.rows(desk.words.alone)  # else two that make the same thing at the same time would fail
    if not desk.has_schema(schema):
        desk.run(f"CREATE SCHEMA{desk.words.unless} {desk.words.quote(schema)}")


def prepare(desk: Desk, schema: Schema, identity: Identity) -> None:
    """Make the schema and the table of manifests where they are not there yet."""
    name = schema.manifest_name(identity)
    if desk.has_table(schema.name, name):
        return
    make_schema(desk, schema.name)
    if not desk.has_table(schema.name, name):
        words, text = desk.words, desk.words.column(TEXT)
        parts = {"name": words.name_type or text, "text": text, "number": words.column(NUMBER), "unless": words.unless}
        own = {"digest": identity.digest, "sync": identity.sync} if words.copy else {}
        if words.literal is not None:
            parts |= {name: words.literal(value) for name, value in own.items()}
            own = {}
        desk.run(words.manifests.format(manifests=schema.manifests(identity), **parts), list(own.values()))


def create(desk: Desk, table: str, manifest: Manifest) -> None:
    """Make a snapshot's table."""
    words = desk.words
    columns = [f"{column} {words.column(manifest.types[name])}" for name, column in manifest.columns.items()]
    text, number = words.column(TEXT), words.column(NUMBER)
    fixed = [f"record_id {text}", f"layout {number} NOT NULL", f"revision {number} NOT NULL"]
    sought = [(column, manifest.types[name]) for name, column in manifest.columns.items() if name[:2] in {"k:", "m:"}]
    desk.run(f"CREATE TABLE {table} ({', '.join([*columns, *fixed])}{words.index(sought)})")


def copy(desk: Desk, schema: Schema, table: str, identity: Identity, fresh: Manifest) -> None:
    """Make the table of the manifest `fresh` as another one is."""
    desk.run(desk.words.copy.format(fresh=schema.rows(identity, fresh), table=table))


def widen(desk: Desk, table: str, before: Manifest, after: Manifest) -> None:
    """Add the columns that a table lacks; none does where that would end the transaction."""
    for name, column in after.columns.items():
        if name not in before.columns:
            desk.run(f"ALTER TABLE {table} ADD COLUMN {column} {desk.words.column(after.types[name])}")


def selected(manifest: Manifest, alias: str = "s") -> str:
    """The columns of stored rows, in the order that `stored_names` has them."""
    return ", ".join(f"{alias}.{column}" for column in (*manifest.columns.values(), *FIXED))


def stored_names(manifest: Manifest) -> tuple[str, ...]:
    """Our names of those columns."""
    return (*manifest.columns, *FIXED)


def arrow_types(manifest: Manifest, offset: int = 0) -> dict[int, pa.DataType]:
    """Their Arrow types by position, so that no driver need guess."""
    empty = pl.DataFrame(schema={name: dtype(manifest.types[name]) for name in manifest.columns})
    types = [*empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema.types, pa.string(), pa.int64()]
    return {offset + at: kind for at, kind in enumerate(types)}


def as_stored(batch: pa.RecordBatch, manifest: Manifest) -> pl.DataFrame:
    """A batch of those columns as rows of a snapshot: `k:`, `m:`, `f:`, `record_id`, `unknown`."""
    frame = pl.DataFrame(Capsule(batch))
    return known(
        frame.select(
            *(pl.col(name).cast(dtype(kind)) for name, kind in manifest.types.items()),
            pl.col("record_id").cast(pl.String),
            pl.col("layout").cast(pl.Int64),
        ),
        manifest,
    )


def known(frame: pl.DataFrame, manifest: Manifest) -> pl.DataFrame:
    """The rows with what is unknown of each, in place of the number of its layout."""
    everything = {*manifest.fields, *(name for name in manifest.types if name[:2] == "f:")}
    absent = [pl.lit(None).alias(name) for name in manifest.fields if name not in manifest.types]
    lacking = [sorted(name[2:] for name in everything - set(layout)) for layout in manifest.layouts]
    numbers = pl.Series("layout", range(len(lacking)), dtype=pl.Int64)
    told = pl.DataFrame([numbers, pl.Series("unknown", lacking, dtype=UNKNOWN)])
    return frame.with_columns(absent).join(told, on="layout", how="left", maintain_order="left").drop("layout")


def read(desk: Desk, table: str, manifest: Manifest) -> Iterator[pl.DataFrame]:
    """Stored rows, batch by batch."""
    sql = f"SELECT {selected(manifest)} FROM {table} AS s"  # noqa: S608 - our own names
    names, types = stored_names(manifest), arrow_types(manifest)
    for batch in desk.stream(sql, names, types, BATCH):
        yield as_stored(batch, manifest)


def read_near(
    desk: Desk, table: str, manifest: Manifest, values: pl.DataFrame, names: Sequence[str], fold: Iterable[str] = ()
) -> pl.DataFrame:
    """Stored rows that have one of these combinations of values in some columns, under the stored types.

    Texts of columns in `fold` are compared without case and blanks, rather too coarsely than too finely.
    """
    columns = {name: manifest.types[name] for name in names}
    folds, words, found = set(fold), desk.words, []
    for part in sliced(values.select(names).unique(), words.batch, words.size):
        with desk.values(part, columns) as (given, parameters):
            pairs = [
                (words.compared(f"s.{manifest.columns[name]}", kind), words.compared(f"v.v{at}", kind))
                if name not in folds or kind.kind != "string"
                else (_folded(words, f"s.{manifest.columns[name]}"), _folded(words, f"v.v{at}"))
                for at, (name, kind) in enumerate(columns.items())
            ]
            sql = f"SELECT {selected(manifest)} FROM {_near(words, table, given, pairs)}"  # noqa: S608
            found.append(_gathered(desk, sql, parameters, manifest))
    rows = pl.concat(found)
    # Rows have keys of their own; what is alike but for case may have been asked for in several parts.
    return rows.unique([name for name in rows.columns if name[:2] == "k:"]) if len(found) > 1 else rows


def held_ids(desk: Desk, table: str, ids: pl.Series) -> set[str]:
    """Which of some record ids stored rows have."""
    words, found = desk.words, set[str]()
    pair = (words.compared("s.record_id", TEXT), words.compared("v.v0", TEXT))
    for part in sliced(ids.alias("id").to_frame(), words.batch, words.size):
        with desk.values(part, {"id": TEXT}) as (given, parameters):
            sql = f"SELECT s.record_id FROM {_near(words, table, given, [pair])}"  # noqa: S608 - our own names
            found.update(str(record_id) for (record_id,) in desk.rows(sql, parameters))
    return found


def _near(words: Words, table: str, given: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Where the stored rows come from that have one of the given combinations."""
    own, theirs = zip(*pairs, strict=True)
    return words.near.format(
        table=table,
        given=given,
        equal=" AND ".join(f"{mine} = {other}" for mine, other in pairs),
        own=", ".join(own),
        theirs=", ".join(theirs),
        named=", ".join(f"{term} AS d{at}" for at, term in enumerate(theirs)),
        joined=" AND ".join(f"{term} = d.d{at}" for at, term in enumerate(own)),
    )


def read_twins(desk: Desk, table: str, manifest: Manifest, names: Sequence[str], fold: Iterable[str]) -> pl.DataFrame:
    """Stored rows whose values in some columns another row has as well."""
    folds = set(fold)
    terms = [
        _folded(desk.words, f"{{0}}.{manifest.columns[name]}")
        if name in folds and manifest.types[name].kind == "string"
        else desk.words.compared(f"{{0}}.{manifest.columns[name]}", manifest.types[name])
        for name in names
    ]
    own, others = ([term.replace("{0}", alias) for term in terms] for alias in ("s", "o"))
    alike = " AND ".join(f"{a} = d.t{at}" for at, a in enumerate(own))
    shown = ", ".join(f"{b} AS t{at}" for at, b in enumerate(others))
    sql = (
        f"SELECT {selected(manifest)} FROM {table} AS s JOIN (SELECT {shown} FROM {table} AS o "  # noqa: S608
        f"GROUP BY {', '.join(others)} HAVING count(*) > 1) AS d ON {alike}"
    )
    return _gathered(desk, sql, [], manifest)


def _folded(words: Words, term: str) -> str:
    return words.fold.replace("{0}", term)


def _gathered(desk: Desk, sql: str, parameters: Sequence[object], manifest: Manifest) -> pl.DataFrame:
    names, types = stored_names(manifest), arrow_types(manifest)
    found = [as_stored(batch, manifest) for batch in desk.stream(sql, names, types, BATCH, parameters)]
    return pl.concat(found)


def written(
    frame: pl.DataFrame, manifest: Manifest, layout: int, revision: int
) -> tuple[list[str], pl.DataFrame, Mapping[str, LogicalType]]:
    """Rows of a snapshot as the table takes them: its columns, the frame, and the frame's types."""
    there = {name: kind for name, kind in manifest.types.items() if name in frame.columns}
    made = frame.select(
        *there,
        pl.col("record_id").cast(pl.String),
        pl.lit(layout, pl.Int64).alias("layout"),
        pl.lit(revision, pl.Int64).alias("revision"),
    )
    types = {**there, "record_id": TEXT, "layout": NUMBER, "revision": NUMBER}
    return [*(manifest.columns[name] for name in there), *FIXED, "revision"], made, types


def append(desk: Desk, table: str, manifest: Manifest, rows: pl.DataFrame, revision: int) -> Manifest:
    """Write rows of a snapshot (`k:`, `m:`, `f:`, `record_id`, `unknown`); gives the manifest with their layouts."""
    fields = {name for name in rows.columns if name[:2] == "f:"}
    rows = _without_odd(rows, sorted(fields), desk.words)
    some = bool(rows["unknown"].list.len().sum())
    alike = pl.col("unknown").list.sort().list.join("\0").alias("alike")
    for part in rows.with_columns(alike).partition_by("alike", include_key=False) if some else [rows]:
        unknown = {f"f:{name}" for name in part["unknown"][0]} if part.height else set()
        manifest, layout = manifest.layout(tuple(fields - unknown))
        names, frame, types = written(part, manifest, layout, revision)
        desk.load(table, names, frame, types)
    return manifest


def _odd(values: pl.Series, words: Words) -> pl.Series | None:
    """Which of the values no column there can hold; None where it can hold all of the type."""
    if values.dtype == pl.String and not words.nul:
        return values.str.contains("\0", literal=True).fill_null(value=False)
    if values.dtype == pl.Float64 and words.odd_floats:
        odd = values.is_nan() | values.is_infinite() if "infinite" in words.odd_floats else values.is_nan()
        if "subnormal" in words.odd_floats:
            odd |= (values != 0) & (values.abs() < sys.float_info.min)
        return odd.fill_null(value=False)
    return None


def _without_odd(rows: pl.DataFrame, fields: Sequence[str], words: Words) -> pl.DataFrame:
    """Values that nothing there can hold, which only a destination may have, count as unknown: they differ anyway."""
    for name in fields:
        odd = _odd(rows[name], words)
        if odd is not None and odd.any():
            longer = pl.col("unknown").list.set_union(pl.lit([name[2:]], dtype=UNKNOWN))
            rows = rows.with_columns(
                pl.when(pl.lit(odd)).then(None).otherwise(pl.col(name)).alias(name),
                pl.when(pl.lit(odd)).then(longer).otherwise("unknown").alias("unknown"),
            )
    return rows


def claim(desk: Desk, schema: Schema, identity: Identity) -> None:
    """Hold a snapshot's row among the manifests until the transaction ends; where there is none, make an empty one."""
    mark, values = desk.words.mark, {"digest": identity.digest, "sync": identity.sync}
    for statement, names in desk.words.claim:
        desk.run(statement.format(manifests=schema.manifests(identity), mark=mark), [values[name] for name in names])
    if desk.words.locks:
        held = f"SELECT 1 FROM {schema.manifests(identity)} WHERE digest = {mark} FOR UPDATE"  # noqa: S608 - our names
        desk.rows(held, [identity.digest])


def remove(desk: Desk, table: str, manifest: Manifest, keys: pl.DataFrame, types: Mapping[str, LogicalType]) -> int:
    """Delete the rows with one of these keys (`k:`), which are of those types; gives how many there were."""
    columns = {name: manifest.types[name] for name in keys.columns}
    stored = keys.select(convert_rows(keys[name], types[name], kind).alias(name) for name, kind in columns.items())
    if not stored.drop_nulls().height:
        return 0
    words = desk.words
    equal = " AND ".join(
        f"{words.compared(words.own + manifest.columns[name], kind)} = {words.compared(f'v.v{at}', kind)}"
        for at, (name, kind) in enumerate(columns.items())
    )
    return _remove(desk, table, stored.drop_nulls(), columns, equal)


def _remove(desk: Desk, table: str, values: pl.DataFrame, columns: Mapping[str, LogicalType], equal: str) -> int:
    gone, words = 0, desk.words
    for part in [values] if words.staged else sliced(values, words.batch, words.size):
        with desk.values(part, columns, table) as (given, parameters):
            gone += desk.run(words.delete.format(table=table, given=given, equal=equal), parameters)
    return gone


def bodies(desk: Desk, schema: Schema, identity: Identity) -> list[str]:
    """What is said of a sync's snapshots; where each has a table of its own, of others than this one."""
    if not desk.words.copy:
        if not desk.has_table(schema.name, MANIFESTS):
            return []
        sql = f"SELECT body FROM {schema.manifests(identity)} WHERE sync = {desk.words.mark}"  # noqa: S608
        return [body for (body,) in desk.rows(sql, [identity.sync])]
    own = schema.manifest_name(identity)
    names = sorted(name for name in desk.listed(schema.name, manifests_of(identity.sync)) if name != own)
    tables = [schema.words.place(schema.name, name) for name in names]
    return [body for table in tables for (body,) in desk.rows(f"SELECT body FROM {table}")]  # noqa: S608


def identity_in(body: str) -> Identity | None:
    """Whose snapshot a manifest is of; None where it says nothing of the kind, or has no rows here."""
    try:
        said = json.loads(body)
        return Identity.from_dict(said["identity"]) if said["generation"] and not said["moved"] else None
    except (KeyError, TypeError, ValueError):
        return None


def remove_ids(desk: Desk, table: str, ids: pl.Series, before: int) -> int:
    """Delete rows with one of these record ids that were written before a revision; gives how many there were."""
    words, own = desk.words, desk.words.own
    same = f"{words.compared(f'{own}record_id', TEXT)} = {words.compared('v.v0', TEXT)}"
    equal = f"{same} AND {own}revision < {before}"
    return _remove(desk, table, ids.alias("id").to_frame(), {"id": TEXT}, equal)
