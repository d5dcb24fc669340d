"""Reading a project: `tailrace.yml`, the files under `syncs/` and `models/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.project.load import LoadedProject, load_project
    from tailrace.project.sync import Sync

__all__ = ["LoadedProject", "Sync", "load_project"]


def __getattr__(name: str) -> Any:
    """Import on first use: the configuration's types must not pull the loader in."""
    from importlib import import_module  # noqa: PLC0415

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'sync' if name == 'Sync' else 'load'}"), name)
