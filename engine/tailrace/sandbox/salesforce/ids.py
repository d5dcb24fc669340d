"""Record ids: 15 case-sensitive characters, or 18 with a checksum that survives loss of case."""

from __future__ import annotations

import string

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECKSUMS = string.ascii_uppercase + "012345"
SHORT, LONG = 15, 18
INSTANCE = "5g0000"


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the `number`-th record of an object with that key prefix."""
    text = ""
    while number:
        number, rest = divmod(number, len(DIGITS))
        text = DIGITS[rest] + text
    return long_id(prefix + INSTANCE + text.rjust(SHORT - len(prefix) - len(INSTANCE), "0"))


def long_id(id: str) -> str:
    """The 18-character form of a 15-character id."""
    checksum = ""
    for start in range(0, SHORT, 5):
        chunk = id[start : start + 5]
        checksum += CHECKSUMS[sum(1 << place for place, letter in enumerate(chunk) if letter in string.ascii_uppercase)]
    return id + checksum


def parse_id(text: object) -> str | None:
    """The 18-character form of an id in either form; None when it is none, its checksum included."""
    if not isinstance(text, str) or not text.isascii() or not text.isalnum():
        return None
    if len(text) == SHORT:
        return long_id(text)
    if len(text) == LONG and long_id(text[:SHORT]) == text:
        return text
    return None
