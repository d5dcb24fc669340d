"""Signing in with a refresh token, which simple-salesforce does not offer: OAuth 2.0, RFC 6749, section 6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailrace.errors import AccessDenied
from tailrace.redact import redact, register

if TYPE_CHECKING:
    import requests

    from tailrace_destinations.salesforce.config import RefreshToken


@dataclass(slots=True)
class Rotation:
    """What an app that rotates refresh tokens gave in place of the configured one, which is used up then."""

    token: str | None = None

    @property
    def note(self) -> str | None:
        """What `check` tells of it."""
        if self.token is None:
            return None
        return (
            "the app rotates refresh tokens, so the one in auth is used up with this sign-in and the next run will be "
            "refused: turn rotation off in the app's OAuth policies, or use flow: client_credentials or jwt"
        )


def refresh(auth: RefreshToken, session: requests.Session, rotation: Rotation) -> tuple[str, str]:
    """The access token and the instance's host; AccessDenied with Salesforce's reason when it refuses.

    A new refresh token in the answer is kept in `rotation`, and used when this session has ended.
    """
    used = rotation.token or auth.refresh_token.reveal()
    register(used, passing=True)
    data = {"grant_type": "refresh_token", "client_id": auth.client_id, "refresh_token": used}
    if auth.client_secret is not None:
        data["client_secret"] = auth.client_secret.reveal()
    response = session.post(f"{auth.login_url}/services/oauth2/token", data=data)
    answer: Any = response.json()
    if "error" in answer:
        raise _refused(str(answer["error"]), str(answer.get("error_description") or "no reason given"))
    register(str(answer["access_token"]), passing=True)
    fresh = answer.get("refresh_token")
    if fresh and fresh != used:
        register(str(fresh), passing=True)
        rotation.token = str(fresh)
    return str(answer["access_token"]), str(answer["instance_url"]).partition("://")[2]


def _refused(code: str, reason: str) -> AccessDenied:
    hints = {
        "invalid_grant": (
            "The refresh token has ended: it was revoked, not used for too long, pushed out by newer ones of the same "
            "user and app, or replaced because the app rotates refresh tokens. Authorise the app anew, put the new "
            "token where auth.refresh_token refers to, and turn rotation off for this app."
        ),
        "invalid_client": "The app wants its client_secret, or another one: set auth.client_secret.",
        "invalid_client_id": "auth.client_id is not the consumer key of an app that login_url knows.",
    }
    return AccessDenied(
        redact(f"Salesforce refused to sign in: {code}: {reason}")[:500],
        code=code,
        hint=hints.get(code, "Check auth: login_url, client_id, and the refresh token."),
    )
