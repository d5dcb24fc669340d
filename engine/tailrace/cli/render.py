"""Text for people: plans, results, status, and the rest of what commands print."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tailrace.clock import now
from tailrace.jsonform import show, show_key
from tailrace.spans import duration

if TYPE_CHECKING:
    from tailrace.changes import InvalidRows
    from tailrace.describe import Described
    from tailrace.planning import Change, Plan
    from tailrace.planning.cost import Way
    from tailrace.planning.plan import FieldChange
    from tailrace.project import Sync
    from tailrace.running.check import CheckReport
    from tailrace.running.ledger import RunDetails, RunSummary, SyncStatus, TroubledRow
    from tailrace.running.result import RunResult
    from tailrace.running.story import Event, Story
    from tailrace.state import RunRecord

SIGNS = {"insert": "+", "update": "~", "delete": "-"}
NOT_KNOWN = "?"
SHOWN_FIELDS = 6
SHOWN_TEXT = 60


def plan(made: Plan, sync: Sync, limit: int, *, saved: Path | None = None) -> Iterator[str]:
    """A plan, line by line: head, counts, cost, guards that tripped, changes."""
    from tailrace.planning.holds import told  # noqa: PLC0415 - what shows no plan needs none

    lines = [_head(made, sync), _counts(made)]
    lines += [f"  {line}" for line in told(made.holds.values(), made.sync)]
    lines.append(_cost(made))
    lines += _ways(made.cost.ways)
    lines += _short_of_calls(made)
    lines += invalid(made.invalid)
    lines += [f"  schema: {event.message}" for event in made.events]
    lines += [f"  note: {note}" for note in made.notes]
    lines += [f"  STOPPED by {guard}" for guard in made.tripped]
    yield from lines
    yield from (_change(change) for change in made.changes(limit))
    more = [f"{counted(left, f'more {op}')}" for op, left in made.hidden(limit).items() if left]
    if more:
        yield f"  … and {', '.join(more)} (--limit 0 shows all)"
    if saved:
        yield _saved(made, saved)


def _saved(made: Plan, path: Path) -> str:
    overrides = "".join(f" --override {guard.guard}" for guard in made.tripped)
    done = "a guard stops it unless it is let pass: " if overrides else "to carry it out: "
    return f"  saved as {path}, hash {made.hash[:12]}; {done}tailrace apply {path}{overrides}"


def _head(made: Plan, sync: Sync) -> str:
    basis = made.basis
    past = "no snapshot yet"
    if basis.generation and basis.snapshot_saved_at:
        past = f"snapshot of {basis.snapshot_saved_at:%Y-%m-%d %H:%M} UTC (run {basis.snapshot_run})"
    read = f"{made.model_rows:,} rows of {sync.config.source}"
    if made.extent and made.extent.partial:
        read += f" ({made.extent.column} from {made.extent.since} on)"
    return f"{made.sync}  {made.mode} → {basis.destination}.{basis.object}     {read}, {past}"


def _counts(made: Plan) -> str:
    invalid = f"   {made.invalid_rows:,} invalid" if made.invalid else ""
    unchanged = "of those read unchanged" if made.extent and made.extent.partial else "unchanged"
    return f"  {_changes(made.inserts, made.updates, made.deletes)}   {made.unchanged:,} {unchanged}{invalid}"


def _ways(ways: Sequence[Way]) -> list[str]:
    """How rows go out: a line for those in jobs, action by action, and one for all in batches."""
    lines = [f"  by jobs: {_to_do([way])}" for way in ways if way.by == "jobs"]
    batches = [way for way in ways if way.by == "batches"]
    return [*lines, f"  by batches: {_to_do(batches)}"] if batches else lines


def _to_do(ways: Sequence[Way]) -> str:
    done = ", ".join(f"{way.rows:,} to {way.action}" for way in ways)
    why = "; ".join(dict.fromkeys(way.why for way in ways if way.why))
    calls = counted(sum(way.calls for way in ways), "API call")
    return f"{done}, in about {calls}{f' ({why})' if why else ''}"


def _cost(made: Plan) -> str:
    from tailrace.planning.guards import percent  # noqa: PLC0415 - what shows no plan needs none

    cost = made.cost
    if not made.height:
        return "  nothing to send"
    quota = ""
    if cost.quota_left is not None:
        quota = f" of {cost.quota_left:,} left today ({percent(cost.share or 0)})"
    calls = counted(cost.calls, "API call")
    return f"  cost: {calls}{quota}" + (
        f", about {duration(cost.seconds)} at the permitted rate" if cost.seconds else ""
    )


def _short_of_calls(made: Plan) -> list[str]:
    """A warning where the plan needs more calls than may be used today, and how far it gets."""
    cost = made.cost
    if cost.rows_within_quota is None or cost.quota_left is None:
        return []
    usable = max(0, cost.quota_left - cost.quota_reserved)
    kept = f" ({cost.quota_reserved:,} are reserved for other programs)" if cost.quota_reserved else ""
    need = f"this needs {counted(cost.calls, 'API call')}, and {usable:,} may be used today{kept}"
    reach = f"about {cost.rows_within_quota:,} of {counted(made.height, 'row')} go out, the rest stays for later runs"
    return [f"  WARNING: {need}: {reach}"]


def invalid(groups: Iterable[InvalidRows]) -> list[str]:
    """A line for each reason for which rows were set aside."""
    return [f"  invalid: {group.rows:,} {group.reason}, e.g. {_examples(group.examples)}" for group in groups]


def _examples(keys: Sequence[Any]) -> str:
    return ", ".join(show_key(key) for key in keys[:3]) or "no key"


def _change(change: Change) -> str:
    head = f"  {SIGNS[change.op]} {show_key(change.key)}"
    if change.op == "delete":
        record = f"   record {change.record_id}" if change.record_id else ""
        done = "" if change.action == "delete" else f"   {_removed(change)}"
        was = [_short(value) for value in change.was.values() if value is not None][:2]
        return head + (f"   ({', '.join(was)})" if was else "") + record + done
    fields = [
        f"{name}{'' if change.op == 'insert' else _old(part)} {_short(part.new)}"
        for name, part in change.fields.items()
    ]
    more = f"    … {counted(len(fields) - SHOWN_FIELDS, 'more field')}" if len(fields) > SHOWN_FIELDS else ""
    return head + "".join(f"    {text}" for text in fields[:SHOWN_FIELDS]) + more


def _removed(change: Change) -> str:
    """What is done in place of deleting."""
    if change.action != "retire":
        return change.action
    return f"archive: {', '.join(f'{name}{_old(part)} {_short(part.new)}' for name, part in change.fields.items())}"


def _old(part: FieldChange) -> str:
    return f" {_short(part.old) if part.old_known else NOT_KNOWN} →"


def _short(value: Any) -> str:
    text = show(value)
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _changes(inserts: int, updates: int, deletes: int) -> str:
    parts = (("+", inserts, "insert"), ("~", updates, "update"), ("-", deletes, "delete"))
    return "   ".join(f"{sign} {counted(number, noun)}" for sign, number, noun in parts)


def result(run: RunResult, *, quoting: bool = True) -> str:
    """A run: what it did, what it cost, what went wrong and what to do.

    Without `quoting` nothing is repeated that a warehouse or a vendor said, as it may quote rows.
    """
    sent = "" if run.acknowledged or run.rejected or run.unknown or run.skipped else "planned "
    done = f"{run.sync}  {run.status.replace('_', ' ')}"
    if run.inserts or run.updates or run.deletes:  # else it ended before there was a plan, or has nothing to do
        done = f"{done}  {sent}{_changes(run.inserts, run.updates, run.deletes)}"
    lines = [f"{done}   (run {run.run_id})"]
    lines += [f"  {earlier}" for earlier in run.recovered]
    if run.acknowledged or run.rejected or run.unknown or run.skipped:
        spent = sum(run.seconds.values())
        lines.append(
            f"  {run.acknowledged:,} acknowledged   {run.rejected:,} rejected   {run.unknown:,} unknown   "
            f"{run.skipped:,} skipped{_skips(run.skips)}   in {counted(run.calls, 'call')}, {duration(spent)}"
            + (f", {counted(run.retries, 'repeat')}" if run.retries else "")
            + (f", {duration(run.throttled_s)} waiting for the rate limit" if run.throttled_s >= 1 else "")
        )
    lines += [f"  {run.bytes_billed or 0:,} bytes billed by the warehouse"] * (run.bytes_billed is not None)
    lines += [f"  {run.invalid:,} invalid rows were not sent; tailrace plan {run.sync} shows them"] * bool(run.invalid)
    for error in run.errors:
        said = f": {error.message}" if quoting else ""
        lines.append(f"  {counted(error.rows, 'row')}: {error.code}{said}   e.g. {show_key(error.key)}")
    lines += [f"  note: {note}" for note in run.notes]
    message = run.message if quoting else run.discreet
    lines += [f"  {message}"] * bool(message)
    lines += [f"  see: tailrace rejected {run.sync}"] * bool(run.rejected)
    lines += [f"  see: tailrace resolve {run.sync}"] * bool(run.unknown)
    return "\n".join(lines)


def _skips(skips: Mapping[str, int]) -> str:
    """Why rows were skipped: the code alone where there is one, else each with its rows."""
    if len(skips) == 1:
        return f" ({next(iter(skips))})"
    return f" ({', '.join(f'{rows:,} {code}' for code, rows in skips.items())})" if skips else ""


def check(report: CheckReport) -> str:
    """What was looked at, and whether it is well."""
    lines = [f"{'ok  ' if line.ok else 'FAIL'}  {line.subject}: {line.text}" for line in report.lines]
    failed = sum(not line.ok for line in report.lines)
    return "\n".join([*lines, f"{failed} of {len(lines)} failed" if failed else f"all {len(lines)} are well"])


def status(lines: Sequence[SyncStatus]) -> str:
    """A table of the syncs."""
    rows = [
        (
            line.sync,
            _ended(line.ending or "never run"),
            duration(line.freshness_s) + " ago" if line.freshness_s is not None else "-",
            "unreadable" if line.snapshot_rows is None else f"{line.snapshot_rows:,}",
            f"{line.rejected:,}",
            f"{line.unknown:,}",
            next_run(line),
        )
        for line in lines
    ]
    return table(("SYNC", "LAST RUN", "FRESH", "SNAPSHOT", "REJECTED", "UNKNOWN", "NEXT RUN"), rows)


def next_run(line: SyncStatus) -> str:
    """When a sync runs next, in a few words; a dash where nothing has it run."""
    if line.paused:
        return "paused"
    if line.after:
        return f"after {', '.join(line.after)}"
    return "due now" if line.is_due(now()) else line.next_run or "-"


def runs(records: Sequence[RunSummary]) -> str:
    """A table of runs."""
    rows = [
        (
            run.record.run_id,
            run.record.sync,
            _ended(run.record.ending) + _upkeep(run.record.mode),
            f"{run.record.counts.inserts:,}",
            f"{run.record.counts.updates:,}",
            f"{run.record.counts.deletes:,}",
            f"{run.record.tallies.acknowledged:,}",
            f"{run.record.tallies.rejected:,}",
            duration(_took(run.record)),
        )
        for run in records
    ]
    return table(("RUN", "SYNC", "STATUS", "+", "~", "-", "ACK", "REJECTED", "TOOK"), rows) if rows else "no runs yet"


def _ended(ending: str) -> str:
    """How a run ended, in words."""
    return "plan out of date" if ending == "outdated" else ending.replace("_", " ")


def _took(run: RunRecord) -> float:
    """Seconds from its begin to its end, or until now."""
    return max(0.0, (run.finished_at or time.time()) - run.started_at)


def _upkeep(mode: str) -> str:
    """What a record that is no real run is one of."""
    from tailrace.state.records import Upkeep  # noqa: PLC0415  pulls SQLAlchemy in

    return f" ({mode})" if mode in get_args(Upkeep) else ""


def run_details(details: RunDetails) -> str:
    """One run with its batches."""
    form = details.summary.to_json()
    lines = [f"{name}: {form[name]}" for name in ("run_id", "sync", "status", "started_at", "finished_at", "plan_hash")]
    lines += [f"message: {form['message']}"] * bool(form["message"])
    lines.append(runs([details.summary]))
    lines += [
        f"  {counted(error['rows'], 'row')}: {error['code']}: {error['example']['message']}" for error in form["errors"]
    ]
    rows = [
        (
            str(batch.number),
            batch.operation,
            f"{batch.rows:,}",
            f"{batch.acknowledged:,}",
            f"{batch.rejected:,}",
            f"{batch.unknown:,}",
            duration(batch.settled_at - batch.intended_at) if batch.settled_at else "no answer",
        )
        for batch in details.batches
    ]
    return "\n".join([*lines, table(("BATCH", "OPERATION", "ROWS", "ACK", "REJECTED", "UNKNOWN", "TOOK"), rows)])


def rejected(sync: str, rows: Sequence[TroubledRow]) -> str:
    """Rows the destination refused."""
    if not rows:
        return f"{sync}: no rejected rows"
    from tailrace.running.ledger import outlook  # noqa: PLC0415

    lines = [
        f"  {show_key(row.issue.key)}   {row.issue.op}   {row.issue.code}: {row.issue.message}   "
        f"({counted(row.issue.attempts, 'attempt')}, {outlook(row.issue, row.next_attempt, now())})"
        for row in rows
    ]
    count = counted(len(rows), "rejected row")
    advice = f"next: tailrace retry {sync} | tailrace dismiss {sync}, each with --key for one row"
    return "\n".join([f"{sync}: {count}", *lines, advice])


def resolved(sync: str, rows: Sequence[TroubledRow], way: str) -> str:
    """How many rows are held no more."""
    return f"{sync}: {len(rows):,} rows resolved ({way.replace('_', ' ')})"


def unknown(sync: str, rows: Sequence[TroubledRow]) -> str:
    """Rows sent without an answer that wait for a decision."""
    if not rows:
        return f"{sync}: no rows of unknown outcome"
    lines = [f"  {show_key(row.issue.key)}   {row.issue.op}   {row.issue.message}" for row in rows]
    advice = f"next: tailrace resolve {sync} --look-up | --resend | --skip"
    return "\n".join([f"{sync}: {len(rows):,} rows were sent and no answer came", *lines, advice])


def story(told: Story) -> str:
    """The history of one row."""
    lines = [f"{told.sync}  {show_key(told.key)}", f"  now: {told.standing}"]
    for event in told.events:
        head = f"  {event.at:%Y-%m-%d %H:%M:%S}  {_runs(event)}: "
        if event.status == "held":
            lines.append(f"{head}planned and held back: {event.message}")
            continue
        fields = "".join(f"    {name}" for name in event.fields)
        if event.values_kept:
            pairs = [(name, _short(sides["old"]), _short(sides["new"])) for name, sides in event.fields.items()]
            fields = "".join(f"    {name} {old} → {new}" for name, old, new in pairs)
        record = f" record {event.record_id}" if event.record_id else ""
        why = f" {event.code}: {event.message}" if event.code or event.message else ""
        done = f"{event.action} {event.status or ('in flight' if event.sent_at else 'not sent')}"
        lines.append(f"{head}{done}{record}{_batch(event)}{why}{fields}")
    return "\n".join(lines)


def _runs(event: Event) -> str:
    if event.runs > 1:
        return f"{event.runs:,} runs, {event.run_id} to {event.last_run}"
    ended = f" ({event.run_message})" if event.run_status == "interrupted" and event.run_message else ""
    return f"run {event.run_id}{ended}"


def _batch(event: Event) -> str:
    """When it was sent, and when the answer came."""
    if event.sent_at is None:
        return ""
    answered = f", answered {event.answered_at:%H:%M:%S}" if event.answered_at and event.status else ""
    return f" (batch {event.batch}, sent {event.sent_at:%H:%M:%S}{answered})"


def schedule(lines: Sequence[SyncStatus]) -> str:
    """When the next runs are."""
    due = [f"  {line.sync}: {_next(line)}" for line in lines if line.next_run or line.after]
    return "\n".join(["serving; stop with Ctrl-C", *due])


def _next(line: SyncStatus) -> str:
    words = next_run(line)
    return f"next run {words}" if words == line.next_run else words


def plugins(described: Iterable[Described]) -> str:
    """The installed adapters."""
    lines = []
    for each in described:
        state = "" if not each.missing else f"   (not installed: pip install 'tailrace[{each.name}]')"
        lines += [f"{each.name}   {each.summary}{state}", f"    settings: {', '.join(each.settings)}"]
        lines += [f"    sync options: {', '.join(each.options)}"] * bool(each.options)
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns wide enough for their longest cell, two spaces apart."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
