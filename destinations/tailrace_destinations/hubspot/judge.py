"""The contract of a mapping, as far as only HubSpot's properties tell it: what is archived, calculated or an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tailrace.destination import Operation
from tailrace.judging import Judgement, Mapped, Wish
from tailrace_destinations.hubspot.stages import BACKWARDS, FORWARD_ONLY, STAGE
from tailrace_destinations.plain import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tailrace_destinations.hubspot.schema import Properties

_WRITES: Final = frozenset({Operation.UPSERT, Operation.CREATE, Operation.UPDATE})


def judge(
    wish: Wish, properties: Properties, archived: Callable[[], frozenset[str]], *, backwards: bool = False
) -> Judgement:
    """Faults and notes of a mapping.

    `archived` asks which properties the account has put away; `backwards` is whether lifecycle stages may move back.
    """
    plain = [mapped for mapped in wish.fields if mapped.lookup is None]
    faults = dict(_faults(wish, plain, properties, archived))
    closed = {
        mapped.name: refusal(properties.encoder(mapped.name))
        for mapped in plain
        if mapped.name in properties.choices and not mapped.constant
    }
    return Judgement(faults, tuple(_notes(wish, plain, properties, backwards=backwards)), closed)


def _faults(
    wish: Wish, plain: list[Mapped], properties: Properties, archived: Callable[[], frozenset[str]]
) -> Iterator[tuple[str, str]]:
    names = [*wish.match, *(mapped.name for mapped in plain)]
    absent = [name for name in names if name not in properties.schema.fields]
    gone = archived() if absent else frozenset()
    for name in absent:
        if name in gone:
            yield name, "it is archived in HubSpot; restore it in the account's settings, or map another property"
    if Operation.CREATE not in wish.operations or len(wish.operations) > 1:
        yield from _match(wish, properties)
    for mapped in plain:
        if mapped.name in properties.schema.fields:
            fault = _calculated(wish, mapped, properties) or _constant(mapped, properties)
            if fault is not None:
                yield mapped.name, fault


def _match(wish: Wish, properties: Properties) -> Iterator[tuple[str, str]]:
    fields = properties.schema.fields
    for name in wish.match:
        if name in fields and not fields[name].unique:
            usable = ", ".join(known for known, field in fields.items() if field.unique)
            words = f"several records of {wish.object} may have one {name}, so it cannot be a match (there: {usable})"
            yield (
                name,
                f"{words}; or make one in HubSpot, and choose 'Require unique values' then",
            )


def _calculated(wish: Wish, mapped: Mapped, properties: Properties) -> str | None:
    if mapped.name in properties.calculated and wish.operations & _WRITES:
        return "HubSpot calculates it, so nothing can be written to it; leave it out of the mapping"
    return None


def _constant(mapped: Mapped, properties: Properties) -> str | None:
    return refusal(properties.encoder(mapped.name))(mapped.value) if mapped.constant else None


def _notes(wish: Wish, plain: list[Mapped], properties: Properties, *, backwards: bool) -> Iterator[str]:
    if wish.operations & {Operation.UPSERT, Operation.UPDATE} and any(mapped.name == STAGE for mapped in plain):
        yield BACKWARDS if backwards else FORWARD_ONLY
    if Operation.HARD_DELETE in wish.operations:
        yield "on_delete: gdpr_delete erases contacts for good, one request each, and it cannot be undone"
    skipping = [mapped.name for mapped in plain if mapped.skips_nulls]
    if Operation.UPSERT in wish.operations and tuple(wish.match) == ("email",) and skipping:
        words = "HubSpot does not support partial upserts by e-mail: of new rows all mapped fields are sent, and those "
        yield f"{words}with nulls: skip ({', '.join(skipping)}) may be emptied in contacts that are there already"
    for mapped in plain:
        field = properties.schema.fields.get(mapped.name)
        if field is not None and field.unique and wish.operations & _WRITES:
            yield f"{mapped.name} has unique values in HubSpot: a row whose value another record has is rejected"
