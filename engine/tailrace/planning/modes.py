"""What each mode does with an insert, an update or a delete: the table of modes, as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl

from tailrace.actions import REMOVALS, operation
from tailrace.canonical import type_of
from tailrace.canonical.convert import convert_rows
from tailrace.destination import Capabilities, Operation
from tailrace.errors import UsageError
from tailrace.project.config import ArchiveFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tailrace.changes import Op
    from tailrace.project.config import OnDelete, SyncConfig
    from tailrace.rowset import Rows
    from tailrace.values import LogicalType

Action: TypeAlias = Literal["upsert", "update", "create", "delete", "hard_delete", "archive", "retire", "clear"]

SHOWN_AS: dict[str, Op] = {"update": "update", **dict.fromkeys(REMOVALS, "delete")}
"""What people are told an action is; the others keep the kind the diff gave them."""


def actions(config: SyncConfig) -> dict[Op, Action]:
    """The action for each kind of change under the sync's mode; kinds without one are left alone."""
    match config.mode:
        case "upsert":
            return {"insert": "upsert", "update": "update"}
        case "update":
            return {"insert": "update", "update": "update"}
        case "insert":
            return {"insert": "create"}
        case "append" if config.append == "changes":
            return {"insert": "create", "update": "create"}
        case "append":
            return {"insert": "create"}
        case "delete":
            return {"insert": "delete"}
        case "mirror" if config.on_delete == "keep":
            return {"insert": "upsert", "update": "update"}
        case "mirror":
            return {"insert": "upsert", "update": "update", "delete": _removal(config.on_delete)}


def _removal(on_delete: OnDelete | ArchiveFields) -> Action:
    if isinstance(on_delete, ArchiveFields):
        return "retire"
    if on_delete == "gdpr_delete":
        return "hard_delete"
    return "delete" if on_delete == "keep" else on_delete


def needed_operations(config: SyncConfig) -> frozenset[Operation]:
    """What the destination must be able to do for this sync."""
    return frozenset(map(operation, actions(config).values()))


def refusals(config: SyncConfig, capabilities: Capabilities) -> list[str]:
    """Why an adapter cannot carry this sync out; empty when it can."""
    modes = capabilities.modes
    if modes is not None and config.mode not in modes:
        return [f"mode {config.mode} means nothing for {config.object}; it takes {' or '.join(sorted(modes))}"]
    if config.mode == "mirror" and config.on_delete == "clear" and not capabilities.fields:
        return [f"on_delete: clear means nothing for {config.object}, which has no fields; it takes delete or keep"]
    known = capabilities.operations | (capabilities.bulk.operations if capabilities.bulk else frozenset())
    can = ", ".join(sorted(known))
    found = [
        f"this destination cannot {operation} records, which {_cause(config, operation)} needs; it can {can}"
        + _instead(config, operation, capabilities)
        for operation in sorted(needed_operations(config) - known)
    ]
    if not found and "hard_delete" in actions(config).values() and config.on_delete != capabilities.for_good:
        word = capabilities.for_good
        found.append(f"to delete records for good is on_delete: {word} here, and it must be written out so")
    if any(spec.lookup for spec in config.fields.values()) and not capabilities.lookups:
        found.append("this destination has no references between records, so a field cannot be a lookup")
    if any(spec.label or spec.primary for spec in config.fields.values()) and not capabilities.labels:
        found.append("references have no kinds at this destination, so a lookup has neither label nor primary")
    if config.mode == "insert" and not capabilities.find:
        found.append("this destination cannot look records up, so mode insert cannot tell which exist")
    if any(spec.write == "empty" for spec in config.fields.values()) and not capabilities.find:
        found.append("this destination cannot look records up, so write: empty cannot tell which fields are empty")
    if _tells_new(config) and not capabilities.find:
        found.append("this destination cannot look records up, so write: create cannot tell which are new")
    if not config.match and config.mode != "append" and capabilities.match == "required":
        found.append(f"mode {config.mode} needs match, the field that identifies a record at this destination")
    return found


def _tells_new(config: SyncConfig) -> bool:
    """Whether fields go with new records only, and a new row may meet a record that exists."""
    initial = any(spec.write == "create" for spec in config.fields.values())
    return initial and bool(config.match) and "upsert" in actions(config).values()


def _instead(config: SyncConfig, operation: Operation, capabilities: Capabilities) -> str:
    """What does for `on_delete: archive` where there is no inactive state: a field that says so."""
    sets_fields = capabilities.fields and Operation.UPDATE in capabilities.operations
    if config.mode != "mirror" or operation is not Operation.ARCHIVE or not sets_fields:
        return ""
    return ". To mark records inactive by a field of theirs, write on_delete: {archive: {FIELD: VALUE}}"


def _cause(config: SyncConfig, operation: Operation) -> str:
    if config.mode == "mirror" and operation in {Operation.DELETE, Operation.HARD_DELETE, Operation.ARCHIVE}:
        return f"on_delete: {config.on_delete}"
    return f"mode {config.mode}"


def with_actions(changes: Rows, config: SyncConfig, types: Mapping[str, LogicalType]) -> Rows:
    """The changes that the mode acts on, with their `action`.

    Fields that go with new records only are marked (`w:`): an upsert may make one, an update never does. Rows that left
    the model get the values that archive their records, under the types of the mapped fields; UsageError where one does
    not fit.
    """
    archived = archive_values(config, types)
    chosen: dict[str, str] = dict(actions(config).items())
    names = [name for name, spec in config.fields.items() if spec.write == "create"]
    action = pl.col("op").replace_strict(chosen, default=None, return_dtype=pl.String).alias("action")
    updates, makes = pl.col("action") == "update", pl.col("action") == "upsert"

    def act(lazy: pl.LazyFrame) -> pl.LazyFrame:
        acted = lazy.with_columns(action).filter(pl.col("action").is_not_null())
        marked = [*(pl.col(f"c:{name}") & ~updates for name in names), *(makes.alias(f"w:{name}") for name in names)]
        for name, value in archived.items():
            retired = pl.col("action") == "retire"
            marked.append(pl.when(retired).then(pl.lit(value)).otherwise(f"n:{name}").alias(f"n:{name}"))
            marked.append(pl.col(f"c:{name}").fill_null(value=False) | retired)
        return acted.with_columns(marked) if marked else acted

    return changes.then(act)


def archive_values(config: SyncConfig, types: Mapping[str, LogicalType]) -> dict[str, pl.Series]:
    """By field the one value that archives a record, in the type of the mapped field; UsageError where it has none."""
    if config.mode != "mirror" or not isinstance(config.on_delete, ArchiveFields):
        return {}
    return {name: _typed(name, value, types[f"f:{name}"]) for name, value in config.on_delete.archive.items()}


def _typed(name: str, value: str | float | None, target: LogicalType) -> pl.Series:
    given = pl.Series([value])
    made = convert_rows(given, type_of(given.dtype) if value is not None else target, target)
    if value is not None and made.is_null().all():
        raise UsageError(
            f"on_delete: archive would set {name} to {value!r}, which is no {target}, as it is in fields",
            hint="give a value of the same type as the field has in the model",
        )
    return made


def shown_op() -> pl.Expr:
    """insert, update or delete, as people see a plan's row."""
    return pl.col("action").replace_strict(SHOWN_AS, default=pl.col("op"), return_dtype=pl.String)


def count_ops(rows: Rows) -> dict[Op, int]:
    """Rows per shown op."""
    return {"insert": 0, "update": 0, "delete": 0, **rows.tally(shown_op())}
