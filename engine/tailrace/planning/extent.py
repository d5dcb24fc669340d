"""How much of a model was read for a plan, where its sync has a cursor; and what that leaves unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailrace.jsonform import Json


@dataclass(frozen=True, slots=True)
class Extent:
    """What was read by a cursor."""

    column: str
    since: Json = None
    """The least value that was read, as JSON has it; None where all rows were."""
    why: str = ""
    """Why all rows were read."""

    @property
    def partial(self) -> bool:
        """Whether only some of the rows were read."""
        return self.since is not None

    def note(self, sync: str) -> str:
        """What to tell of it."""
        if not self.partial:
            return f"all rows were read: {self.why}"
        return (
            f"only rows with {self.column} from {self.since} on, or without any, were read, and those not settled "
            "before: rows that left the model, or changed without a higher "
            f"{self.column}, are not seen before all are read again, as by tailrace run {sync} --full"
        )

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        return {"column": self.column, "read": "since" if self.partial else "all", "since": self.since, "why": self.why}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Extent:
        """Read that form; KeyError when it is none."""
        return cls(str(data["column"]), data["since"], str(data["why"]))
