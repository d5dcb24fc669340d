"""Logging to stderr, as text or JSON lines, with every known secret taken out."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

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
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """Time, level and message for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redact(super().format(record))


def configure(level: str, form: str) -> None:
    """Send Tailrace's log to stderr as `text` or `json`; libraries' own logs only where they warn."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(RedactingFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("tailrace", "tailrace_destinations"):
        logging.getLogger(name).setLevel(level.upper())
