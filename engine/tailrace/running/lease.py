"""Holding a sync: the lease, its heartbeat, and giving it back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.errors import StateError
from tailrace.failpoints import reach

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.state import Lease

log = logging.getLogger(__name__)


@contextmanager
def leased(session: Session, sync: Sync) -> Iterator[Lease]:
    """The sync's lease for as long as the block lasts; LeaseHeld says who has it."""
    lease = session.state.acquire(sync.name, "another run", session.project.config.lease)
    try:
        reach("lease.taken")
        with lease.heartbeat():
            yield lease
    finally:
        _give_back(lease)
        reach("lease.released")


def _give_back(lease: Lease) -> None:
    """What fails here costs others the time until the lease ends by itself, and must not hide how the block ended."""
    try:
        lease.release()
    except StateError as error:
        log.warning("%s: the sync could not be given back, others wait until its lease ends: %s", lease.sync, error)
