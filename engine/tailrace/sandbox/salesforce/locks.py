"""Locks of records: a request holds those of what it writes, and of what that refers to, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from tailrace.sandbox.salesforce.errors import RowError

T = TypeVar("T")
NOT_LOCKED = frozenset({"User", "Organization"})
"""Objects of the set-up, which rows name and do not lock."""


class Locks:
    """Requests end at once, so that none meets another's locks, unless each is to `hold` them for some seconds."""

    def __init__(self) -> None:
        self.hold = 0.0
        self.refused = 0
        """Rows that met a lock of another request."""
        self._owners: dict[str, object] = {}
        self._owner: object | None = None
        self._freed = asyncio.Event()

    @property
    def held(self) -> int:
        """Records locked now."""
        return len(self._owners)

    @property
    def on(self) -> bool:
        """Whether there are locks at all."""
        return bool(self.hold or self._owners)

    def limit(self, seconds: float) -> None:
        """Hold locks that long from now on; what waits ends at once when it is 0."""
        self.hold = seconds
        if not seconds:
            self._freed.set()
            self._freed = asyncio.Event()

    def take(self, ids: Iterable[str]) -> None:
        """Lock records for the request that is carried out; RowError when another one has one of them."""
        wanted = set(ids)
        taken = sorted(id_ for id_ in wanted if self._owners.get(id_, self._owner) is not self._owner)
        if taken:
            self.refused += 1
            message = f"unable to obtain exclusive access to this record or {len(taken)} records: {','.join(taken)}"
            raise RowError("UNABLE_TO_LOCK_ROW", message)
        if self._owner is not None:
            self._owners.update(dict.fromkeys(wanted, self._owner))

    async def holding(self, act: Callable[[], T]) -> T:
        """Carry a request out, and give its locks back some time after."""
        owner = self._owner = object()
        try:
            done = act()
        finally:
            self._owner = None
        try:
            await self._linger(owner)
        finally:
            self._owners = {id_: other for id_, other in self._owners.items() if other is not owner}
        return done

    async def _linger(self, owner: object) -> None:
        if self.hold and owner in self._owners.values():
            try:
                await asyncio.wait_for(self._freed.wait(), self.hold)
            except TimeoutError:
                return
