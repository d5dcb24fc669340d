"""What must hold after each step, and what must hold once everything has calmed down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
from tests.stateful.model import Row
from tests.stateful.vendor import ALL, OBJECT
from tests.stateful.world import Facts, World

from tailrace.running.result import RunResult
from tailrace.state import Journal, RunRecord


def disagreements(world: World, facts: Facts) -> Iterator[str]:
    """Where the snapshot is not what the destination holds, or knows nothing of a record that we made."""
    records = world.vendor.records(OBJECT)
    rows = facts.snapshot.to_dicts()
    for row in rows:
        # What a run that nobody has recovered yet wrote for a row may have been another's record until then.
        if not {row["k:id"], world.vendor.makers.get(row["record_id"])} & facts.in_doubt:
            yield from _row_disagrees(world, row, records)
    yield from _shared(facts)
    known = {row["record_id"] for row in rows}
    excused = facts.in_doubt | world.vendor.trusted | {row["k:id"] for row in rows if row["record_id"] is None}
    if world.kind.mode == "append":  # of several records of a key the snapshot knows the latest
        excused |= {row["k:id"] for row in rows}
    for record_id, key in world.vendor.makers.items():
        if record_id not in known and key not in excused:
            yield f"record {record_id} was made for key {key}, and nothing on record tells of it"


def _row_disagrees(world: World, row: dict[str, Any], records: dict[str, Any]) -> Iterator[str]:
    key, record_id, vendor = row["k:id"], row["record_id"], world.vendor
    if key in world.vendor.trusted or record_id in world.vendor.taken or _was_earlier(world, key, record_id):
        return
    if record_id is None:
        if not row["unknown"]:
            yield f"the snapshot has key {key} without a record's id"
        return
    if record_id not in records:
        if record_id not in vendor.gone and not row["unknown"]:
            yield f"the snapshot has key {key} as record {record_id}, which is not there"
        return
    excused = vendor.excused[record_id] | set(row["unknown"]) | ({"Ref"} if row["unknown"] else set())
    held = {name[2:]: value for name, value in row.items() if name[:2] in {"f:", "m:"}}
    for name, value in held.items():
        there = records[record_id].get(name)
        if not _same(value, there) and not excused & {name, ALL}:
            yield f"the snapshot has {name}={value!r} for key {key}, record {record_id} has {there!r}"


def _was_earlier(world: World, key: int, record_id: str | None) -> bool:
    """Whether a record was made for another row that has a later one: of those only the latest is known."""
    makers = world.vendor.makers
    maker = makers.get(str(record_id), key)
    return (
        world.appends_changes and maker != key and [made for made in makers if makers[made] == maker][-1] != record_id
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, whichever type a column had when they were sent or saved: 4 and "4" are."""
    return one == other or (None not in {one, other} and str(one) == str(other))


def _shared(facts: Facts) -> Iterator[str]:
    owners = Counter(row["record_id"] for row in facts.snapshot.to_dicts() if row["k:id"] not in facts.in_doubt)
    for record_id, keys in owners.items():
        if record_id is not None and keys > 1:
            yield f"record {record_id} belongs to several keys in the snapshot"


def doubles(world: World) -> Iterator[str]:
    """Records made more often than the model asked for."""
    if world.kind.mode == "append":
        for (key, name), times in world.vendor.made.items():
            allowed = world.vendor.allowed[key] + (world.model.turns[key, name] if world.appends_changes else 1)
            if times > allowed:
                yield f"{times} records of key {key} with name {name}, at most {allowed} were asked for"
    elif world.kind.matched:
        refs = Counter(values.get("Ref") for values in world.vendor.records(OBJECT).values())
        for ref, times in refs.items():
            if times > 1 + world.vendor.late_refs[ref]:
                yield f"{times} records with match value {ref}"


def untold(world: World, result: RunResult) -> Iterator[str]:
    """Where a run's result, its record, its journal and its files tell different stories."""
    with world.process() as process:
        session = process.session
        record = next((run for run in session.state.runs("people", 3) if run.run_id == result.run_id), None)
        if record is None:
            return  # it did not get so far
        if record.status not in {result.status, "running"}:
            yield f"the run ended as {result.status}, its record says {record.status}"
        names = ("acknowledged", "rejected", "unknown", "skipped")
        told = {name: getattr(result, name) for name in names}
        if record.status != "running" and told != {name: getattr(record.tallies, name) for name in names}:
            yield f"the run told {told}, its record {record.tallies}"
        planned = result.inserts + result.updates + result.deletes
        if sum(told.values()) > planned:
            yield f"{planned} rows were planned, {told} are told of"
        if result.status == "succeeded" and result.rejected + result.unknown:
            yield f"the run succeeded with {told}"
        if record.status != "running" and sum(told.values()):
            yield from _journal_differs(session, record, told)
            yield from _unlisted(session, record)


def _journal_differs(session: Any, record: RunRecord, told: dict[str, int]) -> Iterator[str]:
    batches = Journal(session.state, record.run_id, record.token).batches()
    journal = {name: sum(getattr(batch, name) for batch in batches) for name in told}
    if journal != told:
        yield f"the run told {told}, its batches {journal}"
    if any(batch.settled_at is None for batch in batches):
        yield "the run ended with a batch that has no outcomes"


def _unlisted(session: Any, record: RunRecord) -> Iterator[str]:
    saved = session.files.load("people", record.run_id)
    rows = saved.rows.collect(["seq", "k:id"])
    path = session.storage.local(f"people/runs/{record.run_id}/outcomes.parquet")
    outcomes = pl.read_parquet(path).join(rows, on="seq")
    kinds = {issue.key["id"]: issue.kind for issue in session.state.issues("people", record.identity)}
    for key, status in outcomes.filter(pl.col("status").is_in(["rejected", "unknown"])).select("k:id", "status").rows():
        if kinds.get(key) != status:
            yield f"the row of key {key} was {status}, and is listed as {kinds.get(key)}"
    for key in outcomes.filter(pl.col("status") == "acknowledged")["k:id"]:
        if key in kinds:
            yield f"the row of key {key} was acknowledged, and is still listed as {kinds[key]}"


def losses(world: World, facts: Facts) -> Iterator[str]:
    """Where the destination does not have what the model has, though nothing is wrong any more."""
    rows = {row["k:id"]: row for row in facts.snapshot.to_dicts()}
    for row in world.model.valid(matched=world.kind.matched):
        if row["id"] not in facts.troubled | world.vendor.trusted and not _waits(row, rows):
            yield from _lost(world, row, rows.get(row["id"]))
    if world.kind.mode == "mirror":
        yield from _left(world, facts, rows)


def _waits(row: Row, rows: dict[int, Any]) -> bool:
    """Whether another row of the snapshot has its match value, which may be one that cannot be sent now."""
    return any(other.get("m:Ref", "") == row["ref"] for key, other in rows.items() if key != row["id"])


def _lost(world: World, row: Row, known: dict[str, Any] | None) -> Iterator[str]:
    records, key = world.vendor.records(OBJECT), row["id"]
    match world.kind.mode:
        case "append":
            names = [values["Name"] for values in records.values() if values.get("Id") == key]
            wanted = [row["name"]] if world.appends_changes else names
            record_id = known["record_id"] if known else None
            adopted = known is not None and "Id" not in records.get(record_id, {"Id": key})  # not made by us
            adopted |= record_id in world.vendor.taken or _was_earlier(world, key, record_id)
            theirs = {record_id for record_id, values in records.items() if values.get("Id") == key}
            adopted |= any("Name" in world.vendor.excused[record] for record in theirs)  # someone else renamed it
            if not adopted and key not in world.vendor.gone.values() and not (names and set(wanted) <= set(names)):
                yield f"key {key} is lost: its records are {names}, wanted {wanted}"
        case "insert":
            if known is None:
                yield f"key {key} is lost: the snapshot does not know it"
        case "update":
            for record_id in world.vendor.with_ref(row["ref"]):
                yield from _differs(world, row, record_id, records[record_id])
        case _:
            if known is None:
                yield f"key {key} is lost: the snapshot does not know it"
            elif known["record_id"] in records:
                yield from _differs(world, row, known["record_id"], records[known["record_id"]])


def _differs(world: World, row: Row, record_id: str, record: dict[str, Any]) -> Iterator[str]:
    excused = world.vendor.excused[record_id]
    wanted = {"Ref": row["ref"]}
    for name, spec in world.setup.fields.items():
        value = row[spec["column"]] if "column" in spec else spec["value"]
        if not (spec.get("write") or (value is None and spec.get("nulls") == "skip")):
            wanted[name] = value
    for name, value in wanted.items():
        if not _same(value, record.get(name)) and not excused & {name, ALL}:
            yield f"key {row['id']} has {name}={value!r}, its record {record_id} has {record.get(name)!r}"


def _left(world: World, facts: Facts, rows: dict[int, Any]) -> Iterator[str]:
    """Records of rows that have left the model. One whose row may be among those without a key is spared."""
    keys, refs = set(world.model.keys), {row["ref"] for row in world.model.rows}
    nameless = any(row["id"] is None for row in world.model.rows)
    for key, row in rows.items():
        if key not in keys | facts.troubled and row["m:Ref"] not in refs and not nameless:
            yield f"key {key} has left the model, and its record {row['record_id']} is still there"
