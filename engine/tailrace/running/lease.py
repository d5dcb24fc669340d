"""Holding a sync: the lease, its heartbeat, and giving it back."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.failpoints import reach

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.state import Lease


@contextmanager
def leased(session: Session, sync: Sync) -> Iterator[Lease]:
    """The sync's lease for as long as the block lasts; LeaseHeld says who has it."""
    holder = f"tailrace on {socket.gethostname()}, process {os.getpid()}"
    lease = session.state.acquire(sync.name, holder, session.project.config.lease)
    try:
        reach("lease.taken")
        with lease.heartbeat():
            yield lease
    finally:
        lease.release()
        reach("lease.released")
