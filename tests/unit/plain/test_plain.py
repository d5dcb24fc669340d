# ruff: noqa: DTZ001  # naive timestamps are among the values under test
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tailrace_destinations import plain


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_keep_every_digit(value):
    """The text has no exponent and reads back as the same number."""
    text = plain.number_text(value)
    assert "E" not in text.upper()
    assert Decimal(text) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_the_same(value):
    """The text has no exponent and reads back as the same float."""
    text = plain.number_text(value)
    assert "e" not in text
    assert float(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "42"),
        (42.0, "42"),
        (1e16, "10000000000000000"),
        (1e-7, "0.0000001"),
        (-0.0, "0"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_number_text(value, text):
    """Numbers are written as people write them."""
    assert plain.number_text(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_no_number(value):
    """NaN and infinity are refused."""
    with pytest.raises(plain.Unfit):
        plain.number_text(value)


def test_whole_numbers():
    """A whole number is taken from any numeric type; a fraction is refused, not rounded."""
    assert [plain.whole_text(value) for value in (7, 7.0, Decimal("7.00"))] == ["7", "7", "7"]
    with pytest.raises(plain.Unfit):
        plain.whole_text(Decimal("7.01"))


def test_control_characters_are_dropped():
    """NUL and control characters go, tab and line breaks stay."""
    assert plain.clean_text("a\x00b\x07\t\r\n\x1fé") == "ab\t\r\né"


def test_instants():
    """Any zone becomes UTC with milliseconds; a naive value needs a zone."""
    aware = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert plain.instant_text(aware, None) == "2026-01-02T01:04:05.999Z"
    assert plain.instant_text(datetime(2026, 7, 1, 12), ZoneInfo("Europe/Berlin")) == "2026-07-01T10:00:00.000Z"
    with pytest.raises(plain.Unfit):
        plain.instant_text(datetime(2026, 7, 1, 12), None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (Decimal("1.10"), "1.10"),
        (date(2026, 2, 28), "2026-02-28"),
        (time(1, 2, 3), "01:02:03"),
        (datetime(2026, 2, 28, 1, tzinfo=UTC), "2026-02-28T01:00:00.000Z"),
        ([1, "é"], '[1,"é"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_plain_text(value, text):
    """Every kind has a text a reader expects."""
    assert plain.plain_text(value) == text


def test_bytes_are_no_text():
    """Bytes are refused where text goes."""
    with pytest.raises(plain.Unfit):
        plain.plain_text(b"x")


def test_choices():
    """Lists are sorted, deduplicated and joined; texts stay; what would change meaning is refused."""
    assert plain.choices_text(["b", "a", "b", None, ""]) == "a;b"
    assert plain.choices_text("b;a") == "b;a"
    assert plain.choices_text([]) == ""
    for wrong in (";a", ["a;b"], {"a": 1}, b"a"):
        with pytest.raises(plain.Unfit):
            plain.choices_text(wrong)


def test_fold():
    """Keys compare trimmed and in NFC, numbers by value where a field holds numbers."""
    assert plain.fold(" e\u0301 ") == "é"
    assert plain.fold("A", ignore_case=True) == "a"
    assert plain.number_key(Decimal("42.00")) == plain.number_key(42) == plain.number_key(42.0) == "42"
    assert plain.number_key(100) == "100"
    assert plain.key_text(None) == plain.key_text("  ") == ""


def test_repeated():
    """Only keys that occur more than once."""
    assert plain.repeated(["a", "b", "a"]) == {"a"}


def test_retry_after():
    """Seconds and HTTP dates are read; nonsense is nothing; the past is now."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert plain.retry_after_seconds("2.5") == 2.5
    assert plain.retry_after_seconds("Thu, 01 Jan 2026 00:01:00 GMT", now) == 60
    assert plain.retry_after_seconds("Thu, 01 Jan 2020 00:01:00 GMT", now) == 0
    assert [plain.retry_after_seconds(text) for text in (None, "", "soon", "Thu, 01 Jan 2026 00:01:00 -0000")] == [
        None
    ] * 4


@pytest.mark.parametrize(
    "url", ["https://acme.my.salesforce.com/", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:9/x"]
)
def test_base_urls(url):
    """Taken are https anywhere and plain http on this machine, without the trailing slash."""
    assert TypeAdapter(plain.BaseUrl).validate_python(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "ftp://x",
        "acme.com",
        "https://a?b",
        "https://user:pw@x",
        "http://127.0.0.1@evil.com",
        "http://127.0.0.1.evil.com",
    ],
)
def test_wrong_base_urls(url):
    """Plain http over the network would show the credentials; what is no base is refused too."""
    with pytest.raises(ValidationError):
        TypeAdapter(plain.BaseUrl).validate_python(url)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", ""])
def test_wrong_zones(zone):
    """A time zone that does not exist is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(plain.ZoneName).validate_python(zone)
