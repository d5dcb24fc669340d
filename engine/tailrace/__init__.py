"""Tailrace: reverse ETL as code.

`Project` is the way in: `Project.load(".").plan("contacts")`, `.run("contacts")`. Errors are in
`tailrace.errors`; `tailrace.destination` is the seam for adapters, `tailrace.testing` their contract suite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.planning import Change, FieldChange, Plan
    from tailrace.running.result import RunResult

__all__ = ["Change", "FieldChange", "Plan", "Project", "RunResult"]

_HOMES = {
    "Project": "tailrace.api",
    "Plan": "tailrace.planning",
    "Change": "tailrace.planning",
    "FieldChange": "tailrace.planning",
    "RunResult": "tailrace.running.result",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that the command line starts at once."""
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - the point of it

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
