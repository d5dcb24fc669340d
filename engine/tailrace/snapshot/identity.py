"""Whose snapshot it is: a sync, the account and object it writes, and how rows are told apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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

    @property
    def digest(self) -> str:
        """16 hex characters: the name of the snapshot's folder."""
        clear = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(clear.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """As kept in a manifest, in clear."""
        return {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Identity:
        """Back from a manifest; KeyError or TypeError when it is none."""
        texts = {name: str(data[name]) for name in ("sync", "destination", "account", "object")}
        return cls(**texts, key=tuple(map(str, data["key"])), match=tuple(map(str, data["match"])))
