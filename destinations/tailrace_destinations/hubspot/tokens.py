"""What requests are signed with: a private app's token, or access tokens that an OAuth refresh token is good for.

OAuth 2.0, RFC 6749, section 6. HubSpot's access tokens are good for half an hour.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.errors import AccessDenied, Retriable
from tailrace.redact import redact, register
from tailrace_destinations.plain import HTTP_OK

if TYPE_CHECKING:
    from tailrace_destinations.hubspot.config import HubSpotConfig, RefreshToken
    from tailrace_destinations.hubspot.errors import Reply

Post: TypeAlias = "Callable[[Mapping[str, str]], Reply]"
"""Sends a form to the token endpoint."""
_EARLY: Final = 60.0
"""Seconds before its end that a token is used no more."""
_SHORTEST: Final = 10.0
_HINTS: Final = {
    "BAD_REFRESH_TOKEN": (
        "The refresh token has ended: the app was uninstalled, the token was revoked, or a newer one took its place. "
        "Install the app anew, and put the new token where auth.refresh_token refers to."
    ),
    "BAD_CLIENT_ID": "auth.client_id is not that of an app that HubSpot knows.",
    "BAD_CLIENT_SECRET": "auth.client_secret is not that of the app.",
}


class Tokens:
    """The tokens of one account. Thread-safe: of several threads that need a new one, one asks for it."""

    def __init__(self, config: HubSpotConfig, post: Post, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._access: str | None = None
        self._ends = 0.0
        self._rotated: str | None = None
        """What HubSpot gave in place of the configured refresh token, which is used up then."""

    @property
    def note(self) -> str | None:
        """What `check` tells of the sign-in."""
        if self._rotated is None:
            return None
        return (
            "HubSpot gave a new refresh token, so the one in auth may be used up with this sign-in and the next run be "
            "refused: use a private app's access_token, or keep the refresh token where a program of yours renews it"
        )

    def current(self) -> str:
        """A token that is good now; AccessDenied with HubSpot's reason when there is none."""
        auth = self._config.auth
        if auth is None:
            assert self._config.access_token is not None  # noqa: S101  the configuration has exactly one
            return usable(self._config.access_token.reveal(), "access_token")
        with self._lock:
            if self._access is None or self._clock() >= self._ends:
                self._refresh(auth)
            assert self._access is not None  # noqa: S101  refreshed or raised
            register(self._access, passing=True)
            return self._access

    def forget(self, token: str) -> bool:
        """Use that token no more; whether another can be had."""
        if self._config.auth is None:
            return False
        with self._lock:
            if self._access == token:
                self._access = None
        return True

    def _refresh(self, auth: RefreshToken) -> None:
        used = self._rotated or usable(auth.refresh_token.reveal(), "auth.refresh_token")
        register(used, passing=True)
        form = {
            "grant_type": "refresh_token",
            "client_id": auth.client_id,
            "client_secret": auth.client_secret.reveal(),
            "refresh_token": used,
        }
        reply = self._post(form)
        if reply.status not in HTTP_OK:
            raise _refused(reply)
        access, lasts = reply.body.get("access_token"), reply.body.get("expires_in")
        if not isinstance(access, str) or not access:
            raise AccessDenied("HubSpot's answer to the refresh token has no access token.", hint="Check base_url.")
        fresh = reply.body.get("refresh_token")
        if isinstance(fresh, str) and fresh and fresh != used:
            register(fresh, passing=True)
            self._rotated = fresh
        seconds = float(lasts) if isinstance(lasts, int | float) else _EARLY
        self._access, self._ends = access, self._clock() + max(_SHORTEST, seconds - _EARLY)


def usable(token: str, key: str) -> str:
    """The token, if a header can carry it; AccessDenied if it cannot. `key` is where it is configured."""
    if not (token.isascii() and token.isprintable() and token.strip()):
        raise AccessDenied(
            f"The HubSpot {key} is empty or holds characters no token has.",
            hint=f"Check what the reference in {key} points to.",
        )
    return token


def _refused(reply: Reply) -> AccessDenied | Retriable:
    code = str(reply.body.get("status") or reply.body.get("category") or reply.body.get("error") or "")
    reason = reply.body.get("message") or reply.body.get("error_description") or "no reason given"
    words = redact(f"HubSpot refused to sign in: {reply.status} {code}: {reason}")[:500]
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retriable(words, code=code or None)
    hint = _HINTS.get(code, "Check auth: client_id, client_secret and refresh_token.")
    return AccessDenied(words, code=code or None, hint=hint)
