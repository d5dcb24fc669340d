"""Versions of the API: v3 (v4 of associations), and dated ones, which stand in a path of their own."""

from __future__ import annotations

from http import HTTPStatus

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request

KNOWN = ("2025-09", "2026-03", "2026-09")
STRICT = frozenset({"2026-09"})
"""Versions whose partly successful batches answer 200, and which enforce the account's required properties."""
DATED = "{version:dated}"
"""The part of a path that names a dated version."""


class Dated(StringConvertor):
    """A version that there is."""

    regex = "|".join(KNOWN)


register_url_convertor("dated", Dated())


def strict(request: Request) -> bool:
    """Whether the request is to keep the account's rules of required properties."""
    return request.path_params.get("version") in STRICT


def folded(request: Request, status: int) -> int:
    """The status of an answer whose errors, if there are any, stand in its body."""
    return int(HTTPStatus.OK) if strict(request) and status == HTTPStatus.MULTI_STATUS else status
