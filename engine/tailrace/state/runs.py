"""The record of every run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

import sqlalchemy as sa

from tailrace.errors import UsageError
from tailrace.state.database import Database
from tailrace.state.leases import check_token
from tailrace.state.records import Counts, RunRecord, RunStatus, Tallies, Upkeep, ending
from tailrace.state.schema import batches, runs
from tailrace.state.totals import add_run


class Runs(Database):
    """The part of the state database that remembers runs."""

    def start_run(
        self,
        run_id: str,
        *,
        sync: str,
        mode: str,
        destination: str,
        object: str,
        identity: str,
        token: int,
        plan_hash: str | None = None,
        counts: Counts | None = None,
    ) -> None:
        """Record that a run begins, under the lease of that token; LeaseLost when it is no longer the latest."""
        with self.transaction() as connection:
            check_token(connection, sync, token)
            begun = {"status": "running", "started_at": self.now(connection), "token": token}
            what = {"sync": sync, "mode": mode, "destination": destination, "object": object, "identity": identity}
            planned = {"plan_hash": plan_hash, "counts": json.dumps(asdict(counts or Counts()))}
            values = {"run_id": run_id, "outdated": False} | begun | what | planned | _ending(Tallies(), (), {})
            connection.execute(sa.insert(runs).values(values))

    def set_plan(self, run_id: str, plan_hash: str | None, counts: Counts, *, identity: str | None = None) -> None:
        """Record what was planned, and for whose snapshot, once it is known."""
        with self.transaction() as connection:
            values = {"plan_hash": plan_hash, "counts": json.dumps(asdict(counts))}
            values |= {"identity": identity} if identity else {}
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(values))

    def finish_run(
        self,
        run_id: str,
        status: RunStatus,
        *,
        tallies: Tallies | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        seconds: Mapping[str, float] | None = None,
        message: str | None = None,
        discreet: str | None = None,
        outdated: bool = False,
        token: int | None = None,
    ) -> None:
        """Record how a run ended; `outdated` when a saved plan out of date stopped it.

        With `token`, LeaseLost when that lease is no longer the latest.
        """
        with self.transaction() as connection:
            begun = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).mappings().one_or_none()
            if token is not None:
                check_token(connection, str(begun and begun["sync"]), token)
            values = {"status": status, "finished_at": self.now(connection), "message": message, "discreet": discreet}
            values["outdated"] = outdated
            counted = tallies or Tallies()
            if begun is not None and begun["status"] == "running" and begun["mode"] not in get_args(Upkeep):
                took = values["finished_at"] - begun["started_at"]
                add_run(self, connection, begun["sync"], ending(status, outdated=outdated), counted, took)
            values |= _ending(counted, errors, seconds or {})
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(values))

    def runs(self, sync: str | None = None, limit: int | None = 50) -> list[RunRecord]:
        """The latest runs, newest first; `limit` None gives all."""
        query = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
        return self._fetch(query if sync is None else query.where(runs.c.sync == sync))

    def run(self, run_id: str) -> RunRecord:
        """The run of that id, or of the beginning of an id or of its last part; UsageError unless there is just one."""
        found = self.runs_like(run_id, limit=100)
        exact = [run for run in found if run.run_id == run_id]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise UsageError(f"there is no run {run_id}", hint="tailrace runs lists them")
        some = ", ".join(run.run_id for run in found[:5])
        raise UsageError(f"{run_id} is the beginning of several runs: {some}", hint="give more of the id")

    def runs_like(self, run_id: str, *, limit: int) -> list[RunRecord]:
        """Runs of which this is the beginning of the id, or of its last part; in the order of their ids."""
        starts = runs.c.run_id.startswith(run_id, autoescape=True)
        ends = runs.c.run_id.contains(f"-{run_id}", autoescape=True)
        return self._fetch(sa.select(runs).where(starts | ends).order_by(runs.c.run_id).limit(limit))

    def known_run(self, run_id: str) -> RunRecord | None:
        """The run of exactly that id; None where this database has never seen it."""
        found = self._fetch(sa.select(runs).where(runs.c.run_id == run_id))
        return found[0] if found else None

    def last_run(self, sync: str, statuses: Collection[RunStatus] | None = None) -> RunRecord | None:
        """The latest run of a sync, or the latest with one of these statuses; upkeep is no run here."""
        query = sa.select(runs).where(runs.c.sync == sync, runs.c.mode.not_in(get_args(Upkeep)))
        if statuses is not None:
            query = query.where(runs.c.status.in_(statuses))
        found = self._fetch(query.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(1))
        return found[0] if found else None

    def last_runs(self, sync: str, limit: int) -> list[RunRecord]:
        """The latest runs of a sync, newest first; upkeep is no run here."""
        query = sa.select(runs).where(runs.c.sync == sync, runs.c.mode.not_in(get_args(Upkeep)))
        return self._fetch(query.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit))

    def unfinished_runs(self, sync: str) -> list[RunRecord]:
        """Runs that never recorded an end, oldest first. With the lease held, all of them have died."""
        query = sa.select(runs).where(runs.c.sync == sync, runs.c.status == "running")
        return self._fetch(query.order_by(runs.c.started_at, runs.c.run_id))

    def last_answer(self, run_ids: Collection[str]) -> float | None:
        """When the last batch of some runs had its outcomes; None where none had."""
        query = sa.select(sa.func.max(batches.c.settled_at)).where(batches.c.run_id.in_(run_ids))
        with self.reading() as connection:
            found: float | None = connection.scalar(query)
        return found

    def _fetch(self, query: sa.Select[Any]) -> list[RunRecord]:
        with self.reading() as connection:
            return [record_of(row) for row in connection.execute(query).mappings()]


def _ending(tallies: Tallies, errors: Sequence[Mapping[str, Any]], seconds: Mapping[str, float]) -> dict[str, str]:
    return {
        "tallies": json.dumps(asdict(tallies)),
        "errors": json.dumps(list(errors), default=str),
        "seconds": json.dumps(dict(seconds)),
    }


def record_of(found: Mapping[Any, Any]) -> RunRecord:
    """A row of the table as a record."""
    row = dict(found)
    row["counts"] = Counts(**json.loads(row["counts"]))
    row["tallies"] = Tallies(**json.loads(row["tallies"]))
    row["errors"] = tuple(json.loads(row["errors"]))
    row["seconds"] = json.loads(row["seconds"])
    return RunRecord(**row)
