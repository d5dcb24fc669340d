"""Kinds of associations between two objects, and which of them a mapped reference means.

HubSpot tells kinds by category and number; a label is for people, and may change (its changelog says so of the primary
company's). So a label of the account is looked up by name, and HubSpot's own kinds by number where we know it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.destination import Field
from tailrace.errors import ObjectNotFound, StopRun
from tailrace.values import KINDS
from tailrace_destinations.hubspot.errors import Refused, parts
from tailrace_destinations.plain import close_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tailrace.destination import Lookup
    from tailrace_destinations.hubspot.client import Client
    from tailrace_destinations.hubspot.schema import Properties

Kind: TypeAlias = tuple[str, int]
"""Category and number."""
DEFINED: Final = "HUBSPOT_DEFINED"
_PRIMARY: Final = frozenset({1, 2, 5, 6, 25, 26})
"""Contact, deal and ticket with their primary company, in both directions."""
_KEYS: Final = frozenset(KINDS) - {"binary", "json", "float64"}


def spec(kind: Kind) -> dict[str, Any]:
    """A kind as requests name it."""
    return {"associationCategory": kind[0], "associationTypeId": kind[1]}


def read_kind(data: Mapping[str, Any]) -> Kind:
    """A kind as answers show it, in either of HubSpot's two ways."""
    category = data.get("category") or data.get("associationCategory")
    number = data.get("typeId") or data.get("associationTypeId")
    return str(category), int(number or 0)


@dataclass(frozen=True, slots=True)
class Between:
    """The kinds of association between two objects, in that direction."""

    unlabelled: tuple[Kind, ...]
    primary: Kind | None
    labels: Mapping[str, Kind]

    def meant(self, lookup: Lookup) -> Kind | None:
        """The kind that a reference asks for; None when there is none such."""
        if lookup.primary:
            return self.primary
        if lookup.label is not None:
            return next(
                (kind for label, kind in self.labels.items() if label.casefold() == lookup.label.casefold()), None
            )
        return self.unlabelled[0] if self.unlabelled else None


def read_kinds(listed: Iterable[Mapping[str, Any]]) -> Between:
    """Make sense of what HubSpot lists between two objects; its own unlabelled kind goes before others."""
    unlabelled: list[Kind] = []
    labels: dict[str, Kind] = {}
    primary: Kind | None = None
    for entry in listed:
        kind, label = read_kind(entry), str(entry.get("label") or "")
        if not label:
            unlabelled.append(kind)
        elif kind[0] == DEFINED and (kind[1] in _PRIMARY or "primary" in label.casefold()):
            primary = kind
        else:
            labels[label] = kind
    return Between(tuple(sorted(unlabelled, key=lambda kind: kind[0] != DEFINED)), primary, labels)


class LinkKinds:
    """The kinds of an account, each pair of objects asked for once."""

    def __init__(self, client: Client, known: Callable[[str], Properties]) -> None:
        self._client = client
        self._known = known
        self._lock = threading.Lock()
        self._between: dict[tuple[str, str], Between] = {}

    def between(self, here: str, there: str) -> Between:
        """The kinds between two objects. ObjectNotFound when there is no such object."""
        with self._lock:
            if (here, there) not in self._between:
                try:
                    reply = self._client.request(
                        "GET", self._client.paths.associations(here, there, "labels"), write=False
                    )
                except Refused as error:
                    raise ObjectNotFound(error.message, code=error.code) from None
                self._between[here, there] = read_kinds(parts(reply.body, "results"))
            return self._between[here, there]

    def meant(self, here: str, lookup: Lookup) -> Kind:
        """The kind that a reference asks for; StopRun when it is there no more."""
        kind = self.between(here, lookup.object).meant(lookup)
        if kind is None:
            raise StopRun(
                f"HubSpot has no association of {here} with {lookup.object} as the mapping asks for",
                hint="Run `tailrace check`, which says what there is.",
            )
        return kind

    def describe(self, object: str, lookups: Mapping[str, Lookup]) -> dict[str, Field | str]:
        """How each reference is written, or why it cannot be."""
        found: dict[str, Field | str] = {}
        taken: dict[tuple[str, str | None, bool], str] = {}
        for name, lookup in lookups.items():
            same = taken.setdefault((lookup.object, lookup.label, lookup.primary), name)
            fault = next(self._faults(object, lookup), None)
            if same != name:
                fault = f"it is the same association as {same}, which both would take from each other; give one a label"
            found[name] = fault or Field(name, f"association with {lookup.object}", _KEYS)
        return found

    def _faults(self, object: str, lookup: Lookup) -> Iterator[str]:
        try:
            parent = self._known(lookup.object)
            between = self.between(object, lookup.object)
        except ObjectNotFound as error:
            yield f"lookup: {error.message}"
            return
        yield from _key_faults(parent, lookup)
        if between.meant(lookup) is None:
            yield _no_such_kind(object, lookup, between)


def _key_faults(parent: Properties, lookup: Lookup) -> Iterator[str]:
    fields = parent.schema.fields
    known = fields.get(lookup.by)
    if known is None:
        yield f"by: {lookup.object} has no property {lookup.by}{close_names(lookup.by, fields)}"
    elif not known.unique:
        usable = ", ".join(name for name, field in fields.items() if field.unique)
        yield (
            f"by: several records of {lookup.object} may have one {lookup.by}, so it cannot tell which one is meant; "
            f"look up by a property with unique values (there: {usable}), or make one in HubSpot: the rule "
            "'Require unique values' can only be chosen when a property is made"
        )


def _no_such_kind(object: str, lookup: Lookup, between: Between) -> str:
    if lookup.primary:
        return f"primary: HubSpot tells primary companies only, and knows no primary {lookup.object} of {object}"
    if lookup.label is None:
        return f"HubSpot knows no association of {object} with {lookup.object}; define one in its settings first"
    labels = f"; it has {', '.join(sorted(between.labels))}" if between.labels else "; it has none"
    close = close_names(lookup.label, between.labels) or labels
    return f"label: HubSpot has no label {lookup.label!r} for {object} with {lookup.object}{close}"
