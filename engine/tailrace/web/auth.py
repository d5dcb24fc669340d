"""Who is asking: bearer tokens for programs, signed cookies for browsers, and what each role may do."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from tailrace.state.access import ROLES
from tailrace.web.person import Person

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
    """What a browser's cookie says. With neither token nor person it is one where nobody has to sign in."""

    nonce: str
    expires: float
    token_id: str | None = None
    person: Person | None = None
    """Who signed in with a provider."""

    @property
    def signed_in(self) -> bool:
        """Whether somebody did so, and can sign out."""
        return self.token_id is not None or self.person is not None


class Sealed:
    """Makes and reads signed texts: cookies, and the forms' proof that they come from our own pages."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def session(self, token_id: str | None = None, person: Person | None = None) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(18), self._clock() + SESSION_S, token_id, person)

    def cookie(self, session: Session) -> str:
        """The session as a cookie's value."""
        person = [astuple(session.person)] if session.person else []
        return self.sealed("session", session.expires, [session.nonce, session.token_id, *person])

    def opened(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None when it is not ours, or too old."""
        found = self.unsealed("session", cookie)
        if found is None:
            return None
        expires, (nonce, token_id, *rest) = found
        return Session(nonce, expires, token_id, _person(*rest[0]) if rest else None)

    def sealed(self, purpose: str, expires: float, held: list[Any]) -> str:
        """What a browser is to keep, as a cookie's value; `held` is JSON."""
        text = base64.urlsafe_b64encode(json.dumps([expires, held]).encode()).decode().rstrip("=")
        return f"{text}.{self.sign(purpose, text)}"

    def unsealed(self, purpose: str, cookie: str | None) -> tuple[float, list[Any]] | None:
        """When it expires, and what was held; None when the cookie is not ours, or too old."""
        text, _, signature = (cookie or "").partition(".")
        if not self.is_signed(purpose, text, signature):
            return None
        try:
            expires, held = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            return None
        return (expires, held) if expires > self._clock() and isinstance(held, list) else None

    def until(self, seconds: float) -> float:
        """The time so many seconds from now."""
        return self._clock() + seconds

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


def _person(issuer: str, subject: str, email: str | None, values: list[str]) -> Person:
    return Person(issuer, subject, email, tuple(values))


class Door:
    """Decides who a request comes from. With `open`, whoever reaches this address is an admin named `local`.

    `proven` knows tokens as a whole and `token` by their ids; `role` is that of a person, as things are now.
    """

    def __init__(
        self,
        sealed: Sealed,
        *,
        open: bool,
        proven: Callable[[str], Token | None],
        token: Callable[[str], Token | None],
        role: Callable[[Person], Role | None],
    ) -> None:
        self.sealed = sealed
        self.open = open
        self._proven = proven
        self._token = token
        self._role = role

    def who(self, request: Request) -> Who | None:
        """Who asks; None when that must be told first."""
        bearer = bearer_of(request)
        if bearer is not None:
            found = self._proven(bearer)
            return None if found is None else Who(found.name, found.role)
        session = self.sealed.opened(request.cookies.get(COOKIE))
        signed_in = None if session is None else self._signed_in(session)
        if signed_in is not None or not self.open:
            return signed_in
        if session is None or session.signed_in:
            session = self.sealed.session()
        return Who("local", "admin", session)

    def _signed_in(self, session: Session) -> Who | None:
        """Whose session it is, if it still holds."""
        if session.token_id is not None:
            token = self._token(session.token_id)
            return None if token is None else Who(token.name, token.role, session)
        role = None if session.person is None else self._role(session.person)
        return None if session.person is None or role is None else Who(session.person.name, role, session)

    def sign_in(self, text: str) -> Session | None:
        """A session for whoever has that token."""
        found = self._proven(text.strip())
        return None if found is None else self.sealed.session(found.token_id)


def bearer_of(request: Request) -> str | None:
    """The token that a program sent; None where it sent none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None
