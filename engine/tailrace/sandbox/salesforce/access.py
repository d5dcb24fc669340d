"""Who may call Salesforce: OAuth flows, the SOAP login, sessions, and the daily quota."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Mapping
from html import escape, unescape
from re import DOTALL, search
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.salesforce.errors import SalesforceError
from tailrace.sandbox.salesforce.org import USER_ID, Org
from tailrace.sandbox.web import json_response
from tailrace.sandbox.windows import Window

DAY = 86_400.0
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NEEDS = {
    "client_credentials": ("client_id", "client_secret"),
    "password": ("client_id", "client_secret", "username", "password"),
    "refresh_token": ("client_id", "refresh_token"),
    JWT_BEARER: ("assertion",),
}
SOAP_NAMES = (
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


class Access:
    """Checks every request; gives out sessions, and takes them back."""

    def __init__(self, org: Org, daily: int | None) -> None:
        self._org = org
        self.daily = daily
        self.expired: set[str] = set()
        self.rotates = False
        """Whether each use of a refresh token gives another, and ends the one that was used."""
        self._ended: set[str] = set()
        self._seen: set[str] = set()
        self._numbers = itertools.count(1)
        self._window = Window(daily, DAY)

    def reset(self) -> None:
        """Forget requests, expired sessions and used refresh tokens."""
        self.expired.clear()
        self._ended.clear()
        self._window = Window(self.daily, DAY)

    def change(self, data: Mapping[str, Any]) -> None:
        """A new `daily` quota, from which counting starts anew; `rotates` refresh tokens or not."""
        if not data or not set(data) <= {"daily", "rotates"}:
            raise ValueError(f"known are daily and rotates, not {', '.join(sorted(data))}")
        self.rotates = bool(data.get("rotates", self.rotates))
        if "daily" in data:
            self.daily = data["daily"]
            self._window = Window(self.daily, DAY)

    def check(self, request: Request) -> None:
        """SalesforceError when the request may not pass."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in {"bearer", "oauth"} or not token or token.startswith("wrong") or token in self.expired:
            raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self._seen.add(token)
        if not self._window.take():
            raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        reading = request.method == "GET"
        if token.startswith("read") and not reading:
            message = "insufficient access rights on cross-reference id"
            raise SalesforceError(403, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message)

    def expire(self) -> None:
        """All sessions seen or given out so far are no longer good."""
        self.expired |= self._seen

    @property
    def used(self) -> int:
        """Requests of the last 24 hours."""
        return self._window.used

    @property
    def shown_quota(self) -> int:
        """The quota as headers tell it; a large one when there is none."""
        return self.daily if self.daily is not None else 5_000_000

    def counters(self) -> dict[str, Any]:
        """Use of the quota."""
        return {"daily_used": self.used, "refused": self._window.refused}

    def session(self) -> str:
        """A new session id."""
        token = f"{self._org.options.org_id[:15]}!AQ4AQ.sandbox.{next(self._numbers):06d}"
        self._seen.add(token)
        return token

    async def token(self, request: Request) -> Response:
        """POST /services/oauth2/token."""
        form = _form(request, (await request.body()).decode(errors="replace"))
        kind = form.get("grant_type", "")
        if kind not in NEEDS:
            return _refused("unsupported_grant_type", "grant type not supported")
        for name in NEEDS[kind]:
            value = form.get(name, "")
            if not value or value.startswith("wrong"):
                return _refused(*_REFUSALS.get(name, ("invalid_grant", "authentication failure")))
        if kind == JWT_BEARER and form["assertion"].count(".") != 2:  # noqa: PLR2004 - header.payload.signature
            return _refused("invalid_grant", "invalid assertion")
        if form.get("refresh_token") in self._ended:
            return _refused("invalid_grant", "expired access/refresh token")
        granted = self._granted(request)
        if kind == "refresh_token" and self.rotates:
            self._ended.add(form["refresh_token"])
            granted["refresh_token"] = f"5Aep861.sandbox.{next(self._numbers):06d}"
        return json_response(granted)

    async def userinfo(self, request: Request) -> Response:
        """GET /services/oauth2/userinfo."""
        org_id, here = self._org.options.org_id, _base(request)
        body = {"sub": f"{here}/id/{org_id}/{USER_ID}", "user_id": USER_ID, "organization_id": org_id}
        names = {"preferred_username": "sandbox@example.com", "name": "Sandbox User", "email": "sandbox@example.com"}
        return json_response(body | names | {"active": True, "urls": {"rest": f"{here}/services/data/v{{version}}/"}})

    async def identity(self, request: Request) -> Response:
        """GET /id/{org}/{user}."""
        org_id = self._org.options.org_id
        body = {"user_id": USER_ID, "organization_id": org_id, "username": "sandbox@example.com", "active": True}
        return json_response(body | {"id": f"{_base(request)}/id/{org_id}/{USER_ID}", "display_name": "Sandbox User"})

    async def revoke(self, request: Request) -> Response:
        """POST /services/oauth2/revoke: of a session or a refresh token."""
        token = _form(request, (await request.body()).decode(errors="replace")).get("token", "")
        self.expired.add(token)
        self._ended.add(token)
        return Response(status_code=200)

    async def soap(self, request: Request) -> Response:
        """POST /services/Soap/u/NN.0: login alone."""
        text = (await request.body()).decode(errors="replace")
        given = [_element(text, name) for name in ("username", "password")]
        if any(not value or value.startswith("wrong") for value in given):
            message = "INVALID_LOGIN: Invalid username, password, security token; or user locked out."
            return _soap(_fault("INVALID_LOGIN", message), 500)
        return _soap(self._logged_in(request, given[0]), 200)

    def _granted(self, request: Request) -> dict[str, Any]:
        here = _base(request)
        return {
            "access_token": self.session(),
            "signature": base64.b64encode(b"sandbox").decode(),
            "scope": "api",
            "instance_url": here,
            "id": f"{here}/id/{self._org.options.org_id}/{USER_ID}",
            "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1000)),
        }

    def _logged_in(self, request: Request, username: str) -> str:
        version = request.path_params["version"]
        org_id = self._org.options.org_id
        url = f"{_base(request)}/services/Soap/u/{version}/{org_id}"
        return (
            f"<loginResponse><result><metadataServerUrl>{url}</metadataServerUrl>"
            f"<passwordExpired>false</passwordExpired><sandbox>true</sandbox><serverUrl>{url}</serverUrl>"
            f"<sessionId>{self.session()}</sessionId><userId>{USER_ID}</userId><userInfo>"
            f"<organizationId>{org_id}</organizationId><userId>{USER_ID}</userId>"
            f"<userName>{escape(username)}</userName></userInfo></result></loginResponse>"
        )


_REFUSALS = {
    "client_id": ("invalid_client_id", "client identifier invalid"),
    "client_secret": ("invalid_client", "invalid client credentials"),
    "refresh_token": ("invalid_grant", "expired access/refresh token"),
}


def access_routes(access: Access) -> list[Route]:
    """Routes of signing in."""
    return [
        Route("/services/oauth2/token", access.token, methods=["POST"]),
        Route("/services/oauth2/revoke", access.revoke, methods=["POST"]),
        Route("/services/oauth2/userinfo", access.userinfo, methods=["GET"]),
        Route("/id/{org}/{user}", access.identity, methods=["GET"]),
        Route("/services/Soap/u/{version}", access.soap, methods=["POST"]),
        Route("/services/Soap/u/{version}/{org}", access.soap, methods=["POST"]),
    ]


def _form(request: Request, text: str) -> dict[str, str]:
    form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return form
        form = {"client_id": client_id, "client_secret": secret} | form
    return form


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _refused(error: str, description: str) -> Response:
    return json_response({"error": error, "error_description": description}, 400)


def _element(text: str, name: str) -> str:
    match = search(rf"<(?:\w+:)?{name}>(.*?)</(?:\w+:)?{name}>", text, DOTALL)
    return unescape(match.group(1)) if match else ""


def _fault(code: str, message: str) -> str:
    return (
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{message}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"
    )


def _soap(inner: str, status: int) -> Response:
    head = f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope {SOAP_NAMES}><soapenv:Body>'
    text = f"{head}{inner}</soapenv:Body></soapenv:Envelope>"
    return Response(text, status, media_type="text/xml")
