"""Canonical values: one form per logical type, so that equal values compare equal, always.

Drivers hand the same value in many clothes: 32 or 64 bits, scale 2 or 10, seconds or nanoseconds,
any time zone. Here they are brought to one logical type per column, pinned when a sync first runs.
"""

from __future__ import annotations

from tailrace.canonical.convert import convert
from tailrace.canonical.frame import CanonicalRows, canonical_frame
from tailrace.canonical.python import python_values
from tailrace.canonical.text import parse, text
from tailrace.canonical.types import dtype, logical_type, type_of

__all__ = [
    "CanonicalRows",
    "canonical_frame",
    "convert",
    "dtype",
    "logical_type",
    "parse",
    "python_values",
    "text",
    "type_of",
]
