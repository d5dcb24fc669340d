"""Routes that tell who a token belongs to and how much of its quota is used."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.access import Access
from tailrace.sandbox.hubspot.errors import HubSpotError
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.records import now
from tailrace.sandbox.hubspot.rows import body_of
from tailrace.sandbox.hubspot.versions import DATED
from tailrace.sandbox.web import json_response

SCOPES = [
    "oauth",
    *(f"crm.{kind}.{name}.{right}"
      for kind in ("objects", "schemas") for name in ("contacts", "companies", "deals", "custom")
      for right in ("read", "write")),
]  # fmt: skip


class AccountInfo:
    """The handlers."""

    def __init__(self, portal: Portal, access: Access) -> None:
        self._portal = portal
        self._access = access

    async def details(self, _request: Request) -> Response:
        """GET the portal's own data."""
        return json_response(
            {
                "portalId": self._portal.options.portal_id,
                "accountType": "DEVELOPER_TEST",
                "timeZone": "Europe/Berlin",
                "companyCurrency": "EUR",
                "additionalCurrencies": [],
                "utcOffset": "+01:00",
                "utcOffsetMilliseconds": 3_600_000,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "eu1",
            }
        )

    async def usage(self, _request: Request) -> Response:
        """GET today's requests."""
        usage = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": self._access.policy.daily,
            "currentUsage": self._access.counters()["daily_used"],
            "collectedAt": now(),
            "fetchStatus": "SUCCESS",
        }
        return json_response({"results": [usage]})

    async def token(self, request: Request) -> Response:
        """GET what an OAuth token may do."""
        token = request.path_params["token"]
        if token.startswith("wrong") or token in self._access.expired:
            raise HubSpotError(404, "", "Token doesn't exist")
        body = {"token": token, "user": "sandbox@example.com", "hub_domain": "sandbox.example.com", "scopes": SCOPES}
        body |= {"hub_id": self._portal.options.portal_id, "app_id": 1, "expires_in": 1800, "user_id": 1}
        return json_response(body | {"token_type": "access"})

    async def private_app(self, request: Request) -> Response:
        """POST a private app's token to learn its portal and scopes."""
        body = await body_of(request)
        token = str(body.get("tokenKey", "")) if isinstance(body, dict) else ""
        if not token or token.startswith("wrong"):
            raise HubSpotError(400, "VALIDATION_ERROR", "tokenKey is not the key of a private app.")
        scopes = [scope for scope in SCOPES if scope.endswith("read")] if token.startswith("read") else SCOPES
        portal_id = self._portal.options.portal_id
        return json_response({"userId": 1, "hubId": portal_id, "appId": 1, "scopes": scopes})

    async def refresh(self, request: Request) -> Response:
        """POST a refresh token or code for a new access token."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}
        return json_response(self._access.grants.refresh(form))


def account_routes(portal: Portal, access: Access) -> list[Route]:
    """Routes under /account-info and /oauth."""
    info = AccountInfo(portal, access)
    return [
        Route("/account-info/v3/details", info.details, methods=["GET"]),
        Route("/account-info/v3/api-usage/daily/private-apps", info.usage, methods=["GET"]),
        Route("/oauth/v1/access-tokens/{token}", info.token, methods=["GET"]),
        Route("/oauth/v2/private-apps/get/access-token-info", info.private_app, methods=["POST"]),
        Route("/oauth/v1/token", info.refresh, methods=["POST"]),
        Route(f"/oauth/{DATED}/token", info.refresh, methods=["POST"]),
    ]
