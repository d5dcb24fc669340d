"""A request as schedules and logs see it, and ways to pick some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias

from tailrace.errors import UsageError

Kind: TypeAlias = Literal["read", "write", "sign_in"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has arrived whole."""

    number: int
    """Place in the order of arrival; counts from 1."""
    method: str
    path: str
    """Without the query."""
    kind: Kind
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What requests do, by regular expressions that are searched for in their path.

    Without any, a GET, HEAD or OPTIONS reads and everything else writes. `read` names what reads all the same (a
    search by POST), `sign_in` what asks for a session.
    """

    read: str | None = None
    sign_in: str | None = None

    def __post_init__(self) -> None:
        _check(self.read, self.sign_in)

    def of(self, method: str, path: str) -> Kind:
        """What a request does."""
        if self.sign_in is not None and re.search(self.sign_in, path):
            return "sign_in"
        if method in SAFE_METHODS or (self.read is not None and re.search(self.read, path)):
            return "read"
        return "write"


@dataclass(frozen=True, slots=True)
class Match:
    """Some requests: of that method, with a path in which the regular expression is found, of that kind."""

    method: str | None = None
    path: str | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        _check(self.path)

    def __call__(self, request: Request) -> bool:
        """Whether the request is one of them."""
        return (
            self.method in {None, request.method}
            and self.kind in {None, request.kind}
            and (self.path is None or re.search(self.path, request.path) is not None)
        )


def _check(*patterns: str | None) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise UsageError(
                f"{pattern} is no regular expression: {error}", hint="Escape what is meant as it is."
            ) from None


EVERY = Match()


def by_path(request: Request) -> str:
    """Label a request by what it calls."""
    return f"{request.method} {request.path}"


def by_content(request: Request) -> str:
    """Label a request by what it calls and all that it says, so that only a repeated request shares its label."""
    digest = sha256(request.query.encode() + b"\0" + request.body).hexdigest()
    return f"{by_path(request)} {digest[:16]}"
