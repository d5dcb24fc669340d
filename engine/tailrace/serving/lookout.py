"""Has trouble told while syncs are served: in a thread of its own, as those who are told may be slow to answer."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from tailrace.discretion import discreet
from tailrace.errors import TailraceError

if TYPE_CHECKING:
    from tailrace.serving.keeper import Keeper

log = logging.getLogger(__name__)

GATHER_S: Final = 10.0
"""Seconds from the end of a run to the look: what comes at once is told together."""
LOOK_S: Final = 60.0
"""Seconds between two looks where no run ends here: time passes, and others run."""


class Lookout:
    """`tick` is called again and again by one thread, `note` by any when a run has ended."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._due = time.monotonic() + GATHER_S
        self._looking: threading.Thread | None = None

    def note(self) -> None:
        """A run has ended."""
        self._due = min(self._due, time.monotonic() + GATHER_S)

    def tick(self) -> None:
        """Look if it is time to."""
        busy = self._looking is not None and self._looking.is_alive()
        if busy or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_S
        self._looking = threading.Thread(target=self.look, name="alerts", daemon=True)
        self._looking.start()

    def look(self) -> None:
        """See what is wrong and tell it; what goes wrong with that is logged."""
        project = self._keeper.hold()
        try:
            project.notify()
        except TailraceError as error:
            log.error("alerts failed, the next look tries again: %s", discreet(error))  # noqa: TRY400 - it is told in words
        except Exception:
            log.exception("alerts failed by a fault of Tailrace itself, please report it")
        finally:
            self._keeper.drop(project)

    def end(self) -> None:
        """Wait for a look that goes on."""
        if self._looking is not None:
            self._looking.join(GATHER_S)
