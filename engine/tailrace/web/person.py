"""Who signed in with a provider, and what the provider's token must say for that."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from tailrace.project.oidc import Oidc

LEEWAY_S: Final = 60
"""Seconds that the clocks here and there may be apart."""
_MOST = 255
"""Characters of a subject, by OpenID Connect Core, 2."""


class Unproven(Exception):
    """A sign-in does not hold; says what is wrong, in words fit for a page."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a browser takes along to the provider, and must bring back."""

    state: str
    nonce: str
    verifier: str
    """Whose hash the provider is told first: whoever steals the code cannot use it."""

    @classmethod
    def new(cls) -> Self:
        """One of its own for each sign-in."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in; which role that means, `oidc:` decides at each request."""

    issuer: str
    subject: str
    email: str | None
    values: tuple[str, ...]
    """Of the claim: those that give a role."""

    @property
    def name(self) -> str:
        """As the audit log has it."""
        # No token can be named so.
        return f"{self.email} ({self.subject})" if self.email else f"oidc:{self.subject}"


def person_of(
    config: Oidc, claims: Mapping[str, Any], header: Mapping[str, Any], token: Mapping[str, Any], attempt: Attempt
) -> Person:
    """Who a token speaks of whose signature holds; Unproven where it is not meant for this sign-in."""
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 - an extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - comes with authlib

    wanted = {
        "iss": {"essential": True, "value": config.issuer},
        "aud": {"essential": True, "value": config.client_id},
    }
    given = {"nonce": attempt.nonce, "client_id": config.client_id, "access_token": token.get("access_token")}
    try:
        CodeIDToken(claims, header, wanted, given).validate(leeway=LEEWAY_S)
    except JoseError as error:
        raise Unproven(f"the provider's answer does not hold: {_told(error)}") from error
    subject = claims["sub"]
    if not isinstance(subject, str) or not _is_plain(subject):
        raise Unproven("the provider's answer does not hold: sub")
    return Person(config.issuer, subject, _email(claims), config.counting(_values(claims, config.claim)))


def _told(error: Any) -> str:
    """What is wrong, without what the token says."""
    kind = str(error.error).replace("_", " ")
    claim = getattr(error, "claim", None)
    return f"{kind}, {claim}" if claim else kind


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= _MOST and text.isprintable()


def _email(claims: Mapping[str, Any]) -> str | None:
    """The address, where there is one that the provider does not call unverified: anybody might have claimed it."""
    email = claims.get("email")
    verified = claims.get("email_verified", True)
    proven = verified is True or verified == "true"  # some providers write it so
    return email if proven and isinstance(email, str) and _is_plain(email) else None


def _values(claims: Mapping[str, Any], name: str) -> Iterable[str]:
    """The texts that a claim holds: one, or a list of them."""
    found = _claim(claims, name)
    listed = found if isinstance(found, list) else [found]
    return [value for value in listed if isinstance(value, str)]


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may have dots itself, or by the names that lead to it."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found
