"""The `oidc:` of tailrace.yml: which provider people sign in with, and which role each of them has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, model_validator

from tailrace.project.model import Model
from tailrace.project.references import END
from tailrace.project.types import Filled, Secret, matching

Role: TypeAlias = Literal["viewer", "operator", "admin"]
CALLBACK: Final = "/login/callback"
"""Where the provider sends people back to."""
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?"
_HERE = r"(?:localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\])"
_ORIGIN = rf"(?:https://(?:{_NAME}|\[[0-9A-Fa-f:]+\])|http://{_HERE})(?::[1-5]?[0-9]{{1,4}})?"
ORIGIN_PATTERN = rf"^{_ORIGIN}/?{END}"
ADDRESS_PATTERN = rf"^{_ORIGIN}(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/\-]*)?{END}"
SCOPE_PATTERN = rf"^[A-Za-z0-9._:/\-]{{1,200}}{END}"


Address: TypeAlias = Annotated[
    str,
    *matching(
        ADDRESS_PATTERN,
        "should be written out as https://HOST/PATH, with nothing behind the path; http:// is for this machine alone",
        "https://login.example.com/realms/data",
    ),
]
"""Where a provider is: https, or plain http on this machine."""
Origin: TypeAlias = Annotated[
    str,
    *matching(
        ORIGIN_PATTERN,
        "should be written out as https://HOST or https://HOST:PORT, without a path; http:// is for this machine alone",
        "https://tailrace.example.com",
    ),
]
"""Where people reach the console: https, or plain http on this machine."""
Scope: TypeAlias = Annotated[
    str, *matching(SCOPE_PATTERN, "should be the name of a scope, such as openid or email", "openid")
]


class Roles(Model):
    """For each role, the values of the claim that give it."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    viewer: Annotated[tuple[Filled, ...], Field(min_length=1)] = ()
    operator: Annotated[tuple[Filled, ...], Field(min_length=1)] = ()
    admin: Annotated[tuple[Filled, ...], Field(min_length=1)] = ()

    @model_validator(mode="after")
    def _some(self) -> Roles:
        if not self.model_fields_set:
            raise ValueError("roles names at least one of viewer, operator, admin")
        return self


_SOMEBODY: dict[str, Any] = {
    "required": ["default_role"],
    "properties": {"default_role": {"enum": ["viewer", "operator", "admin"]}},
}


class Oidc(Model):
    """A provider of OpenID Connect that people sign in to the console with."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["roles"]}, _SOMEBODY]})

    issuer: Address
    """As its discovery document has it, which is found below it."""
    client_id: Filled
    client_secret: Secret | None = None
    """None for a public client, which proves itself by PKCE alone."""
    url: Origin
    """Where people reach the console; the provider sends them back to `/login/callback` there."""
    scopes: tuple[Scope, ...] = ("openid", "email", "profile")
    """What is asked of the provider; `openid` is always."""
    claim: Filled = "groups"
    """Of the ID token: holds what `roles` names. Dots lead into it where no claim has the whole name."""
    roles: Roles = Roles.model_construct()
    """Which values give which role; of several, the highest."""
    default_role: Literal["none", "viewer", "operator", "admin"] = "none"
    """Of whoever has none of the values; `none` is refused."""

    @model_validator(mode="after")
    def _somebody(self) -> Oidc:
        if "roles" not in self.model_fields_set and self.default_role == "none":
            raise ValueError("nobody could sign in: give roles, such as `roles: {admin: [GROUP]}`, or a default_role")
        return self

    @property
    def callback(self) -> str:
        """The address that the provider must know, and sends people back to."""
        return self.url.rstrip("/") + CALLBACK

    @property
    def secure(self) -> bool:
        """Whether cookies go over TLS alone, whatever a proxy says of how it was asked."""
        return self.url.startswith("https:")

    @property
    def issuer_host(self) -> str:
        """The provider's name, for people."""
        return urlsplit(self.issuer).hostname or ""

    @property
    def host(self) -> str:
        """The name under which the console is asked for."""
        return urlsplit(self.url).hostname or ""

    def role(self, values: Iterable[str]) -> Role | None:
        """The highest role that these values of the claim give; None where whoever has them may do nothing."""
        given = frozenset(values)
        roles: tuple[tuple[Role, tuple[str, ...]], ...] = (
            ("admin", self.roles.admin),
            ("operator", self.roles.operator),
            ("viewer", self.roles.viewer),
        )
        # A default that is higher than what a group gives would make joining the group a loss.
        for role, wanted in roles:
            if role == self.default_role or not given.isdisjoint(wanted):
                return role
        return None

    def counting(self, values: Iterable[str]) -> tuple[str, ...]:
        """Of these values, those that give a role: all that a session needs to remember."""
        known = {*self.roles.viewer, *self.roles.operator, *self.roles.admin}
        return tuple(sorted(known.intersection(values)))
