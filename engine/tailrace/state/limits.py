"""The budgets of accounts in the state database, shared by every process that uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.limits import Books, Spent, Standing
from tailrace.limits.windows import shortened
from tailrace.state.calls import add_calls, calls_since, forget_calls
from tailrace.state.database import Database, insert_into
from tailrace.state.schema import limit_windows, limits, permits

ACCOUNT_LENGTH = 200
_MOST = 2**31 - 1
"""Largest number that a column of quotas holds."""


class AccountLimits:
    """Implements `tailrace.limits.Store`. Its writes are no more durable than need be: a power cut ends all windows."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database.lax
        self._account = shortened(account, ACCOUNT_LENGTH)
        self._tidied_at: int | None = None

    def look(self) -> tuple[float, Standing]:
        """The time and the account's standing."""
        with self._database.reading() as connection:
            return self._database.now(connection), self._standing(connection) or Standing()

    @contextmanager
    def books(self, names: Sequence[str] = ()) -> Iterator[Books]:
        """A transaction; others of the same account wait until it ends."""
        with self._database.transaction() as connection:
            standing = self._locked(connection)
            taken = self._taken(connection, names)
            books = _Books(self._database, connection, self._account, replace(standing), taken)
            yield books
            books.close(standing)
            self._tidied_at = forget_calls(connection, self._account, books.now, self._tidied_at)

    def calls_since(self, seconds: float) -> int:
        """Requests to the account within the last so many seconds, a day at most, by whomever shares the database."""
        with self._database.reading() as connection:
            return calls_since(connection, self._account, self._database.now(connection), seconds)

    def _locked(self, connection: Connection) -> Standing:
        standing = self._standing(connection, lock=True)
        if standing is None:
            first = self._database.insert(limits).values(account=self._account, **_row(Standing()))
            connection.execute(first.on_conflict_do_nothing())
            standing = self._standing(connection, lock=True)
        return standing or Standing()

    def _standing(self, connection: Connection, *, lock: bool = False) -> Standing | None:
        query = _STANDING.with_for_update() if lock else _STANDING
        row = connection.execute(query, {"account": self._account}).one_or_none()
        return Standing(*row) if row else None

    def _taken(self, connection: Connection, names: Sequence[str]) -> dict[str, int]:
        if not names:
            return {}
        found = connection.execute(_TAKEN, {"account": self._account, "names": names})
        return {row.name: row.taken for row in found}


class _Books:
    """Implements `tailrace.limits.Books`."""

    def __init__(
        self, database: Database, connection: Connection, account: str, standing: Standing, taken: dict[str, int]
    ) -> None:
        self.now = database.now(connection)
        self.standing = standing
        self._database = database
        self._connection = connection
        self._account = account
        self._known = taken
        self._counts: list[dict[str, Any]] = []
        self._slots: list[dict[str, Any]] = []

    def taken(self, name: str) -> int:
        """Permits given so far in that window."""
        return self._known.get(name, 0)

    def slots(self, wanted: Mapping[str, Collection[int]]) -> Mapping[str, Mapping[int, float]]:
        """The times in those slots."""
        found: dict[str, dict[int, float]] = {name: {} for name in wanted}
        # Each name with each slot: a few too many, but found by the primary key, as pairs are not by SQLite.
        asked = {"account": self._account, "names": list(wanted), "slots": list(set().union(*wanted.values()))}
        for name, slot, at in self._connection.execute(_SLOTS, asked):
            found[name][slot] = at
        return found

    def write(self, name: str, taken: int, slots: Mapping[int, float]) -> None:
        """Keep a window's number of permits, and the times of some slots."""
        self._counts.append({"account": self._account, "name": name, "taken": taken})
        self._slots += [{"account": self._account, "name": name, "slot": slot, "at": at} for slot, at in slots.items()]

    def bring_back(self, latest: float, moment: float) -> None:
        """Set all times after `latest` to `moment`."""
        late = (permits.c.account == self._account) & (permits.c.at > latest)
        self._connection.execute(sa.update(permits).where(late).values(at=moment))

    def count(self, sync: str, spent: Spent) -> None:
        """Add what a sync spent to what is on record."""
        add_calls(self._database, self._connection, self._account, sync, spent, self.now)

    def close(self, before: Standing) -> None:
        """Write down what changed."""
        if self.standing != before:
            changed = sa.update(limits).where(limits.c.account == self._account)
            self._connection.execute(changed.values(_row(self.standing)))
        for table, rows in ((limit_windows, self._counts), (permits, self._slots)):
            if rows:
                self._connection.execute(_upsert(self._database.engine.dialect.name, table), rows)


@cache
def _upsert(dialect: str, table: sa.Table) -> Any:
    """Made once: building a statement takes longer than carrying it out."""
    insert = insert_into(dialect, table)
    keys = [column.name for column in table.primary_key]
    new = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=keys, set_=new)


_ACCOUNT: sa.BindParameter[str] = sa.bindparam("account")
_STANDING = sa.select(*(limits.c[name] for name in Standing.__slots__)).where(limits.c.account == _ACCOUNT)
_TAKEN = sa.select(limit_windows.c.name, limit_windows.c.taken).where(
    limit_windows.c.account == _ACCOUNT, limit_windows.c.name.in_(sa.bindparam("names", expanding=True))
)
_SLOTS = sa.select(permits.c.name, permits.c.slot, permits.c.at).where(
    permits.c.account == _ACCOUNT,
    permits.c.name.in_(sa.bindparam("names", expanding=True)),
    permits.c.slot.in_(sa.bindparam("slots", expanding=True)),
)


def _row(standing: Standing) -> dict[str, Any]:
    row = asdict(standing)
    return row | {name: min(row[name], _MOST) for name in ("quota_left", "quota_max") if row[name] is not None}
