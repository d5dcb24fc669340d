"""How a request wants its rows written: what its headers, or its job, opt in to or out of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Manner:
    """As of a request without such headers."""

    allow_duplicates: bool = False
    """Whether records are saved that a duplicate rule would stop."""
    assign: bool = True
    """Whether the active assignment rule chooses the owner of new records."""

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> Manner:
        """As `Sforce-Duplicate-Rule-Header` and `Sforce-Auto-Assign` say."""
        pairs = (part.partition("=") for part in headers.get("sforce-duplicate-rule-header", "").split(";"))
        said = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
        assign = headers.get("sforce-auto-assign", "TRUE").strip().upper() != "FALSE"
        return cls(said.get("allowsave") == "true", assign)

    @classmethod
    def of_job(cls, order: Mapping[str, Any]) -> Manner:
        """A job has no such headers, and runs the assignment rule that it names."""
        return cls(assign=bool(order.get("assignmentRuleId")))
