"""Whose snapshot it is: a sync, the account and object it writes, and how rows are told apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, TypeAlias, get_args

Holds: TypeAlias = Literal["payloads", "deletions"]
_USUAL: Final = "payloads"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a snapshot belongs to; any part changed is another identity, with a snapshot of its own."""

    sync: str
    destination: str
    account: str
    """The account's own id: an org id, a portal id, a database's address."""
    object: str
    key: tuple[str, ...]
    match: tuple[str, ...]
    holds: Holds = _USUAL
    """What a row of it says: that a record has these values, or that it was deleted (mode delete)."""

    @property
    def digest(self) -> str:
        """16 hex characters: the name of the snapshot's folder."""
        clear = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(clear.encode()).hexdigest()[:16]

    @property
    def twin(self) -> Identity:
        """The other snapshot of the same records: of deletions for one of payloads, and the reverse."""
        return replace(self, holds="payloads" if self.holds == "deletions" else "deletions")

    def as_dict(self) -> dict[str, Any]:
        """As kept in a manifest, in clear."""
        # Without the usual `holds`: there was none at first, and the digests of those days must stay.
        parts = {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}
        return {name: part for name, part in parts.items() if (name, part) != ("holds", _USUAL)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Identity:
        """Back from a manifest; KeyError, TypeError or ValueError when it is none."""
        texts = {name: str(data[name]) for name in ("sync", "destination", "account", "object")}
        holds = data.get("holds", _USUAL)
        if holds not in get_args(Holds):
            raise ValueError(f"holds {holds!r}")
        return cls(**texts, key=tuple(map(str, data["key"])), match=tuple(map(str, data["match"])), holds=holds)
