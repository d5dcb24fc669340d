"""What a schema of ours has, asked by queries in the words of a dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.pushdown.words import Words


class Catalogued:
    """The part of a desk that looks for schemas and tables."""

    words: Words

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        raise NotImplementedError

    def has_schema(self, schema: str) -> bool:
        """Whether there is such a schema."""
        return not self.words.find_schema or bool(self.rows(self.words.find_schema, [schema]))

    def has_table(self, schema: str, table: str) -> bool:
        """Whether a schema has such a table."""
        return bool(self.rows(self.words.find_table, [schema, table]))

    def listed(self, schema: str, beginning: str) -> Mapping[str, datetime | None]:
        """Tables whose names begin so; none where no dialect needs to know."""
        if not self.words.find_tables:
            return {}
        found = self.rows(self.words.find_tables, [schema, f"{beginning}%"])
        return {row[0]: None for row in found if row[0].lower().startswith(beginning)}
