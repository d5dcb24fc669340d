"""The statements a batch needs. Names are quoted by the dialect; values are bound, never written out.

Parameters are named by position: `v0`, `v1` … for the written columns, `m0`, `m1` … for those of the WHERE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert

ON_CONFLICT = frozenset({"postgresql", "sqlite"})
ON_DUPLICATE_KEY = frozenset({"mysql", "mariadb"})
_AS_IT_IS = sa.types.NullType()
"""Keeps SQLAlchemy from casting a value to the type it guesses: the database knows its own column's."""
_INSERTS: dict[str, Any] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
    "mysql": mysql.insert,
    "mariadb": mysql.insert,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement's text for the driver, and the way it wants its parameters.

    Values are given with those of the written columns first, then those of the WHERE.
    """

    text: str
    names: tuple[str, ...]
    order: tuple[int, ...] | None
    """For drivers that take parameters by position: which of the values goes where. None: they go by name."""

    def parameters(self, values: Sequence[tuple[Any, ...]]) -> Any:
        """Arrange many rows' values as the driver takes them."""
        if self.order is None:
            return [dict(zip(self.names, row, strict=True)) for row in values]
        if self.order == tuple(range(len(self.names))):
            return values
        order = self.order
        return [tuple([row[place] for place in order]) for row in values]  # a list first: faster than a generator


def prepare(statement: Any, dialect: sa.Dialect) -> Prepared:
    """Compile a statement once, so that rows need not go through SQLAlchemy's parameter processing."""
    compiled = statement.compile(dialect=dialect)
    names = sorted(compiled.bind_names.values(), key=lambda name: (name[0] != "v", int(name[1:])))
    # SQLAlchemy writes columns in the table's order, whatever the order they were given in.
    order = tuple(map(names.index, compiled.positiontup)) if compiled.positional else None
    return Prepared(str(compiled), tuple(names), order)


def value_names(count: int) -> tuple[str, ...]:
    """Give the parameter names of that many written columns."""
    return tuple(f"v{index}" for index in range(count))


def match_names(count: int) -> tuple[str, ...]:
    """Give the parameter names of that many match columns in a WHERE."""
    return tuple(f"m{index}" for index in range(count))


def insert(table: sa.TableClause, columns: Sequence[str], dialect: str = "") -> Any:
    """INSERT of those columns, in the dialect's own class so that it can grow a conflict clause."""
    made = _INSERTS.get(dialect, sa.insert)(table)
    names = value_names(len(columns))
    return made.values({column: sa.bindparam(name) for column, name in zip(columns, names, strict=True)})


def insert_absent(table: sa.TableClause, columns: Sequence[str], match: Sequence[str], dialect: str) -> Insert:
    """INSERT that does nothing when the match values are there; for dialects in ON_CONFLICT."""
    made: Insert = insert(table, columns, dialect).on_conflict_do_nothing(index_elements=list(match))
    return made


def upsert(table: sa.TableClause, columns: Sequence[str], match: Sequence[str], dialect: str) -> Insert:
    """INSERT, or UPDATE of the other columns when the match values are there."""
    made = insert(table, columns, dialect)
    others = [column for column in columns if column not in match]
    done: Insert
    if dialect in ON_DUPLICATE_KEY:
        done = made.on_duplicate_key_update({column: made.inserted[column] for column in others or match})
    elif others:
        new = {column: made.excluded[column] for column in others}
        done = made.on_conflict_do_update(index_elements=list(match), set_=new)
    else:
        done = made.on_conflict_do_nothing(index_elements=list(match))
    return done


def update(table: sa.TableClause, columns: Sequence[str], match: Sequence[str]) -> sa.Update:
    """UPDATE of those columns where the match values are equal; with no columns it writes the match onto itself."""
    names = value_names(len(columns))
    new: dict[str, Any] = {column: sa.bindparam(name) for column, name in zip(columns, names, strict=True)}
    return table.update().where(_equal(table, match)).values(new or {match[0]: table.c[match[0]]})


def delete(table: sa.TableClause, match: Sequence[str]) -> sa.Delete:
    """DELETE where the match values are equal."""
    return table.delete().where(_equal(table, match))


def select(table: sa.TableClause, columns: Sequence[str], match: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> Any:
    """SELECT of match columns and others for any of the encoded match values."""
    wanted = sa.select(*(table.c[name] for name in (*match, *columns)))
    if len(match) == 1:
        values = sa.bindparam(None, [key[0] for key in keys], type_=_AS_IT_IS, expanding=True)
        return wanted.where(table.c[match[0]].in_(values))
    return wanted.where(sa.or_(*(_is(table, match, key) for key in keys)))


def _is(table: sa.TableClause, match: Sequence[str], key: tuple[Any, ...]) -> sa.ColumnElement[bool]:
    pairs = zip(match, key, strict=True)
    return sa.and_(*(table.c[name] == sa.bindparam(None, value, type_=_AS_IT_IS) for name, value in pairs))


def _equal(table: sa.TableClause, match: Sequence[str]) -> sa.ColumnElement[bool]:
    names = match_names(len(match))
    return sa.and_(*(table.c[column] == sa.bindparam(name) for column, name in zip(match, names, strict=True)))
