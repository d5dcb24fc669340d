"""The tables of snapshots in a warehouse: making them, reading rows of them, writing rows to them.

`tailrace_snapshots` has a manifest for each snapshot, whose rows are in `snapshot_DIGEST`: typed columns (`k0`, `m0`,
`f0` …; the manifest says which is which), `record_id`, `layout` (the number of the set of fields that are known of the
row, which the manifest has) and `revision` (that wrote it).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from tailrace.canonical.convert import convert_rows
from tailrace.canonical.source import Capsule
from tailrace.canonical.types import dtype
from tailrace.pushdown.words import quoted
from tailrace.snapshot.identity import Identity
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk
    from tailrace.pushdown.manifest import Manifest

MANIFESTS = "tailrace_snapshots"
UNKNOWN = pl.List(pl.String)
FIXED = ("record_id", "layout")
TEXT, NUMBER = LogicalType("string"), LogicalType("int64")
BATCH = 65_536


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of tables in the schema of ours."""

    name: str

    @property
    def manifests(self) -> str:
        """The table of manifests."""
        return f"{quoted(self.name)}.{MANIFESTS}"

    def rows(self, identity: Identity) -> str:
        """The table of a snapshot's rows."""
        return f"{quoted(self.name)}.{table_name(identity)}"


def table_name(identity: Identity) -> str:
    """The name of a snapshot's table within the schema."""
    return f"snapshot_{identity.digest}"


def exists(desk: Desk, schema: str, table: str) -> bool:
    """Whether there is such a table."""
    return bool(desk.rows(desk.words.find_table, [schema, table]))


def has_schema(desk: Desk, schema: str) -> bool:
    """Whether there is such a schema."""
    return bool(desk.rows(desk.words.find_schema, [schema]))


def make_schema(desk: Desk, schema: str) -> None:
    """Make the schema where it is not there yet; until the transaction ends nobody else makes it, or tables in it."""
    if desk.words.alone:
        desk.rows(desk.words.alone)  # else two that make the same thing at the same time would fail
    if not has_schema(desk, schema):
        desk.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")


def prepare(desk: Desk, schema: Schema) -> None:
    """Make the schema and the table of manifests where they are not there yet."""
    if exists(desk, schema.name, MANIFESTS):
        return
    make_schema(desk, schema.name)
    if not exists(desk, schema.name, MANIFESTS):
        text = desk.words.column(TEXT)
        desk.run(
            f"CREATE TABLE IF NOT EXISTS {schema.manifests} (digest {text} NOT NULL PRIMARY KEY, sync {text} NOT NULL, "
            f"revision {desk.words.column(NUMBER)} NOT NULL, body {text} NOT NULL)"
        )


def create(desk: Desk, table: str, manifest: Manifest) -> None:
    """Make a snapshot's table."""
    words = desk.words
    columns = [f"{column} {words.column(manifest.types[name])}" for name, column in manifest.columns.items()]
    text, number = words.column(TEXT), words.column(NUMBER)
    fixed = [f"record_id {text}", f"layout {number} NOT NULL", f"revision {number} NOT NULL"]
    desk.run(f"CREATE TABLE {table} ({', '.join([*columns, *fixed])})")


def widen(desk: Desk, table: str, before: Manifest, after: Manifest) -> None:
    """Add the columns that a table lacks."""
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
    with desk.values(values.select(names).unique(), columns) as (given, parameters):
        pairs = [
            (f"s.{manifest.columns[name]}", f"v.v{at}", name in set(fold) and kind.kind == "string")
            for at, (name, kind) in enumerate(columns.items())
        ]
        alike = " AND ".join(_alike(desk, *pair) for pair in pairs)
        sql = (
            f"SELECT {selected(manifest)} FROM {table} AS s "  # noqa: S608 - our own names
            f"WHERE EXISTS (SELECT 1 FROM {given} AS v WHERE {alike})"
        )
        return _gathered(desk, sql, parameters, manifest)


def read_twins(desk: Desk, table: str, manifest: Manifest, names: Sequence[str], fold: Iterable[str]) -> pl.DataFrame:
    """Stored rows whose values in some columns another row has as well."""
    folds = set(fold)
    terms = [
        desk.words.fold.replace("{0}", f"{{0}}.{manifest.columns[name]}")
        if name in folds and manifest.types[name].kind == "string"
        else f"{{0}}.{manifest.columns[name]}"
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


def _alike(desk: Desk, stored: str, given: str, fold: bool) -> str:  # noqa: FBT001 - of the pair
    if not fold:
        return f"{stored} = {given}"
    return f"{desk.words.fold.replace('{0}', stored)} = {desk.words.fold.replace('{0}', given)}"


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
    rows = rows if desk.words.nul else _without_nul(rows, sorted(fields))
    some = bool(rows["unknown"].list.len().sum())
    alike = pl.col("unknown").list.sort().list.join("\0").alias("alike")
    for part in rows.with_columns(alike).partition_by("alike", include_key=False) if some else [rows]:
        unknown = {f"f:{name}" for name in part["unknown"][0]} if part.height else set()
        manifest, layout = manifest.layout(tuple(fields - unknown))
        names, frame, types = written(part, manifest, layout, revision)
        desk.load(table, names, frame, types)
    return manifest


def _without_nul(rows: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """Values that no text there can hold, which only a destination may have, count as unknown: they differ anyway."""
    for name in fields:
        if rows.schema[name] != pl.String:
            continue
        odd = rows[name].str.contains("\0", literal=True).fill_null(value=False)
        if odd.any():
            longer = pl.col("unknown").list.set_union(pl.lit([name[2:]], dtype=UNKNOWN))
            rows = rows.with_columns(
                pl.when(pl.lit(odd)).then(None).otherwise(pl.col(name)).alias(name),
                pl.when(pl.lit(odd)).then(longer).otherwise("unknown").alias("unknown"),
            )
    return rows


def claim(desk: Desk, schema: Schema, identity: Identity) -> None:
    """Hold a snapshot's row among the manifests until the transaction ends; where there is none, make an empty one."""
    mark = desk.words.mark
    columns = f"{schema.manifests} (digest, sync, revision, body)"
    desk.run(
        f"INSERT INTO {columns} VALUES ({mark}, {mark}, 0, '') ON CONFLICT (digest) DO NOTHING",  # noqa: S608
        [identity.digest, identity.sync],
    )
    if desk.words.locks:
        desk.rows(f"SELECT 1 FROM {schema.manifests} WHERE digest = {mark} FOR UPDATE", [identity.digest])  # noqa: S608


def remove(desk: Desk, table: str, manifest: Manifest, keys: pl.DataFrame, types: Mapping[str, LogicalType]) -> int:
    """Delete the rows with one of these keys (`k:`), which are of those types; gives how many there were."""
    columns = {name: manifest.types[name] for name in keys.columns}
    stored = keys.select(convert_rows(keys[name], types[name], kind).alias(name) for name, kind in columns.items())
    if not stored.drop_nulls().height:
        return 0
    equal = " AND ".join(f"s.{manifest.columns[name]} = v.v{at}" for at, name in enumerate(columns))
    with desk.values(stored.drop_nulls(), columns) as (given, parameters):
        return desk.run(f"DELETE FROM {table} AS s USING {given} AS v WHERE {equal}", parameters)  # noqa: S608


def identity_in(body: str) -> Identity | None:
    """Whose snapshot a manifest is of; None where it says nothing of the kind, or has no rows here."""
    try:
        said = json.loads(body)
        return Identity.from_dict(said["identity"]) if said["generation"] and not said["moved"] else None
    except (KeyError, TypeError, ValueError):
        return None


def remove_ids(desk: Desk, table: str, ids: pl.Series, before: int) -> int:
    """Delete rows with one of these record ids that were written before a revision; gives how many there were."""
    with desk.values(ids.alias("id").to_frame(), {"id": TEXT}) as (given, parameters):
        sql = f"DELETE FROM {table} AS s USING {given} AS v WHERE s.record_id = v.v0 AND s.revision < {before}"  # noqa: S608
        return desk.run(sql, parameters)
