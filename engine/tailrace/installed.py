"""What installed packages declare: plugins of each kind, by entry point."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import cast


@cache
def _all() -> metadata.EntryPoints:
    # Every installed package has its say, for whichever group is asked: a hundredth of a second in a usual environment.
    return cast("metadata.EntryPoints", metadata.entry_points())


def entry_points(group: str) -> metadata.EntryPoints:
    """The entry points of that group, as they were when a group was first asked for."""
    return _all().select(group=group)
