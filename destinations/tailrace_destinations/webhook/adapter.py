"""The `webhook` destination: one POST per batch."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tailrace.destination import Account, Batch, Context, ObjectSchema, OpenFields, Outcome, Record
from tailrace.errors import AnswerLost, DestinationError, Retriable, StopRun, UsageError
from tailrace.project.types import Secret
from tailrace.values import Value
from tailrace_destinations.webhook import _capabilities, body, reply
from tailrace_destinations.webhook.config import WebhookConfig, address

_CONNECT_WAIT = 10.0
_LARGEST_REPLY = 16 * 2**20
"""Bytes of an answer that are read; more is not what a receiver of rows answers."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def _now() -> datetime:
    return datetime.now(UTC)


class WebhookDestination:
    """`tailrace.destination.Destination` over one URL."""

    def __init__(self, config: WebhookConfig, context: Context, *, now: Callable[[], datetime] = _now) -> None:
        self.capabilities = _capabilities(config)
        self._config = config
        self._context = context
        self._now = now
        self._lock = threading.Lock()
        self._opened: httpx.Client | None = None

    def check(self) -> Account:
        """Ask the receiver for its headers: any answer will do. Retriable when there is none."""
        self._context.calls.spend(write=False)
        try:
            response = self._client().head(self._url())
        except httpx.HTTPError as error:
            raise _unsent(error) from None
        notes = () if response.url.scheme == "https" else ("the receiver is not reached over TLS",)
        return Account(address(self._config), notes=notes)

    def describe(self, object: str) -> ObjectSchema:
        """Any field will do: what an object is, the receiver knows alone."""
        return ObjectSchema(object, OpenFields())

    def push(self, batch: Batch) -> list[Outcome]:
        """POST the batch and read what became of its rows."""
        content = body.body(batch)
        headers = self._headers(batch, content)
        url, client = self._url(), self._client()
        self._context.calls.spend(write=True)
        try:
            response = _post(client, url, content, headers)
        except httpx.HTTPError as error:
            raise _lost(error) from None
        if response.is_success:
            return reply.outcomes(batch, response)
        raise reply.refusal(response, self._now())

    def find(
        self,
        object: str,  # noqa: ARG002  # the seam's
        match: Sequence[str],  # noqa: ARG002
        values: Sequence[tuple[Value, ...]],  # noqa: ARG002
        fields: Sequence[str] = (),  # noqa: ARG002
    ) -> Iterator[Record]:
        """Refuse: a receiver cannot be asked. `capabilities.find` says so beforehand."""
        raise UsageError(
            f"Destination {self._context.name!r} is a webhook, which cannot be asked for its records.",
            hint="Use a mode that needs no look-up: upsert, mirror or append.",
        )

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._opened is None:
                timeout = httpx.Timeout(self._config.timeout, connect=min(_CONNECT_WAIT, self._config.timeout))
                self._opened = httpx.Client(verify=self._tls(), timeout=timeout, follow_redirects=False)
            return self._opened

    def _tls(self) -> ssl.SSLContext:
        if self._config.ca_file is None:
            return httpx.create_ssl_context()
        file = Path(self._context.project_dir) / self._config.ca_file
        try:
            return ssl.create_default_context(cafile=str(file))
        except (OSError, ssl.SSLError):
            raise UsageError(
                f"The ca_file {file} of destination {self._context.name!r} cannot be read as certificates.",
                hint="Give the path of a PEM file.",
            ) from None

    def _url(self) -> httpx.URL:
        try:
            url = httpx.URL(self._config.url.reveal())
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise UsageError(
                f"The url of destination {self._context.name!r} is not an http or https URL.",
                hint="Write it in full, such as https://example.com/in.",
            )
        return url

    def _revealed(self, name: str, value: Secret | str) -> str:
        text = value.reveal() if isinstance(value, Secret) else value
        if not (text.isascii() and text.isprintable()):
            raise UsageError(
                f"Header {name} of destination {self._context.name!r} has a character that no header can carry.",
                hint="Remove line breaks and non-ASCII characters from its value.",
            )
        return text

    def _headers(self, batch: Batch, content: bytes) -> dict[str, str]:
        timestamp = str(int(self._now().timestamp()))
        headers = {name: self._revealed(name, value) for name, value in self._config.headers.items()}
        headers |= {
            "Content-Type": "application/json",
            "User-Agent": "tailrace",
            "Idempotency-Key": batch.id,
            "Tailrace-Timestamp": timestamp,
        }
        if self._config.secret is not None:
            headers["Tailrace-Signature"] = body.sign(self._config.secret.reveal(), timestamp, content)
        return headers


def _post(client: httpx.Client, url: httpx.URL, content: bytes, headers: dict[str, str]) -> httpx.Response:
    with client.stream("POST", url, content=content, headers=headers) as response:
        received = bytearray()
        for chunk in response.iter_bytes():
            received += chunk
            if len(received) > _LARGEST_REPLY:
                raise AnswerLost(f"The receiver's answer is longer than {_LARGEST_REPLY} bytes.")
        kept = {name: value for name, value in response.headers.items() if name in ("retry-after", "location")}
        return httpx.Response(response.status_code, headers=kept, content=bytes(received), request=response.request)


def _unsent(error: httpx.HTTPError) -> DestinationError:
    text = _words(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or isinstance(error, httpx.UnsupportedProtocol):
        return StopRun(
            f"The receiver cannot be trusted: {text}", hint="Correct its certificate, or name its authority in ca_file."
        )
    return Retriable(f"The receiver cannot be reached: {text}", hint="Is the url right, and the receiver running?")


def _lost(error: httpx.HTTPError) -> DestinationError:
    """Tell a request that never left from one whose answer did not come."""
    if isinstance(error, (*_NOT_SENT, httpx.UnsupportedProtocol)):
        return _unsent(error)
    return AnswerLost(f"The receiver did not answer: {_words(error)}")


def _words(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
