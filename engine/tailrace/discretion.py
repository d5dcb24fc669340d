"""Keeps values of rows out of logs. Secrets are never shown; values of rows may be, to whom they are meant for.

What a warehouse or a vendor says of a row often quotes it. So does Python: `invalid literal for int(): 'ann@x.io'`. A
log is read by more people than the data, and kept for longer. So it gets keys, names of fields, codes and words of our
own, and the rest only where someone asked for it: `--log-level debug --log-values`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from tailrace.errors import TailraceError

_allowed = False


def allow(*, values: bool) -> None:
    """Say whether logs may hold values of rows, in this process from now on."""
    global _allowed  # noqa: PLW0603 - the one setting of this process
    _allowed = values


def allowed() -> bool:
    """Whether logs may hold values of rows."""
    return _allowed


def discreet(error: BaseException) -> str:
    """An error in words that are fit for a log."""
    if _allowed:
        return str(error)
    return error.discreet if isinstance(error, TailraceError) else type(error).__name__


def trace(error: BaseException) -> str:
    """An error's traceback, fit for a log: where it came from, and what kind it is."""
    if _allowed:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    return "\n".join(_lines(traceback.TracebackException.from_exception(error), error))


def _lines(told: traceback.TracebackException, error: BaseException | None) -> Iterator[str]:
    before, how = told.__cause__, "was the direct cause of"
    if before is None and not told.__suppress_context__:
        before, how = told.__context__, "was being handled before"
    if before is not None:
        yield from _lines(before, _earlier(error))
        yield f"\nThe exception above {how} this one:\n"
    yield "Traceback (most recent call last):"
    yield "".join(told.stack.format()).rstrip("\n")
    yield type(error).__qualname__ if error is not None else "an exception"


def _earlier(error: BaseException | None) -> BaseException | None:
    return None if error is None else error.__cause__ or error.__context__
