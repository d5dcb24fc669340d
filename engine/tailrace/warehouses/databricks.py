"""Databricks: Arrow batches from its connector, and a service principal's tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import httpx

from tailrace.errors import WarehouseError
from tailrace.redact import register
from tailrace.warehouses.arrow import Piece
from tailrace.warehouses.driven import DrivenWarehouse

Headers: TypeAlias = Callable[[], Mapping[str, str]]
_EARLY_S: Final = 60.0
"""Seconds before its end in which a token is no longer used."""


class DatabricksWarehouse(DrivenWarehouse):
    """As any other, but for how rows are read."""

    def _pieces(self, cursor: Any, batch_rows: int) -> Iterator[Piece] | None:
        return _fetched(cursor, batch_rows)

    def _cancel(self, raw: Any, cursor: Any) -> Callable[[], object]:  # noqa: ARG002 - cursors are cancelled here
        cancel: Callable[[], object] = cursor.cancel
        return cancel


def _fetched(cursor: Any, batch_rows: int) -> Iterator[Piece]:
    """Until a table has no row; that one, too, tells the types."""
    while True:
        table = cursor.fetchmany_arrow(batch_rows)
        yield table
        if not table.num_rows:
            return


def principal(host: str, client_id: str, client_secret: str) -> Callable[[], Headers]:
    """What the connector takes as `credentials_provider`: OAuth's client credentials, as the workspace gives them."""
    tokens = _Tokens(host, client_id, client_secret)
    return lambda: tokens.headers


class _Tokens:
    """A token of a service principal, fetched again before it ends. Several threads may ask."""

    def __init__(self, host: str, client_id: str, client_secret: str) -> None:
        self._host, self._login = host, (client_id, client_secret)
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def headers(self) -> Mapping[str, str]:
        """The header of a request; WarehouseError where no token is given."""
        with self._lock:
            if time.monotonic() > self._ends - _EARLY_S:
                self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def _fetch(self) -> None:
        asked = time.monotonic()
        try:
            answer = httpx.post(
                f"https://{self._host}/oidc/v1/token",
                auth=self._login,
                data={"grant_type": "client_credentials", "scope": "all-apis"},
                timeout=60,
            )
            answer.raise_for_status()
            told = answer.json()
            self._token, self._ends = str(told["access_token"]), asked + float(told.get("expires_in", 3600))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise WarehouseError(
                f"Databricks gives the service principal no token: {error}",
                hint="check client_id and client_secret, and that host is the workspace's own",
            ) from error
        register(self._token, passing=True)
