"""What the installed adapters can do, for `tailrace destinations`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tailrace.destination import Plugin, plugins


@dataclass(frozen=True, slots=True)
class Described:
    """An adapter and its settings; `missing` names modules of its extra that are not installed."""

    name: str
    summary: str
    settings: tuple[str, ...]
    options: tuple[str, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `destinations --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "settings": list(self.settings),
            "sync_options": list(self.options),
            "installed": not self.missing,
        }


def describe_plugins() -> tuple[Described, ...]:
    """All adapters by name."""
    return tuple(_described(plugin) for _, plugin in sorted(plugins().items()))


def _described(plugin: Plugin) -> Described:
    return Described(
        name=plugin.name,
        summary=plugin.summary,
        settings=tuple(field.alias or name for name, field in plugin.config.model_fields.items() if name != "type"),
        options=tuple(plugin.options.model_fields) if plugin.options else (),
        missing=tuple(module for module in plugin.requires if find_spec(module) is None),
    )
