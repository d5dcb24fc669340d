"""What people ask of syncs that run elsewhere: to pause, to run now, to stop; and who did what."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.clock import moment, new_id
from tailrace.errors import UsageError
from tailrace.jsonform import iso_at
from tailrace.state.database import Database
from tailrace.state.machine import is_dead, this_machine
from tailrace.state.schema import audit, cancels, leases, pauses, requests, runs

RequestState: TypeAlias = Literal["waiting", "taken", "done", "withdrawn", "lost"]
ENDED: tuple[RequestState, ...] = ("done", "withdrawn", "lost")
LOST = "the process that took this request ended before it could tell how it went; the sync's runs tell what it did"


@dataclass(frozen=True, slots=True)
class Pause:
    """A sync that no schedule and no request runs. Times here are seconds since the epoch."""

    sync: str
    who: str
    at: float

    def to_json(self) -> dict[str, Any]:
        """For the API."""
        return {"sync": self.sync, "by": self.who, "at": iso_at(self.at)}


@dataclass(frozen=True, slots=True)
class Request:
    """A run that somebody asked for, and what became of it."""

    request_id: str
    sync: str
    full: bool
    dry_run: bool
    overrides: tuple[str, ...]
    planned: bool
    """Whether exactly a saved plan is to be carried out."""
    who: str
    at: float
    state: RequestState
    """`lost`: taken by a process that died; it is not taken again."""
    taken_at: float | None
    finished_at: float | None
    run_id: str | None
    result: Mapping[str, Any] | None
    """As `run --json` has it for one run, or `plan --json` for one plan."""
    message: str | None
    """What went wrong before there was a result."""

    def to_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "request_id": self.request_id,
            "sync": self.sync,
            "full": self.full,
            "dry_run": self.dry_run,
            "overrides": list(self.overrides),
            "planned": self.planned,
            "by": self.who,
            "at": iso_at(self.at),
            "state": self.state,
            "taken_at": iso_at(self.taken_at),
            "finished_at": iso_at(self.finished_at),
            "run_id": self.run_id,
            "result": None if self.result is None else dict(self.result),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the audit log."""

    id: int
    at: float
    who: str
    role: str | None
    action: str
    subject: str
    detail: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "id": self.id,
            "at": iso_at(self.at),
            "by": self.who,
            "role": self.role,
            "action": self.action,
            "subject": self.subject,
            "detail": dict(self.detail),
        }


_DRY_RUN_S = 3_600.0
_SHOWN = [column for column in requests.c if column.name not in {"plan", "once", "host", "pid"}]


class Controls(Database):
    """The part of the state database by which people steer syncs, wherever they run."""

    def pause(self, sync: str, who: str) -> bool:
        """Have no schedule and no request run the sync; False when it was paused already, which then stays as it is."""
        with self.transaction() as connection:
            values = {"sync": sync, "who": who, "at": self.now(connection)}
            statement = self.insert(pauses).values(**values).on_conflict_do_nothing(index_elements=["sync"])
            return connection.scalar(statement.returning(pauses.c.sync)) is not None

    def unpause(self, sync: str) -> bool:
        """Take the pause back; False when there was none."""
        with self.transaction() as connection:
            return bool(connection.execute(sa.delete(pauses).where(pauses.c.sync == sync)).rowcount)

    def paused(self) -> dict[str, Pause]:
        """The syncs that are paused, by name."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(pauses).order_by(pauses.c.sync)).mappings()
            return {row["sync"]: Pause(**row) for row in rows}

    def ask_cancel(self, sync: str, who: str) -> None:
        """Ask the run that holds the sync now to stop; UsageError when none does."""
        with self.transaction() as connection:
            row = connection.execute(sa.select(leases).where(leases.c.sync == sync)).mappings().one_or_none()
            if row is None or not _held(row, self.now(connection)):
                raise UsageError(f"no run of {sync} goes on", hint="tailrace runs lists those that ended")
            values = {"token": row["token"], "who": who, "at": self.now(connection)}
            asked = self.insert(cancels).values(sync=sync, **values)
            connection.execute(asked.on_conflict_do_update(index_elements=["sync"], set_=values))

    def cancelled(self, sync: str, token: int) -> str | None:
        """Who asked the run under that lease to stop; None where nobody did."""
        query = sa.select(cancels.c.who).where(cancels.c.sync == sync, cancels.c.token == token)
        with self.reading() as connection:
            who: str | None = connection.scalar(query)
            return who

    def request(
        self,
        sync: str,
        who: str,
        *,
        full: bool = False,
        dry_run: bool = False,
        plan: bytes | None = None,
        overrides: Collection[str] = (),
        once: str | None = None,
    ) -> str:
        """Ask for a run; gives the request's id. With `once`, the id of an earlier request of that name, if any."""
        with self.transaction() as connection:
            now = self.now(connection)
            what = {"request_id": new_id(moment(now)), "sync": sync, "full": full, "dry_run": dry_run}
            how = {"overrides": json.dumps(sorted(overrides)), "plan": plan, "planned": plan is not None}
            asked = {"who": who, "at": now, "once": once, "state": "waiting"}
            statement = self.insert(requests).values(**what, **how, **asked)
            statement = statement.on_conflict_do_nothing(index_elements=["once"]).returning(requests.c.request_id)
            made = connection.scalar(statement)
            return str(
                made
                if made is not None
                else connection.scalar(sa.select(requests.c.request_id).where(requests.c.once == once))
            )

    def requests(
        self,
        sync: str | None = None,
        *,
        states: Collection[RequestState] | None = None,
        before: Request | None = None,
        limit: int | None = 50,
    ) -> list[Request]:
        """The latest requests, newest first, of those asked for before that one; `limit` None gives all."""
        order = (requests.c.at, requests.c.request_id)
        query = sa.select(*_SHOWN).order_by(*(column.desc() for column in order)).limit(limit)
        query = query if sync is None else query.where(requests.c.sync == sync)
        query = query if states is None else query.where(requests.c.state.in_(states))
        if before is not None:
            query = query.where(sa.tuple_(*order) < sa.tuple_(before.at, before.request_id))
        with self.reading() as connection:
            return [_request(row) for row in connection.execute(query).mappings()]

    def request_status(self, request_id: str) -> Request:
        """What became of a request; UsageError where there is none of that id."""
        with self.reading() as connection:
            query = sa.select(*_SHOWN).where(requests.c.request_id == request_id)
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise UsageError(f"there is no request {request_id}", hint="requests are forgotten as runs are: `keep:`")
        return _request(row)

    def take(self, request_id: str) -> bool:
        """Take a request that waits, to carry it out; True for one caller alone, whoever else tries."""
        with self.transaction() as connection:
            taken = {"state": "taken", "taken_at": self.now(connection), "host": this_machine(), "pid": os.getpid()}
            return self._moved(connection, request_id, "waiting", taken)

    def plan_of(self, request_id: str) -> bytes | None:
        """The saved plan that a request is to carry out."""
        with self.reading() as connection:
            plan = connection.scalar(sa.select(requests.c.plan).where(requests.c.request_id == request_id))
            return None if plan is None else bytes(plan)

    def finish_request(
        self,
        request_id: str,
        *,
        run_id: str | None = None,
        result: Mapping[str, Any] | None = None,
        message: str | None = None,
    ) -> None:
        """Tell what became of a request that was taken; the plan that came with it is forgotten."""
        with self.transaction() as connection:
            told = None if result is None else json.dumps(result, ensure_ascii=False, default=str)
            values = {"run_id": run_id, "result": told, "message": message, "plan": None}
            self._moved(
                connection, request_id, "taken", {"state": "done", "finished_at": self.now(connection), **values}
            )

    def give_back(self, request_id: str) -> None:
        """Have a request that was taken wait again: nothing was done for it."""
        with self.transaction() as connection:
            values = {"state": "waiting", "taken_at": None, "host": None, "pid": None}
            self._moved(connection, request_id, "taken", values)

    def withdraw(self, request_id: str) -> bool:
        """Take a request back; False when it does not wait any more."""
        with self.transaction() as connection:
            values = {"state": "withdrawn", "finished_at": self.now(connection), "plan": None}
            return self._moved(connection, request_id, "waiting", values)

    def lose_requests(self, silence: float) -> list[Request]:
        """Mark requests as lost whose taker has died, and give them; each is given to one caller alone.

        Dead is a process of this machine that is gone, and one that took its request longer than `silence` seconds ago
        while no run holds the sync, nor has held it for so long. A dry run holds none; it has an hour.
        """
        if not self.requests(states={"taken"}, limit=1):
            return []  # as a rule: no need to keep others from writing
        with self.transaction() as connection:
            now = self.now(connection)
            taken = connection.execute(sa.select(requests).where(requests.c.state == "taken")).mappings().all()
            found = [row for row in taken if _is_lost(connection, row, now, silence)]
            values = {"state": "lost", "finished_at": now, "message": LOST, "plan": None}
            lost = (row for row in found if self._moved(connection, row["request_id"], "taken", values))
            return [_request({**row, **values}) for row in lost]

    def note_action(
        self, who: str, action: str, subject: str, *, role: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Append to the audit log. `detail` must hold no value of a row and no secret."""
        with self.transaction() as connection:
            what = {"who": who, "role": role, "action": action, "subject": subject}
            told = json.dumps(dict(detail or {}), ensure_ascii=False, default=str)
            connection.execute(sa.insert(audit).values(at=self.now(connection), detail=told, **what))

    def actions(self, *, before: int | None = None, limit: int = 50, subject: str | None = None) -> list[Action]:
        """The audit log, newest first: at most `limit` lines older than the one with the id `before`."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        query = query if before is None else query.where(audit.c.id < before)
        query = query if subject is None else query.where(audit.c.subject == subject)
        with self.reading() as connection:
            rows = connection.execute(query).mappings()
            return [Action(**{**row, "detail": json.loads(row["detail"])}) for row in rows]

    @staticmethod
    def _moved(connection: Connection, request_id: str, state: RequestState, values: Mapping[str, Any]) -> bool:
        where = (requests.c.request_id == request_id) & (requests.c.state == state)
        return bool(connection.execute(sa.update(requests).where(where).values(**values)).rowcount)


def _held(lease: Any, now: float) -> bool:
    return lease["holder"] is not None and lease["expires_at"] > now and not is_dead(lease["host"], lease["pid"])


def _is_lost(connection: Connection, request: Any, now: float, silence: float) -> bool:
    if is_dead(request["host"], request["pid"]):
        return True
    patience = max(silence, _DRY_RUN_S) if request["dry_run"] else silence
    if request["taken_at"] >= now - patience:
        return False
    query = sa.select(leases).where(leases.c.sync == request["sync"])
    lease = connection.execute(query).mappings().one_or_none()
    if lease is not None and _held(lease, now):
        return False
    # A run that has just ended may be about to tell of it.
    own = (runs.c.sync == request["sync"]) & (runs.c.started_at >= request["taken_at"])
    ended = connection.scalar(sa.select(sa.func.max(runs.c.finished_at)).where(own))
    return ended is None or bool(ended < now - silence)


def _request(row: Any) -> Request:
    values = {column.name: row[column.name] for column in _SHOWN}
    values["overrides"] = tuple(json.loads(values["overrides"]))
    values["result"] = None if values["result"] is None else json.loads(values["result"])
    return Request(**values)
