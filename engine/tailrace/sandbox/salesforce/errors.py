"""Salesforce's errors, of whole requests and of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SalesforceError(Exception):
    """A request that is refused as a whole: a list of one error with `errorCode`."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = [{"message": message, "errorCode": code, "fields": list(fields)}]


class RowError(Exception):
    """A row that is refused: in Collections an entry with `statusCode`, alone a 400."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)

    def entry(self) -> dict[str, Any]:
        """As a result of a Collections call."""
        error = {"statusCode": self.code, "message": self.message, "fields": self.fields}
        return {"success": False, "errors": [error]}

    def request_error(self) -> SalesforceError:
        """As the answer to a request about this row alone."""
        return SalesforceError(400, self.code, self.message, self.fields)


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """404 NOT_FOUND."""
    return SalesforceError(404, "NOT_FOUND", message)


ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
