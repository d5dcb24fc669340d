"""Settles rows of unknown outcome: sent, and no answer came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import polars as pl

from tailrace.destination import ANSWER_LOST
from tailrace.errors import UsageError
from tailrace.planning import keys
from tailrace.planning.payload import numbers
from tailrace.rowset import Rows
from tailrace.running.job import past_job
from tailrace.running.lease import leased
from tailrace.running.lookup import made_of
from tailrace.running.record import recorded, verdict
from tailrace.running.recovery import recover
from tailrace.running.settle import Settled, forget_issues, save_snapshot
from tailrace.snapshot.kept import KEPT, kept_message

if TYPE_CHECKING:
    from tailrace.delivery import Job
    from tailrace.destination import Destination, Record
    from tailrace.project import Sync
    from tailrace.project.config import Mode
    from tailrace.running.places import AnySnapshot
    from tailrace.running.session import Session, Target
    from tailrace.snapshot.history import SavedRun
    from tailrace.snapshot.store import Identity
    from tailrace.state import Lease, RowIssue

Way: TypeAlias = Literal["resend", "skip", "look_up"]

UNSEEN = "a look-up cannot tell whether it arrived: planned again"
RESENT = "planned again, as asked"
SKIPPED = "taken as delivered, as asked"
FOUND = "found at the destination: taken as delivered"
MISSING = "not found at the destination: planned again"
UNTOLD = "still held: a look-up cannot tell it from a record that was there before"


def resolve(session: Session, sync: Sync, way: Way | None) -> tuple[RowIssue, ...]:
    """Show the held rows; with a way, settle them and give those that were settled.

    `resend` plans them again, `skip` takes them as delivered, `look_up` asks the destination by match,
    takes the found as delivered and plans the others again. Changed rows of mode append stay held
    with `look_up`: an earlier version of theirs has the same match value.
    """
    if way is None:
        return session.state.held(sync.name)
    target = session.target(sync)
    with leased(session, sync) as lease, session.destination(sync, target, read_only=True) as destination:
        recover(session, sync, target, lease, destination, but="")
        held = session.state.held(sync.name)  # only now: nobody else settles them any more
        return _Resolution(session, sync, target, lease, destination, way).settle(held)


class _Resolution:
    """One command's work, under the lease."""

    def __init__(
        self, session: Session, sync: Sync, target: Target, lease: Lease, destination: Destination, way: Way
    ) -> None:
        self._session = session
        self._sync = sync
        self._target = target
        self._lease = lease
        self._destination = destination
        self._way = way

    def settle(self, held: Sequence[RowIssue]) -> tuple[RowIssue, ...]:
        """Settle the rows, each by the run that sent it; gives those that are held no more."""
        settled: list[RowIssue] = []
        for run_id in dict.fromkeys(issue.run_id for issue in held):
            settled += self._settle(run_id, [issue for issue in held if issue.run_id == run_id])
        return tuple(settled)

    def _settle(self, run_id: str, issues: Sequence[RowIssue]) -> list[RowIssue]:
        saved = self._session.files.load(self._sync.name, run_id)
        if saved is not None and saved.identity is not None:
            still_held = self._conclude(saved, saved.identity, {issue.key_text for issue in issues})
        elif self._way == "resend":
            still_held = set()
        else:
            raise UsageError(
                f"the changes of run {run_id} are gone, so its rows cannot be taken as delivered",
                hint=f"tailrace resolve {self._sync.name} --resend plans them again",
            )
        settled = [issue for issue in issues if issue.key_text not in still_held]
        forget_issues(self._session, self._sync, issues[0].identity, [issue.key_text for issue in settled])
        if saved is not None:
            self._session.finish_files(self._sync, run_id)
        return settled

    def _conclude(self, saved: SavedRun, identity: Identity, texts: set[str]) -> set[str]:
        """Record what is made of the rows, and take the delivered ones into the snapshot; gives those still held."""
        session, sync = self._session, self._sync.name
        with recorded(session, self._sync, self._lease, identity, "resolve") as entry:
            frame = saved.rows.take(numbers(saved.rows, saved.types, texts).values())
            rows = Rows.of_frame(frame)
            snapshot = session.snapshot(self._sync, identity)
            outcomes = self._outcomes(saved, snapshot, frame)
            as_resolved = rows.then(lambda lazy: lazy.with_columns(action=pl.lit("resolve")))
            session.files.save_changes(sync, entry.run_id, as_resolved, saved.types, identity)
            self._lease.renew()  # whoever lost the sync must not move the snapshot
            done = Settled(entry.run_id, rows, saved.types, outcomes)
            save_snapshot(session, self._sync, snapshot, done)
            session.files.save_outcomes(sync, entry.run_id, outcomes)
            session.finish_files(self._sync, entry.run_id)
            held = frame.join(outcomes.filter(pl.col("status") == "unknown"), on="seq", how="semi")
            entry.settled = outcomes.filter(pl.col("status") == "acknowledged").height
            entry.message = f"{self._way}: {frame.height - held.height} of {frame.height} rows of run {saved.run_id}"
            return set(keys(held, saved.types))

    def _outcomes(self, saved: SavedRun, snapshot: AnySnapshot, frame: pl.DataFrame) -> pl.DataFrame:
        match self._way:
            case "resend":
                return _sent_again(frame, "RESEND", RESENT)
            case "skip":
                return verdict(frame, "acknowledged", "SKIP", SKIPPED)
            case "look_up" if self._session.state.run(saved.run_id).mode != "append":
                job = self._past_job(saved, snapshot.identity)
                told = pl.col("op") == "insert"
                if job.unlinks and job.lookups:
                    # That a record is there does not tell whether its references are, unless it was created with them.
                    told &= pl.col("action") == "create"
                found = self._looked_up(job, snapshot, frame.filter(told))
                return pl.concat([found, _sent_again(frame.filter(~told), "RESEND", UNSEEN)])
            case "look_up":
                return self._looked_up(self._past_job(saved, snapshot.identity), snapshot, frame)

    def _past_job(self, saved: SavedRun, identity: Identity) -> Job:
        """Where and how the rows were sent, which the sync may say otherwise today; UsageError if we cannot look."""
        account = self._destination.check().id
        if (identity.destination, identity.account) != (self._target.name, account):
            raise UsageError(
                f"{self._sync.name}: the rows of run {saved.run_id} were sent to {identity.destination}, account "
                f"{identity.account}; the sync has {self._target.name}, account {account}, now",
                hint="use --resend or --skip",
            )
        if not (identity.match and self._target.capabilities.find):
            raise UsageError(
                f"{self._sync.name}: these rows have no match, or {self._target.plugin.name} cannot look records up",
                hint="use --resend or --skip",
            )
        mode = cast("Mode", self._session.state.run(saved.run_id).mode)
        return past_job(self._sync, self._target, saved, identity, mode)

    def _looked_up(self, past: Job, snapshot: AnySnapshot, frame: pl.DataFrame) -> pl.DataFrame:
        # As in delivery: in append only of rows new to the snapshot a record tells that this change arrived.
        tells = (pl.col("op") == "insert") | pl.lit(past.mode != "append")
        asked, untold = frame.filter(tells), frame.filter(~tells)
        limiter = self._session.limiter(self._target, read_only=True)
        records = made_of(past, asked, self._destination, limiter, snapshot)
        present, absent = (pl.Series([test(each) for each in records], dtype=pl.Boolean) for test in (bool, _nothing))
        ids = [each[0].id if len(each) == 1 else None for each in records if each]
        found = verdict(asked.filter(present), "acknowledged", "FOUND", FOUND)
        return pl.concat(
            [
                found.with_columns(pl.Series("record_id", ids, dtype=pl.String)),
                verdict(asked.filter(absent), None, "ABSENT", MISSING),
                verdict(pl.concat([untold, asked.filter(~(present | absent))]), "unknown", ANSWER_LOST, UNTOLD),
            ]
        )


def _nothing(records: Sequence[Record] | None) -> bool:
    return records is not None and not records


def _sent_again(frame: pl.DataFrame, code: str, message: str) -> pl.DataFrame:
    """Outcomes after which the next run sends the rows again, whatever the model says by then.

    What an update wrote, or did not, nobody knows: its fields enter the snapshot as unknown, so that also a row
    whose old values came back is sent.
    """
    matches = [name[3:] for name in frame.columns if name.startswith("om:")]
    moved = [pl.col(f"m:{name}").ne_missing(pl.col(f"om:{name}")) for name in matches]
    uncertain = frame.filter((pl.col("op") == "update") & ~pl.any_horizontal(pl.lit(value=False), *moved))
    flags = [name for name in frame.columns if name.startswith("c:")]
    told = [
        kept_message((), (flag[2:] for flag, sent in row.items() if sent)) for row in uncertain.select(flags).to_dicts()
    ]
    unsure = verdict(uncertain, "acknowledged", KEPT).with_columns(pl.Series("message", told, dtype=pl.String))
    return pl.concat([unsure, verdict(frame.join(unsure, on="seq", how="anti"), None, code, message)])
