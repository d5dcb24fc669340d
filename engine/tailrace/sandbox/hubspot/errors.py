"""HubSpot's errors, as whole answers and as entries of a batch's `errors`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4


class HubSpotError(Exception):
    """A request that is refused as a whole."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        context: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body: dict[str, Any] = {"status": "error", "message": message, "correlationId": str(uuid4())}
        self.body |= {"category": category} if category else {}
        self.body |= {"context": dict(context)} if context else {}
        self.body |= {"errors": list(errors)} if errors else {}
        self.body |= extra or {}


def invalid(message: str, context: Mapping[str, Sequence[str]] | None = None) -> HubSpotError:
    """400 VALIDATION_ERROR."""
    return HubSpotError(400, "VALIDATION_ERROR", message, context=context)


def not_found(message: str = "resource not found") -> HubSpotError:
    """404 OBJECT_NOT_FOUND."""
    return HubSpotError(404, "OBJECT_NOT_FOUND", message)


@dataclass(frozen=True, slots=True)
class PropertyFault:
    """Why one value of one property is refused."""

    name: str
    code: str
    message: str

    def detail(self) -> dict[str, Any]:
        """As an entry of a request error's `errors`."""
        return {"message": self.message, "code": self.code, "context": {"propertyName": [self.name]}}

    def embedded(self) -> dict[str, Any]:
        """As HubSpot writes it inside a message."""
        return {"isValid": False, "message": self.message, "error": self.code, "name": self.name}


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one input of a batch is refused. `status` is what a request about this row alone would get."""

    status: int
    category: str
    message: str
    details: tuple[dict[str, Any], ...] = ()

    def entry(self, trace_id: str | None) -> dict[str, Any]:
        """As an entry of a partly successful batch's `errors`; without a trace id it names nobody."""
        entry: dict[str, Any] = {"status": "error", "category": self.category, "message": self.message}
        entry |= {"errors": list(self.details)} if self.details else {}
        return entry if trace_id is None else entry | {"context": {"objectWriteTraceId": [trace_id]}}

    def request_error(self) -> HubSpotError:
        """As the answer to the whole request."""
        return HubSpotError(self.status, self.category, self.message, errors=self.details)


def invalid_properties(faults: Sequence[PropertyFault]) -> RowError:
    """The row error for refused values."""
    text = json.dumps([fault.embedded() for fault in faults], separators=(",", ":"), ensure_ascii=False)
    details = tuple(fault.detail() for fault in faults)
    return RowError(400, "VALIDATION_ERROR", f"Property values were not valid: {text}", details)


def conflict(singular: str, existing: str) -> RowError:
    """The row error for a unique value that another record has."""
    return RowError(409, "CONFLICT", f"{singular.capitalize()} already exists. Existing ID: {existing}")
