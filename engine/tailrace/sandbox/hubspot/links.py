"""What records are associated with: made and taken apart by the rules of labels and of primary companies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tailrace.sandbox.hubspot.linktypes import Kind, LinkTypes

Link = tuple[str, str, str, str]
"""An association: the two objects' names, and the two records' ids."""


class Links:
    """All associations of a portal.

    Rules followed: a labelled association has the unlabelled kind too; the first company of a record becomes its
    primary one by itself, and a new primary one takes the place of the old, which stays associated; to take the
    unlabelled kind away takes the whole association away.
    """

    def __init__(self) -> None:
        self.types = LinkTypes()
        self._links: dict[Link, list[Kind]] = {}
        self._ends: dict[tuple[str, str, str], dict[str, None]] = {}
        self.writes = 0

    def clear(self) -> None:
        """Forget all associations; labels stay."""
        self._links.clear()
        self._ends.clear()
        self.writes = 0

    def between(self, link: Link) -> list[Kind]:
        """The kinds that hold between two records."""
        return self._links.get(link, [])

    def targets(self, here: str, there: str, record_id: str) -> Iterator[tuple[str, list[Kind]]]:
        """The ids of what a record is associated with, and how."""
        for other in self._ends.get((here, there, record_id), {}):
            yield other, self._links[here, there, record_id, other]

    def add(self, link: Link, kinds: Iterable[tuple[Kind, Kind]]) -> None:
        """Associate two records."""
        here, there, start, end = link
        wanted = [self.types.unlabelled(here, there), *kinds]
        wanted += self._by_itself(link)
        for kind, back in wanted:
            if kind.primary:
                self._step_down(here, there, start, but=end)
                self._step_down(there, here, end, but=start)
            self._put(link, kind)
            self._put((there, here, end, start), back)
        self.writes += 1

    def remove(self, link: Link, kinds: Iterable[Kind] | None = None) -> None:
        """Take an association apart, or only some of its kinds."""
        here, there, start, end = link
        gone = list(self.between(link)) if kinds is None else list(kinds)
        if self.types.unlabelled(here, there)[0] in gone:
            gone = list(self.between(link))
        backs = dict(self.types.kinds(here, there))
        for kind in gone:
            self._drop(link, kind)
            self._drop((there, here, end, start), backs[kind])
        self.writes += 1

    def shown(self) -> list[dict[str, Any]]:
        """All of them, each once a direction: `from` and `to` as object and id, `types` as ids."""
        return [
            {"from": [here, start], "to": [there, end], "types": sorted(kind.type_id for kind in kinds)}
            for (here, there, start, end), kinds in self._links.items()
        ]

    def dump(self) -> list[Any]:
        """As JSON-ready data."""
        return [
            [list(link), [[k.category, k.type_id, k.label, k.primary] for k in kinds]]
            for link, kinds in self._links.items()
        ]

    def restore(self, data: Iterable[Any]) -> None:
        """The reverse of `dump`."""
        self.clear()
        for (a, b, c, d), kinds in data:
            for kind in kinds:
                self._put((a, b, c, d), Kind(*kind))

    def _by_itself(self, link: Link) -> list[tuple[Kind, Kind]]:
        here, there, start, end = link
        found = [pair for pair in self.types.kinds(here, there) if pair[0].primary]
        if not found:
            return []
        # Seen from the record whose company it is.
        owner = (here, there, start) if there == "companies" else (there, here, end)
        return [] if self._ends.get(owner) else found

    def _step_down(self, here: str, there: str, start: str, *, but: str) -> None:
        if there != "companies":
            return
        backs = dict(self.types.kinds(here, there))
        for other, kinds in list(self.targets(here, there, start)):
            for kind in [kind for kind in kinds if kind.primary and other != but]:
                self._drop((here, there, start, other), kind)
                self._drop((there, here, other, start), backs[kind])

    def _put(self, link: Link, kind: Kind) -> None:
        known = self._links.setdefault(link, [])
        if kind not in known:
            known.append(kind)
        self._ends.setdefault(link[:3], {})[link[3]] = None

    def _drop(self, link: Link, kind: Kind) -> None:
        known = self._links.get(link, [])
        if kind in known:
            known.remove(kind)
        if not known:
            self._links.pop(link, None)
            self._ends.get(link[:3], {}).pop(link[3], None)
