"""`tailrace check`: files, connections, permissions and the contract. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tailrace.canonical import logical_type
from tailrace.errors import ObjectNotFound, TailraceError, UsageError
from tailrace.extras import need
from tailrace.planning import missing_required
from tailrace.redact import redact
from tailrace.running.cursor import reading
from tailrace.running.planner import ask
from tailrace.tagging import working

if TYPE_CHECKING:
    from tailrace.destination import Account
    from tailrace.project import LoadedProject, Sync
    from tailrace.project.oidc import Oidc
    from tailrace.project.types import Secret
    from tailrace.running.session import Session, Target
    from tailrace.values import LogicalType


FOLDED = "matches without regard to case, and the destination may rewrite it: an id of your own is the safer match"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing looked at; `exit_code` is 0 when it is well."""

    subject: str
    ok: bool
    text: str
    exit_code: int = 0
    account: Mapping[str, Any] | None = None
    """Whose account a sync writes to, where the destination was asked."""

    def to_json(self) -> dict[str, Any]:
        """The form of `check --json`."""
        line = {"subject": self.subject, "ok": self.ok, "text": self.text}
        return line if self.account is None else line | {"account": dict(self.account)}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All lines, in the order they were looked at."""

    lines: tuple[CheckLine, ...]

    @property
    def exit_code(self) -> int:
        """2 when something is configured wrongly, else 1 when something cannot be reached, else 0."""
        return max((line.exit_code for line in self.lines), default=0)

    def to_json(self) -> dict[str, Any]:
        """The form of `check --json`."""
        return {"ok": self.exit_code == 0, "checks": [line.to_json() for line in self.lines]}


def check(session: Session, syncs: Iterable[Sync]) -> CheckReport:
    """Look at everything the syncs need; a fault in one thing does not hide the others."""
    return CheckReport(tuple(_lines(session, tuple(syncs))))


def _lines(session: Session, syncs: tuple[Sync, ...]) -> Iterator[CheckLine]:
    yield _tried("state", lambda: f"{session.state.where}, up to date")
    yield from _people(session.project)
    reachable = {}
    for name in dict.fromkeys(sync.warehouse for sync in syncs):
        line = _tried(f"warehouse {name}", lambda name=name: session.warehouse(name).check())
        reachable[name] = line.ok
        yield line
        if line.ok and (session.project.config.snapshots.warehouse or session.project.config.audit):
            yield _tried(f"schema {name}.{session.schema}", partial(_writable, session, name))
    for sync in syncs:
        if reachable[sync.warehouse]:
            yield _tried(sync.config.source, partial(_for, sync, partial(_model, session, sync)))
    for sync in syncs:
        accounts: list[Mapping[str, Any]] = []
        readable = reachable[sync.warehouse]
        look = partial(_for, sync, partial(_sync, session, sync, accounts, readable=readable))
        yield replace(_tried(f"sync {sync.name}", look), account=accounts[0] if accounts else None)
    yield from _rivals(syncs)


def _people(project: LoadedProject) -> Iterator[CheckLine]:
    """Who is told of trouble, and who lets people in, where the files say so."""
    alerts = (project.config.alerts, *(sync.config.alerts for sync in project.syncs.values()))
    to = dict.fromkeys(secret for each in alerts if each is not None for secret in each.to)
    if to:
        yield _tried("alerts", partial(_told, to))
    if project.config.oidc is not None:
        yield _tried("oidc", partial(_provided, project.config.oidc))


def _told(to: Collection[Secret]) -> str:
    from tailrace.alerts.sending import judge  # noqa: PLC0415 - only where somebody is told

    judge(to)
    count = "1 address" if len(to) == 1 else f"{len(to)} addresses"
    return f"{count} that Apprise understands; `tailrace notify --test` sends a test"


def _provided(config: Oidc) -> str:
    need("starlette", extra="serve", what="the console, which people sign in to,")
    from tailrace.web.provider import Provider  # noqa: PLC0415 - only where people sign in with one

    return Provider(config).look()


def _tried(subject: str, look: Any) -> CheckLine:
    try:
        return CheckLine(subject, ok=True, text=redact(look()))
    except TailraceError as error:
        wrong = 2 if isinstance(error, ObjectNotFound) else error.exit_code
        return CheckLine(subject, ok=False, text=redact(str(error)), exit_code=wrong)


def _for(sync: Sync, look: Callable[[], str]) -> str:
    with working(sync.name):
        return look()


def _rivals(syncs: Iterable[Sync]) -> Iterator[CheckLine]:
    """Syncs that write the same object: one that deletes does not know the others' records from its own."""
    writers: dict[tuple[str, str], list[Sync]] = {}
    for sync in syncs:
        writers.setdefault((sync.config.destination, sync.config.object), []).append(sync)
    for (destination, name), several in writers.items():
        if len(several) > 1 and any(sync.config.mode == "mirror" for sync in several):
            names = ", ".join(sync.name for sync in several)
            text = f"note: {names} all write it, and a mirror among them deletes what it has written"
            yield CheckLine(f"object {destination}.{name}", ok=True, text=text)


def _writable(session: Session, name: str) -> str:
    """Whether snapshots can be kept in a warehouse; UsageError with the statements that permit it."""
    from tailrace.pushdown.rights import missing  # noqa: PLC0415 - only where snapshots are there

    with session.warehouse(name).desk(write=False) as desk:
        lacking, untried = missing(desk, session.schema), desk.words.untried
    if lacking:
        raise UsageError("\n  ".join(["rights are missing to keep snapshots there:", *lacking]))
    return f"snapshots can be kept there{f' (not tried on {untried} yet)' if untried else ''}"


def _model(session: Session, sync: Sync) -> str:
    columns = session.warehouse(sync.warehouse).columns(sync.sql)
    known = {column.casefold() for column in columns}
    wanted = [
        *sync.config.key,
        *sync.config.match.values(),
        *(spec.column for spec in sync.config.fields.values() if spec.column),
        *([sync.config.cursor.column] if sync.config.cursor else []),
    ]
    missing = [name for name in dict.fromkeys(wanted) if name.casefold() not in known]
    if missing:
        close = get_close_matches(missing[0], columns, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(columns)}"
        raise UsageError(
            f"sync {sync.name} uses {', '.join(missing)}, which the model does not give", hint=f"{hint} See {sync.path}"
        )
    return f"{len(columns)} columns, all that {sync.name} uses are there"


def _types(session: Session, sync: Sync) -> dict[str, LogicalType]:
    """The types of the mapped columns, as far as the warehouse tells them of an empty result.

    Running the projection over no rows also has the warehouse compile each `sql:`. UsageError where the cursor is none.
    """
    read = reading(sync, None, full=False) if sync.config.cursor else None
    projection = sync.projection(read.window if read else None)
    with session.warehouse(sync.warehouse).read(projection.emptied()) as batches:
        schema = next(iter(read.watched(batches) if read else batches)).schema
    return {field.name: logical_type(field.type) for field in schema if not pa.types.is_null(field.type)}


def _sync(session: Session, sync: Sync, accounts: list[Mapping[str, Any]], *, readable: bool) -> str:
    """What to tell of a sync; the account is added to `accounts` once it is known, whatever is wrong then."""
    target = session.target(sync)
    types = _types(session, sync) if readable else None
    with session.destination(sync, target, read_only=True) as destination:
        asked = ask(session, sync, target, destination, read_only=True)
    account, schema = asked.who, asked.schema
    accounts.append(_account(account, target))
    found = asked.faults(sync, types)
    if found:
        raise UsageError("\n  ".join(f"{sync.at(name)}: {name}: {fault}" for name, fault in found.items()))
    lines = [f"{sync.config.mode} → {target.name}.{sync.config.object} in {_named(account, target)}"]
    told = (*account.notes, *asked.judged.notes, *asked.made_note(types), target.capabilities.about, schema.note)
    lines += [f"note: {note}" for note in told if note]
    lines += [
        f"note: {name} {FOLDED}" for name in sync.config.match if name in target.capabilities.case_insensitive_match
    ]
    lines += _required(sync, missing_required(sync.config, schema), target)
    return "\n  ".join(lines)


def _reserved(account: Account, target: Target) -> int | None:
    """Calls of the day that are left to other programs."""
    return None if account.quota_max is None else int(account.quota_max * target.config.reserve)


def _account(account: Account, target: Target) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "sandbox": account.sandbox,
        "edition": account.edition or None,
        "quota_left": account.quota_left,
        "quota_max": account.quota_max,
        "reserved": _reserved(account, target),
    }


def _named(account: Account, target: Target) -> str:
    kinds = {True: "a sandbox", False: "production", None: ""}
    known = [account.id if account.name else "", kinds[account.sandbox], account.edition]
    about = ", ".join(part for part in known if part)
    return f"{account.name or account.id}{f' ({about})' if about else ''}{_quota(account, target)}"


def _quota(account: Account, target: Target) -> str:
    if account.quota_left is None:
        return ""
    most = f" of {account.quota_max:,}" if account.quota_max is not None else ""
    reserved = _reserved(account, target)
    kept = f", of which {reserved:,} are reserved for other programs" if reserved else ""
    return f", {account.quota_left:,}{most} calls left today{kept}"


def _required(sync: Sync, missing: tuple[str, ...], target: Target) -> list[str]:
    if not missing:
        return []
    return [f"note: {target.name} wants {', '.join(missing)} of every new {sync.config.object}; the mapping lacks it"]
