"""The state database as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tailrace.state.access import Access
from tailrace.state.accounts import Accounts
from tailrace.state.alerts import Alerts
from tailrace.state.browse import Browse
from tailrace.state.controls import Controls
from tailrace.state.database import BUSY_S, connect
from tailrace.state.holds import Holds
from tailrace.state.keys import Keys
from tailrace.state.leases import Leases
from tailrace.state.migrate import ensure_current
from tailrace.state.retention import Retention
from tailrace.state.runs import Runs
from tailrace.state.totals import Totals

if TYPE_CHECKING:
    from tailrace.state.limits import AccountLimits


class StateDB(Leases, Runs, Browse, Holds, Accounts, Keys, Retention, Controls, Alerts, Totals, Access):
    """Leases, runs, row issues, holds, accounts, budgets, what people ask for, and who may, in SQLite or PostgreSQL.

    The journal of a run is `tailrace.state.journal.Journal`.
    """

    @classmethod
    def open(
        cls, url: str, base_dir: Path, *, busy_s: float = BUSY_S, clock: Callable[[], float] | None = None
    ) -> Self:
        """Open, and create or migrate where needed; StateError says what is wrong and what to do.

        `busy_s` is how long to wait for another process's transaction; `clock` replaces the time.
        """
        engine, where = connect(url, base_dir, busy_s)
        database = cls(engine, where, clock)
        try:
            ensure_current(database)
        except BaseException:
            database.close()
            raise
        return database

    def limits(self, account: str) -> AccountLimits:
        """The budget of one account, by the name that all who use the account give it."""
        from tailrace.state.limits import AccountLimits  # noqa: PLC0415 - a plan needs none

        return AccountLimits(self, account)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
