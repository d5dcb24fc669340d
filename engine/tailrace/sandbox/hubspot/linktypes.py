"""Kinds of associations between two objects: unlabelled, primary, and labels that an account made.

Each kind has an id of its own in each direction. What an account makes, and what custom objects have, is numbered as it
comes up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.sandbox.hubspot.errors import HubSpotError, invalid

DEFINED, CUSTOM = "HUBSPOT_DEFINED", "USER_DEFINED"
FIRST_OWN_ID = 449
UNLABELLED = {
    ("contacts", "companies"): (279, 280),
    ("contacts", "deals"): (4, 3),
    ("contacts", "tickets"): (15, 16),
    ("companies", "deals"): (342, 341),
    ("companies", "tickets"): (340, 339),
    ("deals", "tickets"): (27, 28),
}
PRIMARY = {
    ("contacts", "companies"): (1, 2),
    ("deals", "companies"): (5, 6),
    ("tickets", "companies"): (26, 25),
}
"""To a company: the one that counts where there are several."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of association in one direction."""

    category: str
    type_id: int
    label: str | None = None
    primary: bool = False

    def spec(self) -> dict[str, Any]:
        """As requests name it."""
        return {"associationCategory": self.category, "associationTypeId": self.type_id}

    def describe(self) -> dict[str, Any]:
        """As answers show it."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


Pair = tuple[str, str]


@dataclass(slots=True)
class LinkTypes:
    """All kinds of a portal; those of two objects come into being when they are first asked for."""

    _kinds: dict[Pair, list[tuple[Kind, Kind]]] = field(default_factory=dict)
    """Per pair of objects each kind with its reverse."""
    _last_id: int = FIRST_OWN_ID - 1

    def kinds(self, here: str, there: str) -> list[tuple[Kind, Kind]]:
        """The kinds between two objects, with their reverses; the unlabelled one comes first."""
        if (here, there) not in self._kinds:
            self._make(here, there)
        return self._kinds[here, there]

    def unlabelled(self, here: str, there: str) -> tuple[Kind, Kind]:
        """The kind that any two associated records have."""
        return self.kinds(here, there)[0]

    def named(self, here: str, there: str, spec: Mapping[str, Any]) -> tuple[Kind, Kind]:
        """The kind a request names; HubSpotError when there is none such."""
        try:
            wanted = (spec["associationCategory"], spec["associationTypeId"])
        except (KeyError, TypeError) as error:
            raise invalid(f"Invalid input JSON: association type {spec} is not understood.") from error
        for kind, reverse in self.kinds(here, there):
            if (kind.category, kind.type_id) == wanted:
                return kind, reverse
        raise invalid(f"One or more association types are not valid between {here} and {there}: {wanted}")

    def add(self, here: str, there: str, data: Any) -> list[Kind]:
        """A label of the account's own, with its reverse; HubSpotError when it cannot be."""
        label = data.get("label") if isinstance(data, dict) else None
        if not isinstance(label, str) or not label:
            raise invalid("Invalid input JSON: some required fields were not set: [label]")
        if any(kind.label == label for kind, _ in self.kinds(here, there)):
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"An association label '{label}' already exists.")
        kind = Kind(CUSTOM, self._next(), label)
        # The reverse has an id of its own, but for records of one object.
        back = kind if here == there else Kind(CUSTOM, self._next(), data.get("inverseLabel") or label)
        self._keep(here, there, kind, back)
        return [kind] if here == there else [kind, back]

    def dump(self) -> dict[str, Any]:
        """As JSON-ready data: what this portal made, and the last number."""
        own = [
            [here, there, *_plain(kind), *_plain(back)]
            for (here, there), pairs in self._kinds.items()
            for kind, back in pairs
            if kind.type_id >= FIRST_OWN_ID and (here <= there)
        ]
        return {"last_id": self._last_id, "own": own}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self._kinds.clear()
        for here, there, *parts in data["own"]:
            kind, back = Kind(*parts[:4]), Kind(*parts[4:])
            if kind.label is not None:
                self.kinds(here, there)
            elif (here, there) in self._kinds:
                continue
            self._keep(here, there, kind, back)
        self._last_id = int(data["last_id"])

    def _make(self, here: str, there: str) -> None:
        self._kinds[here, there], self._kinds[there, here] = [], []
        for number, id_, back_id in _defined(here, there):
            self._keep(here, there, Kind(DEFINED, id_, *_LABELS[number]), Kind(DEFINED, back_id, *_LABELS[number]))
        if not self._kinds[here, there]:
            kind = Kind(CUSTOM, self._next())
            self._keep(here, there, kind, kind if here == there else Kind(CUSTOM, self._next()))

    def _keep(self, here: str, there: str, kind: Kind, back: Kind) -> None:
        self._kinds.setdefault((here, there), []).append((kind, back))
        if here != there:
            self._kinds.setdefault((there, here), []).append((back, kind))

    def _next(self) -> int:
        self._last_id += 1
        return self._last_id


_LABELS: tuple[tuple[str | None, bool], ...] = ((None, False), ("Primary", True))


def _defined(here: str, there: str) -> Iterator[tuple[int, int, int]]:
    """HubSpot's own kinds: 0 for unlabelled or 1 for primary, and the ids in both directions."""
    for number, known in enumerate((UNLABELLED, PRIMARY)):
        if (here, there) in known:
            yield number, *known[here, there]
        elif (there, here) in known:
            kind, back = known[there, here]
            yield number, back, kind


def _plain(kind: Kind) -> tuple[str, int, str | None, bool]:
    return kind.category, kind.type_id, kind.label, kind.primary
