"""The installed adapters, imported one by one and only when needed, so that a broken one is its own problem."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

from tailrace.destination import ENTRY_POINT_GROUP, Plugin
from tailrace.installed import entry_points
from tailrace.project.model import field_keys


class AdapterFault(Exception):
    """An adapter that cannot be used; the text says why."""


class Adapters:
    """Adapters by name; `given` stands in for the installed ones in tests."""

    def __init__(self, given: Mapping[str, Plugin] | None = None) -> None:
        self._loaded: dict[str, Plugin] = dict(given or {})
        self._entries = {} if given is not None else {entry.name: entry for entry in _entries()}

    @property
    def names(self) -> frozenset[str]:
        """Names that may stand as `type`."""
        return frozenset(self._loaded) | frozenset(self._entries)

    def get(self, name: str) -> Plugin:
        """The adapter of that name, imported; AdapterFault when that fails."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Plugin:
        try:
            plugin = self._entries[name].load()
        except Exception as fault:  # noqa: BLE001  a third party's module may raise anything
            raise AdapterFault(f"the adapter {name} cannot be loaded: {type(fault).__name__}: {fault}") from None
        if not isinstance(plugin, Plugin):
            raise AdapterFault(f"the adapter {name} cannot be loaded: its entry point names no Plugin")
        return plugin

    def usable(self) -> dict[str, Plugin]:
        """All adapters that can be imported."""
        found = {}
        for name in sorted(self.names):
            try:
                found[name] = self.get(name)
            except AdapterFault:
                continue
        return found

    def owners(self, option: str) -> list[str]:
        """The adapters that understand this extra key in a sync file."""
        return [name for name, plugin in self.usable().items() if option in option_keys(plugin)]


def option_keys(plugin: Plugin | None) -> set[str]:
    """The extra keys an adapter understands in a sync file."""
    return field_keys(plugin.options) if plugin is not None and plugin.options is not None else set()


def _entries() -> list[EntryPoint]:
    return list(entry_points(group=ENTRY_POINT_GROUP))
