"""The clock and the names that come from it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def new_id(at: datetime | None = None) -> str:
    """An id that sorts by time, to the millisecond, and ends in eight hex digits: `20261123T060000.123-7f3a90bc`."""
    moment = at or now()
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}-{secrets.token_hex(4)}"


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def stamp(seconds: float) -> str:
    """Seconds since the epoch for people, to the second."""
    return f"{moment(seconds):%Y-%m-%d %H:%M:%S} UTC"
