"""Which machine this is, and whether a process of it has died."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


@cache
def this_boot() -> str | None:
    """Names the time since the machine started: no other machine, and no other start of this one, has that name.

    None where the system does not tell.
    """
    try:
        return _BOOT.read_text().strip() or None
    except OSError:
        return None


@cache
def this_machine() -> str:
    """Host name, boot and process namespace: two containers of one host name must not judge each other's processes."""
    boot = this_boot()
    try:
        return socket.gethostname() if boot is None else f"{socket.gethostname()} {boot} {_PROCESSES.readlink()}"
    except OSError:
        return socket.gethostname()


def is_dead(machine: str | None, pid: int | None) -> bool:
    """Whether that process certainly no longer runs: it ran here, under this boot, and is gone.

    Where the machine cannot be told apart for sure (no /proc), nothing is certain.
    """
    if pid is None or machine != this_machine() or " " not in machine:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
