"""The contract guard: whether the mapping fits what the destination says of the object."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tailrace.destination import Field, ObjectSchema
from tailrace.planning.modes import actions
from tailrace.project.config import ArchiveFields
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.project.config import FieldMap, SyncConfig


def faults(
    config: SyncConfig,
    schema: ObjectSchema,
    types: Mapping[str, LogicalType] | None = None,
    links: Mapping[str, Field | str] | None = None,
) -> dict[str, str]:
    """Each mapped or match field that cannot be written as the sync asks, with what is wrong.

    `types` are the logical types of the model's `f:` and `m:` columns; without them types are not judged. `links` are
    references that are no fields of the object, as `tailrace.destination.Linking` describes them.
    """
    known, links = types or {}, links or {}
    found = {name: _match_fault(schema, name, known.get(f"m:{name}"), config) for name in config.match}
    for name, spec in config.fields.items():
        kind = known.get(f"f:{name}")
        if name in links:
            found[name] = _link_fault(name, links[name], spec, kind, config)
        else:
            found[name] = found.get(name) or _field_fault(schema, name, spec, kind, config)
    if schema.one_of and not set(schema.one_of) & config.fields.keys():
        found["fields"] = f"map at least one of {', '.join(schema.one_of)}"
    return {name: fault for name, fault in {"object": schema.fault, **found}.items() if fault}


def missing_required(config: SyncConfig, schema: ObjectSchema) -> tuple[str, ...]:
    """Fields a new record must have and the mapping lacks: not a fault, as records may all exist already."""
    if not {"upsert", "create"} & set(actions(config).values()):
        return ()
    mapped = {name.casefold() if schema.case_insensitive else name for name in (*config.fields, *config.match)}
    return tuple(
        name
        for name, field in schema.fields.items()
        if field.required and (name.casefold() if schema.case_insensitive else name) not in mapped
    )


def _absent(schema: ObjectSchema, name: str) -> str:
    by_fold = {known.casefold(): known for known in schema.fields}
    close = [by_fold[hit] for hit in get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)]
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{schema.name} has no such field, or {schema.unseen}{hint}"


def _match_fault(schema: ObjectSchema, name: str, kind: LogicalType | None, config: SyncConfig) -> str | None:
    field = schema.get(name)
    if field is None:
        return _absent(schema, name)
    if not field.unique and config.mode != "append":
        return f"records of {schema.name} cannot be matched by it: it is not a unique or external-id field"
    return _type_fault(field, kind)


def _field_fault(
    schema: ObjectSchema, name: str, spec: FieldMap, kind: LogicalType | None, config: SyncConfig
) -> str | None:
    field = schema.get(name)
    if field is None:
        return _absent(schema, name)
    untyped = spec.lookup or _always_null(spec)
    return _write_fault(name, field, spec, config) or (None if untyped else _type_fault(field, kind))


def _link_fault(
    name: str, link: Field | str, spec: FieldMap, kind: LogicalType | None, config: SyncConfig
) -> str | None:
    if isinstance(link, str):
        return link
    if spec.write == "empty":
        return "the destination cannot tell whether such a reference is empty, so write: empty means nothing here"
    return _write_fault(name, link, spec, config) or (None if _always_null(spec) else _type_fault(link, kind))


def _always_null(spec: FieldMap) -> bool:
    """Whether the field is the constant NULL, whose column has a type that says nothing."""
    return spec.value is None and "value" in spec.model_fields_set


def _write_fault(name: str, field: Field, spec: FieldMap, config: SyncConfig) -> str | None:
    done = set(actions(config).values())
    if done & {"upsert", "create"} and not field.createable:
        return f"it is read-only ({field.vendor_type})"
    if done & {"upsert", "update"} and spec.write != "create" and not field.updateable:
        return "it can be set only when a record is created; write: create does that"
    if _always_null(spec) and spec.nulls == "clear" and done & {"upsert", "create", "update"} and not field.nullable:
        return f"it cannot be empty ({field.vendor_type}), so value: null would be refused"
    if "clear" in done and not field.nullable:
        return f"it cannot be empty ({field.vendor_type}), so on_delete: clear would be refused"
    if isinstance(config.on_delete, ArchiveFields) and name in config.on_delete.archive:
        value = config.on_delete.archive[name]
        if value is None and not field.nullable:
            return f"it cannot be empty ({field.vendor_type}), so on_delete: archive would be refused"
        if field.options and isinstance(value, str) and value not in field.options:
            return f"{value!r}, which archives, is not among its choices: {', '.join(field.options[:8])}"
    if field.options and isinstance(spec.value, str) and spec.value not in field.options:
        return f"{spec.value!r} is not among its choices: {', '.join(field.options[:8])}"
    return None


def _type_fault(field: Field, kind: LogicalType | None) -> str | None:
    if kind is None or kind.kind in field.accepts:
        return None
    return f"a {kind} does not fit its type {field.vendor_type}; cast it in the model or with sql:"
