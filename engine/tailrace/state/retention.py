"""How long what runs left behind stays on record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from tailrace.state.database import Database
from tailrace.state.leases import check_token
from tailrace.state.schema import audit, batches, cancels, holds, requests, row_issues, runs

_CHUNK = 500
"""Runs of one statement: SQLite and PostgreSQL both limit bound values."""

AUDIT_S = 366 * 86_400.0
"""Seconds that the audit log is kept, if runs are not kept for longer."""


class Retention(Database):
    """The part of the state database that forgets."""

    def expired_runs(self, sync: str, keep: float, *, most: int) -> list[str]:
        """Runs of the sync that ended more than `keep` seconds ago, the oldest first, at most so many.

        Not among them are runs that recovery needs, as they never recorded an end, and those that sent a row which is
        in trouble: what they sent is needed to settle it.
        """
        troubled = sa.select(row_issues.c.run_id).where(row_issues.c.sync == sync)
        with self.reading() as connection:
            old = (runs.c.sync == sync) & (runs.c.finished_at < self.now(connection) - keep)
            ended = (runs.c.status != "running") & runs.c.run_id.not_in(troubled)
            query = sa.select(runs.c.run_id).where(old, ended).order_by(runs.c.started_at, runs.c.run_id)
            return list(connection.scalars(query.limit(most)))

    def forget_runs(self, sync: str, gone: Sequence[str], keep: float, *, token: int) -> None:
        """Drop these runs with their batches, and what held rows back longer than `keep` seconds ago.

        LeaseLost when the token's lease is no longer the latest.
        """
        with self.transaction() as connection:
            check_token(connection, sync, token)
            for chunk in _chunks(gone):
                connection.execute(sa.delete(batches).where(batches.c.run_id.in_(chunk)))
                connection.execute(sa.delete(runs).where(runs.c.run_id.in_(chunk)))
            past = (holds.c.sync == sync) & (holds.c.last_at < self.now(connection) - keep)
            connection.execute(sa.delete(holds).where(past))

    def forget_steering(self, keep: float) -> None:
        """Drop requests that ended, and cancels, of over `keep` seconds ago; the audit log stays a year at least."""
        with self.transaction() as connection:
            past = self.now(connection) - keep
            connection.execute(sa.delete(requests).where(requests.c.finished_at < past))
            connection.execute(sa.delete(cancels).where(cancels.c.at < past))
            connection.execute(sa.delete(audit).where(audit.c.at < min(past, past + keep - AUDIT_S)))


def _chunks(items: Sequence[str]) -> Iterable[Collection[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
