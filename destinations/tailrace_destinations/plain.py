"""What adapters of text-speaking vendors share: exact plain forms of values, and what HTTP tells.

A row whose value cannot be said exactly in the vendor's form raises `Unfit`, which costs that row alone.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, WithJsonSchema

from tailrace.errors import UsageError
from tailrace.jsonform import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tailrace.judging import Refusal
    from tailrace.values import Value

HTTP_OK: Final = range(200, 300)
HTTP_SERVER_FAULT: Final = range(500, 600)
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
"""NUL and control characters, but for tab and line breaks, as a regular expression."""
_CONTROL = re.compile(CONTROL)
_BASE_URL = r"(https://[^\s/?#@]+|http://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(:[0-9]+)?)(/[^\s?#]*)?"


NO_RECORD_ID: Final = ("NO_RECORD_ID", "the record id is not known")
"""Code and message of a row that can be written by its record's id only."""


class Unfit(ValueError):
    """A value that the destination's field cannot hold; `code` names the reason.

    The text does not hold the value, so that plans can count rows by it; but that of a parent which is not there has
    what was asked for.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def refusal(encode: Callable[[Value], str]) -> Refusal:
    """Why a value would cost its row, by what encodes it; NULL is judged elsewhere."""

    def why(value: Value) -> str | None:
        if value is None:
            return None
        try:
            encode(value)
        except Unfit as unfit:
            return str(unfit)
        return None

    return why


def encoded(name: str, encode: Callable[[Value], str], value: Value) -> str:
    """A field's value as it is sent; Unfit names the field."""
    try:
        return encode(value)
    except Unfit as unfit:
        raise Unfit(unfit.code, f"{name}: {unfit}") from None


def number_text(value: float | Decimal) -> str:
    """All digits, no exponent; floats in their shortest form that reads back the same."""
    if isinstance(value, int):
        return str(int(value))
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        raise Unfit("NOT_A_NUMBER", "NaN and infinity cannot be sent; give NULL or a number")
    text = format(exact, "f")
    # A zero has no sign here, and a float's `.0` is no information.
    text = text.removesuffix(".0") if isinstance(value, float) else text
    return text.removeprefix("-") if not exact else text


def whole_text(value: float | Decimal) -> str:
    """As `number_text`, for fields that hold whole numbers only."""
    text = number_text(value)
    whole, _, rest = text.partition(".")
    if rest.strip("0"):
        raise Unfit("NOT_A_WHOLE_NUMBER", "the field holds whole numbers; round in the model or with sql:")
    return whole


def clean_text(text: str) -> str:
    """The text without NUL and control characters (tab and line breaks stay), which vendors refuse or drop."""
    return _CONTROL.sub("", text)


def instant_text(value: datetime, zone: ZoneInfo | None) -> str:
    """UTC with milliseconds, `2026-01-02T03:04:05.678Z`; a naive value is taken as local time of `zone`."""
    if value.tzinfo is None:
        if zone is None:
            raise Unfit("NAIVE_TIMESTAMP", "the timestamp has no time zone; set `timezone:` on the destination")
        value = value.replace(tzinfo=zone)
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_text(value: Value) -> str:
    """Any value as the text a reader expects: numbers plain, dates ISO 8601, lists and structs as JSON."""
    match value:
        case str():
            return clean_text(value)
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return number_text(value)
        case datetime():
            return value.isoformat() if value.tzinfo is None else instant_text(value, None)
        case date() | time():
            return value.isoformat()
        case bytes() | None:
            raise Unfit("BINARY", "the field holds text, not bytes; encode them in the model")
        case _:
            return json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":"))


def choices_text(value: Value) -> str:
    """A multiple choice as `a;b;c`, sorted, from a list or from a text that is so already."""
    if isinstance(value, (str, bool, int, float, Decimal)):
        text = plain_text(value)
        if text.startswith(";"):
            raise Unfit("LEADING_SEMICOLON", "a multiple choice starting with ';' means append; remove the ';'")
        return text
    if isinstance(value, bytes) or not isinstance(value, Sequence):
        raise Unfit("NOT_A_LIST", "a multiple choice takes a list of texts, or one text separated by ';'")
    items = sorted({plain_text(item) for item in value if item is not None})
    if any(";" in item for item in items):
        raise Unfit("SEMICOLON_IN_CHOICE", "a choice cannot contain ';'")
    return ";".join(item for item in items if item)


def key_text(value: Value) -> str:
    """A match value as it is sent: trimmed and in Unicode NFC, as vendors store it; empty when it names nothing."""
    return "" if value is None else unicodedata.normalize("NFC", plain_text(value)).strip()


def fold(value: Value, *, ignore_case: bool = False) -> str:
    """A match value as vendors compare it."""
    return key_text(value).casefold() if ignore_case else key_text(value)


def number_key(value: float | Decimal) -> str:
    """A number as a key: the same text for 42, 42.0 and 42.00."""
    return format(Decimal(number_text(value)).normalize(), "f")


def repeated(keys: Sequence[str]) -> frozenset[str]:
    """The keys that occur more than once."""
    return frozenset(key for key, times in Counter(keys).items() if times > 1)


def close_names(name: str, known: Iterable[str]) -> str:
    """`; did you mean X or Y?`, or nothing when no name is near."""
    by_fold = {other.casefold(): other for other in known}
    near = [by_fold[hit] for hit in get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def innermost(error: BaseException) -> str:
    """The words of the error that others wrap, as HTTP libraries do several times over."""
    for part in (getattr(error, "reason", None), *error.args):
        nested = [each for each in (part if isinstance(part, tuple) else (part,)) if isinstance(each, BaseException)]
        if nested:
            return innermost(nested[-1])
    return str(error) or type(error).__name__


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds a Retry-After header asks for, given as a number or as an HTTP date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None


def ca_bundle(ca_file: str | None, project_dir: str) -> str | None:
    """The path of a PEM bundle given relative to the project; UsageError when there is no such file."""
    if ca_file is None:
        return None
    path = Path(project_dir, ca_file)
    if not path.is_file():
        raise UsageError(
            f"ca_file {ca_file!r} is not there.", hint="Give the path of a PEM file, as seen from the project."
        )
    return str(path)


def _base_url(value: str) -> str:
    if not re.fullmatch(_BASE_URL, value):
        raise ValueError("must be https://HOST, or http:// on this machine (localhost, 127.0.0.1, [::1])")
    return value.rstrip("/")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone; write one such as Europe/Berlin or UTC") from None
    return value


BaseUrl: TypeAlias = Annotated[
    str,
    AfterValidator(_base_url),
    WithJsonSchema({"type": "string", "anyOf": [{"pattern": rf"^{_BASE_URL}$"}, {"pattern": r"\$\{"}]}),
]
"""Where a vendor is reached: https, or plain http on this machine; without a trailing slash."""
ZoneName: TypeAlias = Annotated[str, AfterValidator(_zone)]
"""An IANA time zone."""
