"""Logging to stderr, as text or JSON lines, with every known secret taken out, and without values of rows."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from tailrace.discretion import allow, allowed, trace
from tailrace.jsonform import iso
from tailrace.redact import RedactingFilter, redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and whatever `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": iso(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        return redact(json.dumps(line, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """Time, level and message for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redact(super().format(record))


OWN = ("tailrace", "tailrace_destinations")
"""Loggers whose messages hold no value of a row, unless that is allowed."""


class DiscreetFilter(logging.Filter):
    """Leaves out of a record what may quote rows: an error's words, and whatever a library has to say."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; every record passes."""
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text, record.exc_info = trace(record.exc_info[1]), None
        if not allowed() and record.name.partition(".")[0] not in OWN:
            record.msg, record.args = f"{record.name} has something to say that may quote rows", None
        return True


def json_line(level: str, message: str, **fields: Any) -> str:
    """What the program tells beside its log, as a line of a log of JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    record = logging.LogRecord("tailrace.cli", number, "", 0, message, None, None)
    vars(record).update(fields)
    return JsonFormatter().format(record)


def configure(level: str, form: str, *, values: bool = False) -> None:
    """Send Tailrace's log to stderr as `text` or `json`; libraries' own logs only where they warn.

    With `values` it may hold values of rows.
    """
    allow(values=values)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(DiscreetFilter())
    handler.addFilter(RedactingFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OWN:
        logging.getLogger(name).setLevel(level.upper())
