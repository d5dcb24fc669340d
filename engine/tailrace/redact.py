"""Keeps secrets out of every text that leaves the program.

A secret registers itself when it is revealed; from then on `redact` replaces it wherever it shows up,
as it is or in the usual disguises (URL-encoded, base64, escaped). Values shorter than
`SHORTEST` characters are not registered: replacing them would shred ordinary text, and a secret of
three characters protects nothing anyway.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Characters a value must have to be registered."""
_SHORTEST_DERIVED = 6
"""Characters a base64 form must have; shorter ones turn up in ordinary text by chance."""
_SHORTEST_LINE = 16
"""Characters a line of a multi-line secret, such as a private key, must have to be registered alone."""
MASK = "***"
PASSING = 64
"""Tokens that are remembered: a process that signs in anew for weeks must not grow by every one it was ever given."""

_lock = threading.Lock()
_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None
_tokens: dict[str, re.Pattern[str]] = {}
"""The latest `PASSING` tokens, the newest last, each with a pattern of its forms. Replaced, never changed."""


def register(value: str, *, passing: bool = False) -> None:
    """Have `redact` replace this value from now on; values under `SHORTEST` characters are ignored.

    One that is `passing`, such as a token that a vendor gives for an hour, is replaced until `PASSING` others came: who
    uses it registers it each time.
    """
    global _pattern, _tokens  # noqa: PLW0603  the one registry of this process
    if len(value) < SHORTEST or (passing and value == next(reversed(_tokens), None)):
        return
    with _lock:
        if passing:
            kept = [known for known in _tokens.items() if known[0] != value][1 - PASSING :]
            _tokens = dict([*kept, (value, _tokens.get(value) or _any_of(set(_disguises(value))))])
            return
        new = set(_disguises(value)) - _forms
        if new:
            _forms.update(new)
            _pattern = None


def redact(text: str) -> str:
    """The text with every registered value, in any of its forms, replaced by `***`."""
    for token in _tokens.values():  # before shorter values: what is left of a token would tell of it
        text = token.sub(MASK, text)
    pattern = _pattern or (_compile() if _forms else None)
    return pattern.sub(MASK, text) if pattern else text


def _compile() -> re.Pattern[str]:
    """Compile the forms that are registered by now, once for all texts until the next one comes."""
    global _pattern  # noqa: PLW0603  the one registry of this process
    with _lock:
        _pattern = compiled = _any_of(_forms)
    return compiled


def _any_of(forms: set[str]) -> re.Pattern[str]:
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(re.escape(form) for form in longest_first))


def _disguises(value: str) -> Iterator[str]:
    for part in (value, value.strip(), *_long_lines(value)):
        if len(part) >= SHORTEST:
            yield from _escaped(part)
            yield from _base64(part.encode("utf-8", "surrogatepass"))


def _long_lines(value: str) -> Iterator[str]:
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))


def _escaped(value: str) -> Iterator[str]:
    yield value
    yield repr(value)[1:-1]
    yield repr(value.encode("utf-8", "surrogatepass"))[2:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)
    encoded = value.encode("utf-8", "surrogatepass")
    for url in (quote(encoded, safe=""), quote(encoded), quote_plus(encoded)):
        yield url
        yield re.sub("%[0-9A-F]{2}", lambda hit: hit.group().lower(), url)


def _base64(value: bytes) -> Iterator[str]:
    """Base64 of the value, alone and as part of a longer text (`user:password`) at any alignment."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            encoded = encode(b"\0" * shift + value).decode().rstrip("=")
            # The first characters mix in what stands before the value, the last one what follows it.
            start = (shift * 8 + 5) // 6
            end = (shift + len(value)) * 8 // 6
            inner = encoded[start:end]
            if len(inner) >= _SHORTEST_DERIVED:
                yield inner


class RedactingFilter(logging.Filter):
    """Redacts message, exception, stack and extra texts of a log record before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place; every record passes."""
        record.msg, record.args = redact(_message(record)), None
        if record.exc_info:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in record.__dict__.items():
            if isinstance(value, str) and name not in {"msg", "exc_text", "stack_info"}:
                record.__dict__[name] = redact(value)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  a badly formatted log call must not end a run
        return f"{record.msg!r} {record.args!r}"
