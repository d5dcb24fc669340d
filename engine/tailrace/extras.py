"""Optional parts: a missing one is named with the command that installs it."""

from __future__ import annotations

from importlib.util import find_spec

from tailrace.errors import UsageError


def need(*modules: str, extra: str, what: str) -> None:
    """UsageError unless the modules of an extra are installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {', '.join(missing)}", hint=f"pip install 'tailrace[{extra}]'")
