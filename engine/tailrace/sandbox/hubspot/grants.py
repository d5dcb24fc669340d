"""OAuth tokens of apps: given for refresh tokens, good for a time, and told from the tokens of private apps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from tailrace.sandbox.hubspot.errors import HubSpotError

OAUTH_PREFIX = "oauth-"
LIFETIME = 1800.0
"""Seconds that an access token is good for."""
CHECKED = (
    ("client_id", "BAD_CLIENT_ID", "missing or unknown client id"),
    ("client_secret", "BAD_CLIENT_SECRET", "missing or unknown client secret"),
)


class Grants:
    """The access tokens that were given, each of an app, and the refresh tokens that are used up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rotates = False
        """Whether a refresh token is used up with its use, and another one given in its place."""
        self.lifetime = LIFETIME
        self._clock = clock
        self._numbers = itertools.count(1)
        self._given: dict[str, tuple[str, float]] = {}
        self._ended: set[str] = set()

    def reset(self) -> None:
        """Forget what was given."""
        self._given.clear()
        self._ended.clear()
        self.rotates, self.lifetime = False, LIFETIME

    def app(self, token: str) -> str | None:
        """The app that a token is of; None for that of a private app."""
        return self._given[token][0] if token in self._given else None

    def expired(self, token: str) -> bool:
        """Whether the token is one of OAuth whose time is over, or that was never given."""
        if not token.startswith(OAUTH_PREFIX):
            return False
        return token not in self._given or self._clock() >= self._given[token][1]

    def refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a refresh token or a code; HubSpotError with HubSpot's word for what is wrong."""
        for name, status, message in CHECKED:
            if not form.get(name) or form[name].startswith("wrong"):
                raise _refused(status, message)
        if form.get("grant_type") not in {"refresh_token", "authorization_code"}:
            raise _refused("BAD_GRANT_TYPE", "missing or unknown grant type")
        given = form.get("refresh_token") or form.get("code") or ""
        if not given or given.startswith("wrong") or given in self._ended:
            raise _refused("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        token = f"{OAUTH_PREFIX}{next(self._numbers)}-{form['client_id']}"
        self._given[token] = (form["client_id"], self._clock() + self.lifetime)
        kept = given
        if self.rotates:
            self._ended.add(given)
            kept = f"sandbox-refresh-{next(self._numbers)}"
        return {
            "access_token": token,
            "refresh_token": kept,
            "expires_in": int(self.lifetime),
            "token_type": "bearer",
        }


def _refused(status: str, message: str) -> HubSpotError:
    return HubSpotError(400, "", message, extra={"status": status})
