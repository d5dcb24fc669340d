"""Settings of libraries and of Python itself, for processes that are our own."""

from __future__ import annotations

import gc
import os
import sys

_COLLECT_AFTER = 50_000
"""New objects between two searches for garbage that refers to itself; Python's own figure is 700."""
_SWITCH_S = 0.000_2
"""How long a thread may go on while another waits for its turn; Python's own figure is 5 ms."""


def prepare() -> None:
    """To be called before any of the libraries is loaded."""
    _start_lightly()
    _take_turns()
    _hold_less()


def _start_lightly() -> None:
    """Do not look for garbage, nor for plugins of pydantic, over and over while modules are loaded.

    What a module makes stays: 250 searches among it were a twelfth of what `tailrace plan` of a small sync takes.
    """
    gc.set_threshold(_COLLECT_AFTER)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _take_turns() -> None:
    """Have threads that send wait less for the one that makes the next batches.

    Each step of a transaction, and each piece of an answer, gives the turn away and waits to get it back: with Python's
    figure a batch that four threads send, of 20 ms each, took 6 ms longer for its two entries in the journal, and takes
    3 ms longer now.
    """
    sys.setswitchinterval(_SWITCH_S)


def _hold_less() -> None:
    """Let polars hold fewer rows in memory on their way, and less memory that it has no use for.

    It reads these settings once, when it is loaded or first runs. What the environment says already stays.

    Reading ahead by more row groups than there are cores makes nothing faster. What takes the memory is that each step
    may have four morsels waiting for every core: one is enough, and smaller ones are as quick. Comparing ten
    million rows on two cores takes 450 MiB so, and 790 otherwise.

    Its allocator, jemalloc, has four arenas a core, and what is freed in one is of no use to the others; and it keeps
    pages that it has told the system it could take. With fewer arenas and no such pages, comparing a million rows of
    which half have changed takes 412 to 427 MiB instead of 448 to 488. Pages that were freed are kept for ten seconds,
    as they are wanted again: to get each of them anew from the system took a twentieth of the processor's time.
    """
    cores = os.cpu_count() or 1
    settings = {
        "POLARS_ROW_GROUP_PREFETCH_SIZE": str(cores),
        "POLARS_IDEAL_MORSEL_SIZE": "32768",
        "POLARS_DEFAULT_DISTRIBUTOR_BUFFER_SIZE": "1",
        "POLARS_DEFAULT_LINEARIZER_BUFFER_SIZE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "_RJEM_MALLOC_CONF": f"narenas:{max(1, cores // 2)},dirty_decay_ms:10000,muzzy_decay_ms:0",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def give_back() -> None:
    """Let the system have the memory back that a run has left free, in a process that goes on.

    The C library has a heap for each of many threads, and keeps what is freed in the middle of one: of 230 MiB that
    `tailrace serve` held after a hundred small runs, 180 were of no use to anybody, and soon there were more.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only what stays needs it

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not every C library has it
        if trim is not None:
            trim(0)
