"""Saved plans: one file, whole or absent, that says what was planned and proves it was not edited."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tailrace.changes import InvalidRows, SchemaEvent
from tailrace.errors import UsageError
from tailrace.planning.cost import Cost
from tailrace.planning.extent import Extent
from tailrace.planning.guards import GuardResult
from tailrace.planning.plan import Basis, Plan
from tailrace.snapshot.bundle import read_bundle, write_bundle
from tailrace.values import LogicalType

FORMAT = 2
"""Since 2 the hash is another one: a plan of format 1 must be made again."""


def save_plan(plan: Plan, path: Path, work: Path) -> None:
    """Write the plan; SnapshotError when the file cannot be written. `work` is a folder for it in the making."""
    basis = asdict(plan.basis)
    saved_at = plan.basis.snapshot_saved_at
    header = {
        "format": FORMAT,
        "made_at": plan.made_at.isoformat(),
        "basis": {**basis, "snapshot_saved_at": saved_at.isoformat() if saved_at else None},
        "types": {name: str(logical) for name, logical in plan.types.items()},
        "standing": sorted(plan.standing),
        **plan.head_json(),
    }
    write_bundle(path, header, plan.rows, work)


def load_plan(path: Path, work: Path) -> Plan:
    """Read a plan, whose rows are unpacked to `work`.

    UsageError when the file is no plan, was edited, or comes from another version.
    """
    if not path.is_file():
        raise UsageError(f"there is no plan file {path}", hint="tailrace plan SYNC --out FILE makes one")
    header, rows = read_bundle(path, work)
    if header.get("format") != FORMAT:
        raise UsageError(
            f"{path} is no plan this version can read (format {header.get('format')!r})", hint="make the plan again"
        )
    try:
        plan = Plan(
            sync=header["sync"],
            mode=header["mode"],
            plan_id=header["plan_id"],
            made_at=datetime.fromisoformat(header["made_at"]),
            basis=_basis(header["basis"]),
            rows=rows,
            types={name: LogicalType.parse(text) for name, text in header["types"].items()},
            counts={op: header[f"{op}s"] for op in ("insert", "update", "delete")},
            model_rows=header["model_rows"],
            snapshot_rows=header["snapshot_rows"],
            unchanged=header["unchanged"],
            standing=frozenset(header["standing"]),
            invalid=tuple(InvalidRows(g["reason"], g["rows"], tuple(g["examples"])) for g in header["invalid"]),
            guards=tuple(GuardResult(**guard) for guard in header["guards"]),
            cost=Cost.from_json(header["cost"]),
            events=tuple(SchemaEvent(**event) for event in header["events"]),
            notes=tuple(header["notes"]),
            old_known=header.get("old_known", True),
            extent=Extent.from_json(header["cursor"]) if "cursor" in header else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged: {error!r} in its header", hint="make the plan again") from error
    if plan.hash != header.get("hash"):
        raise UsageError(f"{path} was changed after it was made: its hash does not fit", hint="make the plan again")
    return plan


def _basis(saved: dict[str, Any]) -> Basis:
    at = saved["snapshot_saved_at"]
    made = {**saved, "key": tuple(saved["key"]), "match": tuple(saved["match"])}
    return Basis(**{**made, "snapshot_saved_at": datetime.fromisoformat(at) if at else None})
