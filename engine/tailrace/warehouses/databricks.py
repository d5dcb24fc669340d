"""Databricks: Arrow batches from its connector, and a service principal's tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpx
import pyarrow as pa

from tailrace.errors import WarehouseError
from tailrace.redact import register
from tailrace.warehouses.arrow import Piece
from tailrace.warehouses.driven import DrivenWarehouse

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk

Headers: TypeAlias = Callable[[], Mapping[str, str]]
_EARLY_S: Final = 60.0
"""Seconds before its end in which a token is no longer used."""
_RIGHTS: Final = ("INSUFFICIENT_PERMISSIONS", "PERMISSION_DENIED")
_NEEDED: Final = (
    "snapshots there need USE CATALOG, and CREATE SCHEMA or USE SCHEMA and CREATE TABLE on the schema of ours; "
    "tables there that somebody else made must be this user's own"
)


class DatabricksWarehouse(DrivenWarehouse):
    """As any other, but for how rows are read."""

    @contextmanager
    def desk(self, *, write: bool) -> Iterator[Desk]:
        """Statements one by one, of which the last that a block may write makes the others' work known."""
        from tailrace.pushdown.databricks import DatabricksDesk  # noqa: PLC0415 - only for snapshots in the warehouse

        with self._driver() as raw:
            yield DatabricksDesk(raw, self._dialect, self._told, write=write)

    def _told(self, what: str, error: Exception) -> WarehouseError:
        """The error for a failure of the connector; one for want of rights says which are needed."""
        if not any(name in str(error) for name in _RIGHTS):
            return super()._told(what, error)
        return WarehouseError(f"warehouse {self._name!r}: {what}: {error}", hint=_NEEDED)

    def _pieces(self, cursor: Any, batch_rows: int) -> Iterator[Piece] | None:
        return fetched(cursor, batch_rows)

    def _cancel(self, raw: Any, cursor: Any) -> Callable[[], object]:  # noqa: ARG002 - cursors are cancelled here
        cancel: Callable[[], object] = cursor.cancel
        return cancel


def fetched(cursor: Any, batch_rows: int) -> Iterator[pa.Table]:
    """A result's rows as tables, until one has no row; that one, too, tells the types."""
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
            register(self._token, passing=True)
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
