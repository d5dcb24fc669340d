"""Finds out in the warehouse which rows need a look, and fetches them: those of the model, and stored ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from tailrace.pushdown.tables import arrow_types, as_stored, selected, stored_names
from tailrace.pushdown.words import Sort
from tailrace.warehouses.projection import known_types

if TYPE_CHECKING:
    from tailrace.changes import DiffSpec
    from tailrace.diff.changefiles import FrameFile
    from tailrace.pushdown.desk import Desk
    from tailrace.pushdown.manifest import Manifest
    from tailrace.pushdown.partial import Partial
    from tailrace.pushdown.words import Words
    from tailrace.warehouses.base import Projection

HERE = "here"


@dataclass
class Counted:
    """Rows, as they were counted."""

    model: int = 0
    """Of the model."""
    new: int = 0
    """Of the model, whose key no stored row has."""
    gone: int = 0
    """Stored, whose key the model does not have."""
    pairs: int = 0
    """Of the model and stored, with one key, that may differ."""
    hits: int = 0
    """Of the model, that are stored as they are and were left in the warehouse."""


@dataclass
class Narrowing:
    """The statements that compare one projected model with one snapshot."""

    desk: Desk
    table: str
    manifest: Manifest
    projection: Projection
    spec: DiffSpec
    sql: str = ""
    sorts: dict[str, Sort] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)
    sound: bool = True
    """False when the rows do not add up, as where a model gives other rows each time it runs."""

    def __post_init__(self) -> None:
        self.sql = self.desk.compiled(self.projection)
        self.sorts = dict(zip(self.projection.names, self.desk.sorts(self.sql), strict=True))
        for at, kind in known_types(self.projection).items():
            if pa.types.is_boolean(kind):  # that not every warehouse has
                self.sorts[self.projection.names[at]] = Sort("bool")

    @property
    def possible(self) -> bool:
        """Whether the warehouse can tell rows by their keys, and may find any of them unchanged."""
        keys = [self._strict(f"k:{name}") for name in self.spec.key]
        matches = [self._strict(f"m:{name}") for name in self.spec.match]
        return None not in (*keys, *matches) and bool(self._layouts())

    def count(self) -> None:
        """Count the model's rows."""
        self.counted.model = int(self.desk.rows(f"SELECT count(*) FROM (\n{self.sql}\n) AS counted")[0][0])  # noqa: S608

    def batches(self, partial: Partial, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of the model that need a look; stored ones are put aside as they come by."""
        counted = self.counted
        with partial.file() as file:
            yield from self._read(self._differing(), partial, file, rows)
            counted.hits = counted.model - counted.new - counted.pairs
            alone = counted.hits == self.manifest.rows - counted.gone - counted.pairs
            if not alone:
                yield from self._repeated(partial, file, rows)
        if not alone:
            partial.once([f"k:{name}" for name in self.spec.key])

    def _repeated(self, partial: Partial, file: FrameFile, rows: int) -> Iterator[pa.RecordBatch]:
        """Rows of the model that share a key, and that it had left there: none of them may count as known."""
        keys, counted = [self._stored_key(name) for name in self.spec.key], self.counted
        shown = ", ".join(f"{key} AS d{at}" for at, key in enumerate(keys))
        twice = (
            f"SELECT {shown}, count(*) AS n, sum(CASE WHEN {self._words.true.format(self._hit())} THEN 1 ELSE 0 END) "  # noqa: S608
            f"AS hits FROM {self._both('JOIN')} GROUP BY {', '.join(keys)} HAVING count(*) > 1"
        )
        found = self.desk.rows(f"SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM ({twice}) AS t")  # noqa: S608
        groups, members, hits = (int(value) for value in found[0])
        self.sound = counted.hits + counted.pairs - members + groups + counted.gone == self.manifest.rows
        if hits and self.sound:
            equal = " AND ".join(f"t.d{at} = {key}" for at, key in enumerate(keys))
            both = f"{self._both('JOIN')} JOIN ({twice}) AS t ON {equal}"
            query = self._query(both, self._words.true.format(self._hit()))
            pairs = counted.pairs
            yield from self._read(query, partial, file, rows)
            self.sound = counted.pairs == pairs + hits
            counted.hits -= hits

    def _read(self, query: str, partial: Partial, file: FrameFile, rows: int) -> Iterator[pa.RecordBatch]:
        names = self.projection.names
        theirs = {at: sort.arrow for at, sort in enumerate(self.sorts.values()) if sort.arrow is not None}
        known = theirs | known_types(self.projection) | {len(names): pa.bool_()}
        known |= arrow_types(self.manifest, len(names) + 1)
        stored = stored_names(self.manifest)
        columns = [*(f"model {name}" for name in names), HERE, *stored]
        for batch in self.desk.stream(query, columns, known, rows):
            here, there = batch.column(HERE).is_valid(), batch.column("layout").is_valid()
            theirs = batch.select(stored).filter(there)
            partial.add(file, as_stored(theirs, self.manifest))
            ours = batch.select(columns[: len(names)]).filter(here).rename_columns(list(names))
            both = theirs.num_rows + ours.num_rows - batch.num_rows
            self.counted.pairs += both
            self.counted.new += ours.num_rows - both
            self.counted.gone += theirs.num_rows - both
            yield ours

    def _differing(self) -> str:
        """The rows of both sides that are not known to be equal."""
        untrue = self._words.untrue.format(self._hit())
        if self._words.full_join:
            return self._query(self._both("FULL JOIN"), untrue)
        # Keys as columns, so that both joins can look rows up by them.
        terms = [self._key_terms(name) for name in self.spec.key]
        keys = ", ".join(f"{model} AS j{at}" for at, (model, _) in enumerate(terms))
        equal = " AND ".join(f"m.j{at} = {stored}" for at, (_, stored) in enumerate(terms))
        nothing = ", ".join(["NULL"] * (len(self.projection.names) + 1))
        there, found = self._looked_up([stored for _, stored in terms])
        return (
            f"WITH m AS (SELECT {self._words.yes} AS here, p.*, {keys} FROM (\n{self.sql}\n) AS p) "  # noqa: S608
            f"{self._query(f'm LEFT JOIN {self.table} AS s ON {equal}', untrue)} "
            f"UNION ALL SELECT {nothing}, {selected(self.manifest)} "
            f"FROM {self.table} AS s LEFT JOIN (SELECT DISTINCT {there} FROM m) AS d ON {found} WHERE d.j0 IS NULL"
        )

    def _looked_up(self, stored: Sequence[str]) -> tuple[str, str]:
        """The model's keys as a list to look up, and how stored ones are found in it."""
        columns = {f"j{at}": f"j{at}" for at in range(len(stored))}
        equal = [f"d.j{at} = {term}" for at, term in enumerate(stored)]
        for at, name in enumerate(self.spec.key):
            if self._words.short and self.manifest.types[f"k:{name}"].kind == "string":
                columns[f"b{at}"] = f"{self._words.short.format(f'j{at}')} AS b{at}"
                equal.append(f"d.b{at} = {self._words.short.format(stored[at])}")
        return ", ".join(columns.values()), " AND ".join(equal)

    def _stored_key(self, name: str) -> str:
        column = f"k:{name}"
        return self._words.compared(f"s.{self.manifest.columns[column]}", self.manifest.types[column])

    def _key_terms(self, name: str) -> tuple[str, str]:
        column = f"k:{name}"
        at, kind = self.projection.names.index(column), self.manifest.types[column]
        terms = self._words.equal(f"p.c{at}", self.sorts[column], f"s.{self.manifest.columns[column]}", kind)
        assert terms is not None  # noqa: S101 - else this comparison is not possible
        return terms.model, terms.stored

    def _query(self, source: str, where: str) -> str:
        columns = ", ".join(f"m.c{at}" for at in range(len(self.projection.names)))
        return f"SELECT {columns}, m.here, {selected(self.manifest)} FROM {source} WHERE {where}"  # noqa: S608

    def _both(self, join: str) -> str:
        equal = " AND ".join(str(self._strict(f"k:{name}")) for name in self.spec.key)
        model = f"(SELECT {self._words.yes} AS here, p.* FROM (\n{self.sql}\n) AS p) AS m"  # noqa: S608 - bracketed
        return f"{model} {join} {self.table} AS s ON {equal}"

    def _hit(self) -> str:
        """Whether a row of the model is what is stored, so that nothing needs to be done."""
        layouts = self._layouts()
        known = "s.layout IS NOT NULL"
        if len(layouts) < len(self.manifest.layouts):
            known = f"s.layout IN ({', '.join(map(str, layouts))})"
        parts = ["m.here IS NOT NULL", known]
        parts += [str(self._strict(f"m:{name}")) for name in self.spec.match]
        parts += [text for name in self.spec.fields if (text := self._field(name))]
        return " AND ".join(f"({part})" for part in parts)

    def _field(self, name: str) -> str | None:
        column = f"f:{name}"
        if name in self.spec.create_only:
            return None
        model, stored = self._model(column), self.manifest.columns.get(column)
        empty = f"{model} IS NULL"
        if stored is None:
            return empty  # no row has a value there
        if name in self.spec.fill_empty:
            return f"s.{stored} IS NOT NULL OR {empty}"
        same = self._words.same(model, self.sorts[column], f"s.{stored}", self.manifest.types[column])
        return f"{empty} OR {same}" if name in self.spec.skip_nulls else same

    def _layouts(self) -> Sequence[int]:
        """Numbers of the layouts that have all fields that are compared."""
        left_out = self.spec.create_only | self.spec.fill_empty
        wanted = {f"f:{name}" for name in self.spec.fields if name not in left_out}
        return [number for number, layout in enumerate(self.manifest.layouts) if wanted <= set(layout)]

    def _strict(self, column: str) -> str | None:
        stored = self.manifest.columns.get(column)
        if stored is None:
            return None
        return self._words.strict(self._model(column), self.sorts[column], f"s.{stored}", self.manifest.types[column])

    def _model(self, column: str) -> str:
        return f"m.c{self.projection.names.index(column)}"

    @property
    def _words(self) -> Words:
        return self.desk.words
