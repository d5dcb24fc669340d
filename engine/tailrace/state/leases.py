"""Leases: one run per sync, with a fencing token that only grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.clock import stamp
from tailrace.errors import LeaseHeld, LeaseLost, StateError
from tailrace.state.database import Database
from tailrace.state.machine import is_dead, this_machine
from tailrace.state.schema import leases

_YOUNG = 0.6
"""The share of a lease's time within which it is safely ours without asking; it is renewed at a third."""


def uptime() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps, where there is such a one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True)
class Renewed:
    """When a lease was renewed last, by `uptime`."""

    at: float = field(default_factory=uptime)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a sync, as long as it is renewed within `ttl` seconds."""

    database: Database
    sync: str
    token: int
    """Greater than that of every earlier lease of the sync: writes under an older one are refused."""
    ttl: float
    renewed: Renewed = field(default_factory=Renewed)

    def renew(self) -> None:
        """Push the expiry away by `ttl`; LeaseLost when another run has taken the sync over."""
        begun = uptime()
        with self.database.transaction() as connection:
            expires = self.database.now(connection) + self.ttl
            ours = (leases.c.sync == self.sync) & (leases.c.token == self.token) & leases.c.holder.is_not(None)
            if not connection.execute(sa.update(leases).where(ours).values(expires_at=expires)).rowcount:
                raise lost(self.sync)
        self.renewed.at = begun

    def ensure(self) -> None:
        """To be called before something is sent: LeaseLost when the lease may have expired, and is not ours any more.

        A look at a clock, as long as the last renewal is young: a process that was stopped, or a machine that
        slept, finds out here before it sends what another run may have sent meanwhile.
        """
        if uptime() - self.renewed.at > self.ttl * _YOUNG:
            self.renew()

    def release(self) -> None:
        """Give the sync back; nothing happens when the lease is already lost."""
        with self.database.transaction() as connection:
            ours = (leases.c.sync == self.sync) & (leases.c.token == self.token)
            connection.execute(sa.update(leases).where(ours).values(holder=None, expires_at=0.0))

    @contextmanager
    def heartbeat(self) -> Iterator[threading.Event]:
        """Renew every third of `ttl` until the block ends; the event is set when the lease is lost.

        A database that fails to answer is asked again at the next beat: whether the lease still
        holds is settled by the token, in the transactions that record outcomes.
        """
        gone, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._beat, args=(gone, done), name=f"lease-{self.sync}", daemon=True)
        thread.start()
        try:
            yield gone
        finally:
            done.set()
            thread.join()

    def _beat(self, gone: threading.Event, done: threading.Event) -> None:
        while not done.wait(self.ttl / 3):
            try:
                self.renew()
            except LeaseLost:
                gone.set()
                return
            except StateError:
                continue


class Leases(Database):
    """The part of the state database that hands out leases."""

    def acquire(self, sync: str, holder: str, ttl: float) -> Lease:
        """Take the sync for `ttl` seconds; LeaseHeld says who has it. `holder` is shown to others.

        A holder of this machine whose process has died is not waited for.
        """
        begun = uptime()
        with self.transaction() as connection:
            now = self.now(connection)
            self._ensure_row(connection, sync)
            row = connection.execute(sa.select(leases).where(leases.c.sync == sync).with_for_update()).mappings().one()
            if row["holder"] is not None and row["expires_at"] > now and not is_dead(row["host"], row["pid"]):
                raise _held(dict(row))
            taken = {"token": row["token"] + 1, "holder": holder, "host": this_machine(), "pid": os.getpid()}
            times = {"acquired_at": now, "expires_at": now + ttl}
            connection.execute(sa.update(leases).where(leases.c.sync == sync).values(**taken, **times))
        return Lease(self, sync, row["token"] + 1, ttl, Renewed(begun))

    def held_syncs(self) -> frozenset[str]:
        """Syncs that some run holds right now."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(leases).where(leases.c.holder.is_not(None))).mappings().all()
            now = self.now(connection)
        return frozenset(
            row["sync"] for row in rows if row["expires_at"] > now and not is_dead(row["host"], row["pid"])
        )

    def _ensure_row(self, connection: Connection, sync: str) -> None:
        first = self.insert(leases).values(sync=sync, token=0, expires_at=0.0)
        connection.execute(first.on_conflict_do_nothing())


def check_token(connection: Connection, sync: str, token: int) -> None:
    """LeaseLost unless the token is the sync's latest; it stays so until this transaction ends."""
    if connection.scalar(token_query(sync)) != token:
        raise lost(sync)


def token_query(sync: str) -> sa.Select[int]:
    """The sync's latest token; it stays so until the transaction ends."""
    return sa.select(leases.c.token).where(leases.c.sync == sync).with_for_update(read=True)


def lost(sync: str) -> LeaseLost:
    """The error of a run whose sync was taken over."""
    return LeaseLost(
        f"{sync}: another run took this sync over, because this one was silent for longer than its lease",
        hint="nothing was recorded after that; if runs pause for long, raise `lease:` in tailrace.yml",
    )


def _held(row: Mapping[str, Any]) -> LeaseHeld:
    since, until = (stamp(row[name]) for name in ("acquired_at", "expires_at"))
    host = str(row["host"]).partition(" ")[0]
    return LeaseHeld(
        f"{row['sync']}: {row['holder']} holds this sync (process {row['pid']} on {host}, since {since})",
        hint=f"wait for it to finish; if it has died, its lease ends at {until}",
    )
