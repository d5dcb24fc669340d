"""HTTP to Salesforce: one choke point for every request, simple-salesforce's included.

Budget, timeout, TLS, redirects and the meaning of errors are settled in `Transport`, below simple-salesforce,
whose own handling of errors (it signs in again by itself, over and over) is thereby never reached.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from simple_salesforce.api import Salesforce
from urllib3.exceptions import NewConnectionError

from tailrace.errors import AccessDenied, AnswerLost, DestinationError, Retriable, SessionExpired, StopRun
from tailrace.redact import redact, register
from tailrace_destinations.plain import HTTP_OK, innermost
from tailrace_destinations.salesforce.errors import fault
from tailrace_destinations.salesforce.login import sign_in
from tailrace_destinations.salesforce.refresh import Rotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tailrace.destination import Calls
    from tailrace_destinations.salesforce.config import SalesforceConfig

_CONNECT_SECONDS: Final = 10.0
_PIECE: Final = 1 << 16
_USAGE: Final = re.compile(r"(?:^|[^-])api-usage=(\d+)/(\d+)")
_LOOPBACK: Final = re.compile(r"^https://(localhost|127\.[0-9.]+|\[::1\])(?=[:/]|$)")
_REFUSED: Final = frozenset(range(400, 500)) - {408, 429}
_LOGIN_PATHS: Final = ("/services/oauth2/token", "/services/Soap/u/")


class Transport(requests.Session):
    """Every request to the org passes here. Answers other than 2xx leave as the error they mean."""

    def __init__(self, config: SalesforceConfig, calls: Calls, ca_file: str | None) -> None:
        super().__init__()
        self._calls = calls
        self._timeout = (min(_CONNECT_SECONDS, config.timeout), config.timeout)
        self._ca_file = ca_file
        self._renewable = config.auth.flow != "session"
        url = config.auth.instance_url if config.auth.flow == "session" else config.auth.login_url
        # The library writes https:// before every host; a simulator on this machine may speak plain http.
        self._plain = url.startswith("http://")
        # Without an auth of its own, requests takes one from ~/.netrc and drops our header for it.
        self.auth = _keep_headers

    def request(self, method: str, url: str, *args: Any, write: bool = False, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Send one request; `write` says whether it can change anything at the other end."""
        self._calls.spend(write=write)
        target = _LOOPBACK.sub(r"http://\1", url) if self._plain else url
        kwargs |= {"timeout": self._timeout, "allow_redirects": False, "verify": self._ca_file}
        try:
            response = super().request(method, target, *args, **kwargs)
        except requests.RequestException as error:
            raise _transport_fault(error, target, write=write) from None
        self._observe(response)
        if response.status_code not in HTTP_OK:
            self._raise(response, write=write)
        return response

    def _raise(self, response: requests.Response, *, write: bool) -> None:
        signing_in = any(path in response.url for path in _LOGIN_PATHS)
        if signing_in and response.status_code in _REFUSED:
            return  # the reason is in the body, in the form of the login that was tried
        # SOAP gives a wrong password as a fault with status 500.
        if signing_in and b"exceptionCode" in response.content:
            return
        retry_after = response.headers.get("Retry-After")
        body = _json(response)
        raise fault(response.status_code, body, write=write, renewable=self._renewable, retry_after=retry_after)

    def _observe(self, response: requests.Response) -> None:
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage:
            used, most = int(usage[1]), int(usage[2])
            self._calls.observe(quota_left=max(0, most - used), quota_max=most)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _json(response: requests.Response) -> object:
    try:
        return json.loads(response.content)
    except (ValueError, requests.RequestException):
        return None


def _transport_fault(error: requests.RequestException, url: str, *, write: bool) -> DestinationError:
    target = urlsplit(url)
    words = redact(f"{target.scheme}://{target.netloc}: {_reason(error)}")
    if isinstance(error, requests.exceptions.SSLError) and "EOF" not in str(error):
        return StopRun(
            f"The TLS connection to {words}",
            code="TLS",
            hint="The certificate must be valid for that host; give a private authority's certificate as ca_file.",
        )
    if _never_sent(error):
        return Retriable(f"Salesforce cannot be reached at {words}", code="UNREACHABLE")
    if isinstance(error, (ValueError, OSError)) and not isinstance(error, _WHILE_TALKING):
        return StopRun(f"The request cannot be made to {words}", code="BAD_REQUEST", hint="Check auth and ca_file.")
    return (AnswerLost if write else Retriable)(f"No answer came from {words}", code="NO_ANSWER")


_WHILE_TALKING: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def _reason(error: requests.RequestException) -> str:
    return f"{type(error).__name__}: {innermost(error)}"


def _never_sent(error: requests.RequestException) -> bool:
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError)):
        return True
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else None
    return isinstance(inner, NewConnectionError)


class Client:
    """A signed-in org. Thread-safe; signs in at the first request, and anew after a session ended."""

    def __init__(self, config: SalesforceConfig, calls: Calls, ca_file: str | None) -> None:
        self._config = config
        self._transport = Transport(config, calls, ca_file)
        self._lock = threading.Lock()
        self._org: Salesforce | None = None
        self.rotation = Rotation()

    def _sign_in(self) -> Salesforce:
        with self._lock:
            if self._org is None:
                token, host = sign_in(self._config, self._transport, self.rotation)
                self._org = _org(token, host, self._config.api_version, self._transport)
            register(str(self._org.session_id), passing=True)
            return self._org

    def _forget(self, org: Salesforce) -> None:
        with self._lock:
            if self._org is org:
                self._org = None

    @property
    def session_id(self) -> str:
        """The session id; its first 15 characters are the org's id in most orgs."""
        return str(self._sign_in().session_id)

    def get(self, path: str) -> Any:
        """Read a resource below `/services/data/vNN.0/`."""
        try:
            with self._signed_in() as org:
                return org.restful(path) or {}
        except ValueError:
            raise Retriable(f"Salesforce's answer to {path} is no JSON", code="NO_JSON") from None

    def query(self, soql: str) -> Iterator[Mapping[str, Any]]:
        """All records of a query, page by page."""
        try:
            with self._signed_in() as org:
                yield from org.query_all_iter(soql)
        except (ValueError, KeyError, TypeError):
            raise Retriable("Salesforce's answer to a query is not in its form", code="NO_JSON") from None

    def write(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Send a Collections request; the answer's rows, in the order of the request."""
        with self._signed_in() as org:
            response = self._transport.request(
                method,
                f"{org.base_url}{path}",
                data=None if body is None else body.encode(),
                headers={**org.headers, **headers},
                write=True,
            )
        answer = _json(response)
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise AnswerLost("Salesforce's answer to a write is no list of results", code="NO_JSON")
        return answer

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A request with a JSON answer, which is an object; anything but GET writes."""
        data = None if body is None else json.dumps(body).encode()
        with self._signed_in() as org:
            response = self._transport.request(
                method, f"{org.base_url}{path}", data=data, headers=dict(org.headers), write=method != "GET"
            )
        answer = _json(response)
        if isinstance(answer, dict):
            return answer
        raise (Retriable if method == "GET" else AnswerLost)(f"The answer to {path} is no JSON object", code="NO_JSON")

    def send_file(self, path: str, file: Path, kind: str) -> None:
        """PUT a file as it lies on disk; it is never in memory as a whole."""
        with self._signed_in() as org, file.open("rb") as data:
            headers = {**org.headers, "Content-Type": kind}
            self._transport.request("PUT", f"{org.base_url}{path}", data=data, headers=headers, write=True)

    def fetch_file(self, path: str, file: Path, kind: str) -> Mapping[str, str]:
        """GET into a file, piece by piece and as the bytes come; gives the answer's headers."""
        with self._signed_in() as org:
            headers = {**org.headers, "Accept": kind}
            url = f"{org.base_url}{path}"
            with self._transport.request("GET", url, headers=headers, stream=True) as response, file.open("wb") as out:
                try:
                    for piece in response.iter_content(_PIECE):
                        out.write(piece)
                except requests.RequestException as error:
                    raise _transport_fault(error, url, write=False) from None
                return dict(response.headers.lower_items())

    @contextmanager
    def _signed_in(self) -> Iterator[Salesforce]:
        """The org; forgotten when its session has ended."""
        org = self._sign_in()
        try:
            yield org
        except SessionExpired:
            self._forget(org)
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()


def _org(token: str, host: str, version: str, session: requests.Session) -> Salesforce:
    if not (token.isascii() and token.isprintable() and token.strip()):
        raise AccessDenied("The Salesforce session id holds characters no session id has.", hint="Check auth.")
    org = Salesforce(
        session_id=token,
        instance=host,
        version=version,
        session=session,
        parse_float=Decimal,
        object_pairs_hook=None,
    )
    # The library asks for indented answers, which are half as large again.
    org.headers.pop("X-PrettyPrint", None)
    return org
