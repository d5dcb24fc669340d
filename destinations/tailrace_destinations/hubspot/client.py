"""HTTP to HubSpot: the vendor's client as transport, with our own reading of what comes back.

Of the vendor's client we use the connection pool and its user agent. Its retries are
off (it cannot tell one 429 from another), its models are passed by (they drop `errors` of a 200 answer).
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from hubspot import HubSpot
from hubspot.crm.objects.exceptions import ApiException

from tailrace.errors import AnswerLost, DestinationError, Retriable, SessionExpired, StopRun
from tailrace.redact import redact
from tailrace_destinations.hubspot.errors import Reply, fault, next_page, parts, refusal_in
from tailrace_destinations.hubspot.paths import TOKEN, Paths
from tailrace_destinations.hubspot.tokens import Tokens
from tailrace_destinations.plain import HTTP_OK, innermost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

    from tailrace.destination import Calls
    from tailrace_destinations.hubspot.config import HubSpotConfig

_CONNECT_SECONDS: Final = 10.0
_POOL_SIZE: Final = 16
# Never retried, never redirected: a repeated write is the engine's decision.
_NO_RETRY: Final = urllib3.Retry(total=False, redirect=False, raise_on_redirect=False, raise_on_status=False)
_NEVER_SENT: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


class Client:
    """One account's requests. Thread-safe; connections are opened at the first request."""

    def __init__(self, config: HubSpotConfig, calls: Calls, ca_file: str | None) -> None:
        self._config = config
        self._calls = calls
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._api: Any = None
        self._headers: dict[str, str] = {}
        self._tokens = Tokens(config, self._post_form)
        self.paths: Final = Paths(config.api_version)
        self.zone: ZoneInfo | None = None
        """The account's time zone, once known: its day is what daily limits count by."""

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, write: bool) -> Reply:
        """Send one request and return its answer; one that refuses it is raised as the error it means."""
        token = self._tokens.current()
        self._calls.spend(write=write)
        reply = self._send(method, path, write=write, body=body, headers={"Authorization": f"Bearer {token}"})
        self._observe(reply)
        told = refusal_in(reply)
        if told is None:
            return reply
        error = fault(told, write=write, zone=self.zone)
        if told.status == HTTPStatus.UNAUTHORIZED and self._tokens.forget(token):
            raise SessionExpired(error.message, code=error.code)
        raise error

    @property
    def sign_in_note(self) -> str | None:
        """What `check` tells of how the account is signed in to."""
        return self._tokens.note

    def _post_form(self, form: Mapping[str, str]) -> Reply:
        """Send a form to the token endpoint; signing in writes nothing."""
        self._calls.spend(write=False)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", TOKEN, write=False, post_params=dict(form), headers=headers)

    def pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The results of all pages of a list; `path` has a query already."""
        after = ""
        while True:
            body = self.request("GET", f"{path}{after}", write=False).body
            yield from parts(body, "results")
            more = next_page(body)
            if more is None:
                return
            after = f"&after={quote(more, safe='')}"

    def _send(self, method: str, path: str, *, write: bool, headers: Mapping[str, str], **content: Any) -> Reply:
        api = self._connect()
        url = self._config.base_url + path
        timeout = (min(_CONNECT_SECONDS, self._config.timeout), self._config.timeout)
        try:
            response = api.request(
                method,
                url,
                headers={**self._headers, **headers},
                **content,
                _preload_content=False,
                _request_timeout=timeout,
            )
            return _reply(response.status, response.data, response.headers, write=write)
        except ApiException as error:
            if not error.status:
                raise _tls_fault(error, self._config.base_url, write=write) from None
            return _reply(error.status, error.body, error.headers, write=write)
        except urllib3.exceptions.HTTPError as error:
            raise _transport_fault(error, self._config.base_url, write=write) from None

    def _connect(self) -> Any:
        with self._lock:
            if self._api is None:
                api = HubSpot(**self._settings()).crm.objects.batch_api.api_client
                json_type = {"Content-Type": "application/json", "Accept": "application/json"}
                self._headers = {**api.default_headers, **json_type}
                self._api = api
            return self._api

    def _settings(self) -> dict[str, Any]:
        settings = {
            "host": self._config.base_url,
            "retry": _NO_RETRY,
            "ssl_ca_cert": self._ca_file,
            "connection_pool_maxsize": max(_POOL_SIZE, self._config.concurrency or 0),
            "proxy": _proxy(self._config.base_url),
        }
        return {name: value for name, value in settings.items() if value is not None}

    def _observe(self, reply: Reply) -> None:
        left = _number(reply.headers.get("x-hubspot-ratelimit-daily-remaining"))
        most = _number(reply.headers.get("x-hubspot-ratelimit-daily"))
        if left is not None or most is not None:
            self._calls.observe(quota_left=left, quota_max=most)

    def close(self) -> None:
        """Give the connections back; a later request would open new ones."""
        with self._lock:
            api, self._api = self._api, None
        if api is not None:
            api.rest_client.pool_manager.clear()
            api.close()


def _reply(status: int, data: bytes | str | None, headers: Mapping[str, str] | None, *, write: bool) -> Reply:
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    try:
        body = json.loads(data) if data else {}
    except ValueError:
        body = None
    if isinstance(body, dict):
        return Reply(status, body, lower)
    if status in HTTP_OK:
        kind: type[DestinationError] = AnswerLost if write else Retriable
        raise kind("HubSpot's answer is no JSON object", code="NO_JSON")
    return Reply(status, {}, lower)


def _transport_fault(error: Exception, url: str, *, write: bool) -> DestinationError:
    words = redact(f"{url}: {type(error).__name__}: {innermost(error)}")
    if isinstance(error, _NEVER_SENT):
        return Retriable(f"HubSpot cannot be reached at {words}", code="UNREACHABLE")
    if isinstance(error, urllib3.exceptions.ProxyError):
        return Retriable(f"The proxy did not connect to {words}", code="UNREACHABLE")
    if write:
        return AnswerLost(f"No answer came from {words}", code="NO_ANSWER")
    return Retriable(f"No answer came from {words}", code="NO_ANSWER")


def _tls_fault(error: ApiException, url: str, *, write: bool) -> DestinationError:
    reason = " ".join(str(error.reason).split())
    if "EOF" in reason:  # the connection broke, certificates are not to blame
        return _transport_fault(ConnectionError(reason), url, write=write)
    return StopRun(
        redact(f"The TLS connection to {url} failed: {reason}"),
        code="TLS",
        hint="The certificate must be valid for that host; give a private authority's certificate as ca_file.",
    )


def _proxy(url: str) -> str | None:
    target = urlsplit(url)
    host = target.hostname or ""
    return None if proxy_bypass(host) else getproxies().get(target.scheme)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
