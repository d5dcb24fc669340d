"""How the memory that `memory:` permits is divided. All in bytes, of a whole process, by measurement on Linux.

A command takes `BASE` whatever it does. Half of what is left goes to a warehouse that runs within it; a third of what
is left beside some bytes for each row, to the rows that are compared at once.
"""

from __future__ import annotations

MIB = 1024**2
BASE = 300 * MIB
"""Libraries, and buffers of rows on their way, however few there are."""
LEAST = 512 * MIB
"""Less cannot be asked for."""
ROW = 14
"""For each row of the snapshot: its name, a place in the table, a mark. Twice that where names are wide."""
_BATCH_VALUES = 2_000_000
_VALUE = 8_192
"""Of all memory, for each value of a batch: smaller batches are no slower, until they are very small."""


def names(rows: int, *, wide: bool) -> int:
    """What the names of so many rows of a snapshot take."""
    return rows * ROW * (2 if wide else 1)


def needed(rows: int, *, wide: bool) -> int:
    """The least that comparing with so many rows takes."""
    return BASE + names(rows, wide=wide)


def for_rows(memory: int, rows: int, *, wide: bool) -> int:
    """What may be taken by rows that are compared at once, of so many in all."""
    return max(0, (memory - needed(rows, wide=wide)) // 3)


def for_warehouse(memory: int | None) -> int | None:
    """What a warehouse may take that runs in this process; None for as much as it likes."""
    return None if memory is None else (memory - BASE) // 2


def batch_values(memory: int | None) -> int:
    """How many values, rows times columns, a batch of the model's rows has."""
    return _BATCH_VALUES if memory is None else min(_BATCH_VALUES, memory // _VALUE)
