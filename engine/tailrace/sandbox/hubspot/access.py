"""Who may call HubSpot, and how often: tokens, scopes, the burst, daily and search limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from tailrace.sandbox.hubspot.errors import HubSpotError
from tailrace.sandbox.hubspot.grants import Grants
from tailrace.sandbox.windows import Window

PLANS = {
    "free": (100, 250_000),
    "starter": (100, 250_000),
    "professional": (190, 625_000),
    "enterprise": (190, 1_000_000),
}
"""Requests per 10 seconds of one private app, and per day of the account."""
BURST_SECONDS = 10.0
DAY = 86_400.0
LIMITS = ("burst", "per", "daily", "search", "oauth")
OF_GRANTS = ("rotates", "lifetime")
SEARCHES_PER_SECOND = 5
OAUTH_BURST = 110


@dataclass(slots=True)
class Policy:
    """The limits in force; None is no limit."""

    burst: int | None
    per: float
    daily: int | None
    search: int | None
    oauth: int | None = None
    """Requests of one OAuth app, in place of `burst`."""


class Access:
    """Checks every request; remembers tokens and windows."""

    def __init__(self, plan: str, *, limited: bool) -> None:
        burst, daily = PLANS[plan]
        self.policy = Policy(burst, BURST_SECONDS, daily, SEARCHES_PER_SECOND, OAUTH_BURST)
        if not limited:
            self.policy = Policy(None, BURST_SECONDS, None, None)
        self.grants = Grants()
        self.expired: set[str] = set()
        self._seen: set[str] = set()
        self._windows: dict[str, Window] = {}
        self._search = Window(None, 1.0)
        self._daily = Window(None, DAY)
        self.reset()

    def reset(self) -> None:
        """Forget all requests seen; limits and expired tokens stay."""
        self._windows.clear()
        self._search = Window(self.policy.search, 1.0)
        self._daily = Window(self.policy.daily, DAY)

    def change(self, data: Mapping[str, Any]) -> None:
        """New limits, any of `burst`, `per`, `daily`, `search`, `oauth`; windows start anew.

        `rotates` and `lifetime` say of OAuth tokens whether refresh tokens are used up, and how many seconds access
        tokens are good for.
        """
        unknown = sorted(set(data) - {*LIMITS, *OF_GRANTS})
        if unknown:
            raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join((*LIMITS, *OF_GRANTS))}")
        for name, value in data.items():
            setattr(self.grants if name in OF_GRANTS else self.policy, name, value)
        self.reset()

    def check(self, request: Request) -> None:
        """HubSpotError when the request may not pass."""
        token = bearer(request)
        self._seen.add(token)
        window = self._windows.setdefault(self._spender(token), Window(self._burst(token), self.policy.per))
        if _searches(request):
            self._spend(request, self._search, "SECONDLY")
        else:
            self._spend(request, window, "TEN_SECONDLY_ROLLING")
        self._spend(request, self._daily, "DAILY")
        if token in self.expired or self.grants.expired(token):
            raise _unauthorized("EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
        if token.startswith("read") and _writes(request):
            raise _forbidden(request)
        if token.startswith("records") and _writes(request) and "/properties/" in request.url.path:
            raise _forbidden(request, "schemas")

    def expire(self) -> None:
        """All tokens seen so far are no longer good."""
        self.expired |= self._seen

    def _spender(self, token: str) -> str:
        """Whose limit a request counts to: all tokens of an app share one."""
        app = self.grants.app(token)
        return token if app is None else f"app {app}"

    def _burst(self, token: str) -> int | None:
        return self.policy.burst if self.grants.app(token) is None else self.policy.oauth

    def headers(self, request: Request) -> dict[str, str]:
        """The rate limit headers; none for a search, or while there is no limit."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        window = self._windows.get(self._spender(token))
        if window is None or window.limit is None or _searches(request):
            return {}
        headers = {
            "X-HubSpot-RateLimit-Max": str(window.limit),
            "X-HubSpot-RateLimit-Remaining": str(window.left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(self.policy.per * 1000)),
        }
        if self.policy.daily is not None and self.grants.app(token) is None:
            headers["X-HubSpot-RateLimit-Daily"] = str(self.policy.daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(self._daily.left)
        return headers

    def counters(self) -> dict[str, Any]:
        """Peaks: the most requests that arrived in any one window; and the turns of the busiest one."""
        windows = self._windows.values()
        busiest = max(windows, key=lambda window: window.peak, default=None)
        return {
            "peak_window": max((window.peak for window in windows), default=0),
            "turns": busiest.turns if busiest else [],
            "peak_search": self._search.peak,
            "daily_used": self._daily.used,
            "refused": sum(window.refused for window in windows) + self._search.refused + self._daily.refused,
        }

    def _spend(self, request: Request, window: Window, policy: str) -> None:
        if window.take():
            return
        extra = {"errorType": "RATE_LIMIT", "policyName": policy}
        message = f"You have reached your {policy.lower()} limit."
        raise HubSpotError(429, "", message, extra=extra, headers=self.headers(request))


def bearer(request: Request) -> str:
    """The request's token; HubSpotError when it has none, or a wrong one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or token.startswith("wrong"):
        message = (
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
            "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
        )
        raise _unauthorized("INVALID_AUTHENTICATION", message)
    return token


def _unauthorized(category: str, message: str) -> HubSpotError:
    return HubSpotError(401, category, message)


def _searches(request: Request) -> bool:
    path = request.url.path
    return path.endswith("/search") and not path.startswith(("/crm/v3/lists/", "/crm/lists/"))


def _writes(request: Request) -> bool:
    reading = request.url.path.endswith(("/search", "/batch/read"))
    return request.method not in {"GET", "HEAD"} and not reading


def _forbidden(request: Request, kind: str = "objects") -> HubSpotError:
    parts = request.url.path.split("/")
    name = parts[4] if len(parts) > 4 else "contacts"  # noqa: PLR2004 - /crm/v3/objects/{object}
    message = (
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes."
    )
    needed = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": [f"crm.{kind}.{name}.write"]},
    }
    return HubSpotError(403, "MISSING_SCOPES", message, errors=[needed])
