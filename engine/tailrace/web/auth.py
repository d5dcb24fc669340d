"""Who is asking: bearer tokens for programs, signed cookies for browsers, and what each role may do."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tailrace.state.access import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from tailrace.state.access import Role, Token

COOKIE = "tailrace_session"
SESSION_S = 12 * 3600.0
"""How long a browser stays signed in."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who is asking, and in which role."""

    name: str
    role: Role
    session: Session | None = None
    """The browser's; None for a program with a token of its own."""

    def may(self, role: Role) -> bool:
        """Whether the role is at least that one."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser's cookie says. Without a token it is one on this machine, where nobody has to sign in."""

    nonce: str
    expires: float
    token_id: str | None = None


class Sealed:
    """Makes and reads signed texts: cookies, and the forms' proof that they come from our own pages."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def session(self, token_id: str | None) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(18), self._clock() + SESSION_S, token_id)

    def cookie(self, session: Session) -> str:
        """The session as a cookie's value."""
        held = json.dumps([session.nonce, session.expires, session.token_id]).encode()
        text = base64.urlsafe_b64encode(held).decode().rstrip("=")
        return f"{text}.{self.sign('session', text)}"

    def opened(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None when it is not ours, or too old."""
        text, _, signature = (cookie or "").partition(".")
        if not self.is_signed("session", text, signature):
            return None
        try:
            nonce, expires, token_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            return None
        return Session(nonce, expires, token_id) if expires > self._clock() else None

    def csrf(self, session: Session) -> str:
        """What each form of that session carries."""
        return self.sign("form", session.nonce)

    def is_form(self, session: Session, given: str) -> bool:
        """Whether a form came from a page of that session."""
        return self.is_signed("form", session.nonce, given)

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether a signature is ours."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode("utf-8", "surrogatepass"))

    def sign(self, purpose: str, text: str) -> str:
        """A signature of a text, for one purpose."""
        return hmac.digest(self._key, f"{purpose} {text}".encode("utf-8", "surrogatepass"), "sha256").hex()


class Door:
    """Decides who a request comes from. With `open`, whoever reaches this address is an admin named `local`."""

    def __init__(
        self,
        sealed: Sealed,
        *,
        open: bool,
        proven: Callable[[str], Token | None],
        token: Callable[[str], Token | None],
    ) -> None:
        self.sealed = sealed
        self.open = open
        self._proven = proven
        self._token = token

    def who(self, request: Request) -> Who | None:
        """Who asks; None when that must be told first."""
        bearer = bearer_of(request)
        if bearer is not None:
            found = self._proven(bearer)
            return None if found is None else Who(found.name, found.role)
        session = self.sealed.opened(request.cookies.get(COOKIE))
        if session is not None and session.token_id is not None:
            found = self._token(session.token_id)
            if found is not None:
                return Who(found.name, found.role, session)
        if not self.open:
            return None
        if session is None or session.token_id is not None:
            session = self.sealed.session(None)
        return Who("local", "admin", session)

    def sign_in(self, text: str) -> Session | None:
        """A session for whoever has that token."""
        found = self._proven(text.strip())
        return None if found is None else self.sealed.session(found.token_id)


def bearer_of(request: Request) -> str | None:
    """The token that a program sent; None where it sent none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None
