"""The reference adapter as a destination of a project: `type: memory`.

It is found by no entry point; a test hands it to the engine among the plugins. Entries with the same `store`
share their records, so that a test can look at `store(NAME)` after a run.
"""

from __future__ import annotations

from typing import Literal

from tailrace.destination import Capabilities, Context, Destination, Plugin
from tailrace.project.config import DestinationConfig
from tailrace.testing.memory import CAPABILITIES, MemoryDestination, MemoryStore

_stores: dict[str, MemoryStore] = {}


class MemoryConfig(DestinationConfig):
    """A store in this process."""

    type: Literal["memory"]
    store: str = "default"


def store(name: str = "default") -> MemoryStore:
    """Give the store of that name, made on first use."""
    return _stores.setdefault(name, MemoryStore(account=name))


def forget_stores() -> None:
    """Drop all stores; adapters that are open keep theirs."""
    _stores.clear()


def _open(config: MemoryConfig, context: Context) -> Destination:
    destination: MemoryDestination = MemoryDestination(store(config.store), context)
    return destination


def _capabilities(_config: MemoryConfig) -> Capabilities:
    return CAPABILITIES


plugin = Plugin(
    name="memory",
    summary="records kept in this process, for tests",
    config=MemoryConfig,
    open=_open,
    capabilities=_capabilities,
    account_hint=lambda config: str(config.store),
)
