"""Snowflake: Arrow batches from its connector, chunk by chunk as the server made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tailrace.warehouses.arrow import Piece
from tailrace.warehouses.driven import DrivenWarehouse


class SnowflakeWarehouse(DrivenWarehouse):
    """As any other, but for how rows are read."""

    def _pieces(self, cursor: Any, batch_rows: int) -> Iterator[Piece] | None:  # noqa: ARG002 - chunks are the server's
        if getattr(cursor, "_query_result_format", None) != "arrow":
            return None  # the server may answer in JSON, which the connector makes no Arrow of
        # Nanoseconds would not hold a year beyond 2262.
        pieces: Iterator[Piece] = cursor.fetch_arrow_batches(force_microsecond_precision=True)
        return pieces

    def _cancel(self, raw: Any, cursor: Any) -> Callable[[], object]:  # noqa: ARG002 - it is not known by its id yet
        return Cancel(raw)


class Cancel:
    """Ends all that the session runs, once: what the id of the query is only its end would tell."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._done = False

    def __call__(self) -> None:
        """Ask for it, unless it was asked for."""
        if not self._done:
            with suppress(Exception):  # tried again until the query has ended
                self._raw.cursor().execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({int(self._raw.session_id)})")
                self._done = True
