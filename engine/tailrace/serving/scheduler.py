"""Runs syncs when they are due or asked for, several at once, and outlives whatever befalls one of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrace.discretion import discreet
from tailrace.errors import TailraceError
from tailrace.schedule import parents_of
from tailrace.serving.keeper import Keeper
from tailrace.serving.lookout import Lookout
from tailrace.serving.patience import Patience
from tailrace.serving.places import Place, Places, ready
from tailrace.serving.wishes import carry_out, recover
from tailrace.stopping import GRACE_S, RunStop, Stop, StopNow
from tailrace.tuning import give_back

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.result import RunResult
    from tailrace.state import StateDB
    from tailrace.state.controls import Request

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Seconds between two looks for requests, at most."""
STALL_S: Final = 60.0
"""Seconds without a look after which something holds the scheduler up: a look is short, as runs have threads."""
_FORGET_S: Final = 3_600.0
_ROUND_LOOK_S, _GRACE_LOOK_S = 0.2, 0.05


class Scheduler:
    """Serves a project: `start` begins, `stop` ends it; `project` is the last good one, `problem` what is wrong since.

    `tick` is the seconds between looks at the schedules; `report` is told of each run that ended, by any thread, one at
    a time. ProjectError where the files are broken from the start.
    """

    def __init__(
        self,
        folder: str | Path = ".",
        *,
        tick: float = 5.0,
        report: Callable[[RunResult], None] | None = None,
        load: Callable[[Path], Project] | None = None,
    ) -> None:
        self._keeper = Keeper(Path(folder), load or _load)
        self._tick_s = tick
        self._report = report or (lambda _result: None)
        self._reporting = threading.Lock()
        self._places, self._patience = Places(), Patience(tick)
        self._lookout = Lookout(self._keeper)
        self._forget_at = time.monotonic()
        self._stop, self._wake, self._reload = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.fault: str | None = None
        """Why the last look at the schedules failed, such as a state database that does not answer."""
        self.failures = 0
        """Runs that an error or a fault of the program ended before there was a result."""
        self.looked_at = time.monotonic()
        """When schedules were looked at last, by the monotonic clock; for health checks."""

    @property
    def project(self) -> Project:
        """The project as its files last were right."""
        return self._keeper.project

    @property
    def problem(self) -> str | None:
        """What is wrong with the project's files now; None where nothing is."""
        return self._keeper.problem

    @property
    def active(self) -> tuple[str, ...]:
        """Syncs whose runs go on in this process."""
        return tuple(place.sync for place in self._places.taken)

    @property
    def trouble(self) -> str | None:
        """What keeps this scheduler from its work, in words fit for anybody; None where nothing does."""
        if self._thread is None:
            return "the scheduler has not begun yet"
        if not self._thread.is_alive():
            return "the scheduler has ended, and the process must be started anew"
        silent = time.monotonic() - self.looked_at
        if silent > STALL_S + self._tick_s:
            return f"the scheduler has not looked at schedules and requests for {silent:.0f} s"
        return None if self.fault is None else "the last look at schedules and requests failed; the log says why"

    def start(self) -> None:
        """Look at schedules and requests from now on, in a thread."""
        self.looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at once, as for a request that was just made."""
        self._wake.set()

    def reload(self) -> None:
        """Read the project's files again, whether they changed or not. Safe in a signal's handler."""
        self._reload.set()

    def ask(self) -> None:
        """Begin to stop: no run begins any more, and those that go on end as if by Ctrl-C."""
        self._stop.set()

    def stop(self) -> bool:
        """Stop: wait for the runs that go on, those that send for `GRACE_S` at most; whether all have ended."""
        self.ask()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        ended = self._settled()
        self._lookout.end()
        self._keeper.close()
        return ended

    def once(
        self, *, full: bool = False, limit: int | None = None, stopped: Callable[[], bool] = bool
    ) -> list[RunResult]:
        """One round in the calling thread's time: what is due and asked for now, and no more; gives how it went.

        `stopped` tells whether to begin to stop.
        """
        results: list[RunResult] = []
        self.project.session.prepare()
        state = self.project.state
        recover(state, self.project.config.lease)
        requests = self._asked(state)
        runs = {request.sync for request in requests if not request.dry_run}
        names = [name for name in self.project.due() if name not in runs]
        while requests or names or self._places.taken:
            if stopped():
                self.ask()
            if self._stop.is_set():
                break
            self._wake.clear()
            requests = [each for each in requests if not self._begin_request(state, each, results)]
            names = self._begin_due(names, results, full=full, limit=limit)
            self._wake.wait(_ROUND_LOOK_S)
            if names or requests:
                held = self.project.running() - set(self.active)
                names = [name for name in names if name not in held]
                requests = [each for each in requests if each.sync not in held]
        self._settled()
        self._forget()
        self._lookout.look()
        return results

    def _loop(self) -> None:
        due_at = time.monotonic()
        while not self._stop.is_set():
            woken, anyhow = self._wake.is_set(), self._reload.is_set()
            self._wake.clear()
            self._reload.clear()
            try:
                changed = self._keeper.look(anyhow=anyhow)
                everything = changed or woken or time.monotonic() >= due_at
                if everything:
                    due_at = time.monotonic() + self._tick_s
                self._look(schedules=everything)
                self._forget()
                self._lookout.tick()
                self.fault = None
            except TailraceError as error:
                self._told(discreet(error))
            except Exception as error:
                # A fault of the program must not silence every other sync of a process that nobody watches.
                log.exception("a fault of Tailrace itself, please report it; the next look tries again")
                self.fault = f"a fault of Tailrace itself: {type(error).__name__}"
            self.looked_at = time.monotonic()
            self._pause(min(LOOK_S, self._tick_s))

    def _told(self, words: str) -> None:
        if words != self.fault:
            log.error("this look at the schedules failed, the next one tries again: %s", words)
        self.fault = words

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not (self._wake.is_set() or self._stop.is_set() or self._reload.is_set()):
            left = end - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(min(left, 0.2))

    def _look(self, *, schedules: bool) -> None:
        project = self.project
        project.session.prepare()
        state = project.state
        recover(state, project.config.lease)
        for request in self._asked(state):
            self._begin_request(state, request)
        if schedules:
            self._begin_due(project.due())

    def _forget(self) -> None:
        """Now and then, drop what is old of requests and of the audit log; each run sees to the runs of its sync."""
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET_S
            keep = self.project.config.keep_runs
            if keep is not None:
                self.project.state.forget_steering(keep)

    def _asked(self, state: StateDB) -> list[Request]:
        """Requests that may be carried out now, oldest first."""
        waiting = state.requests(states={"waiting"}, limit=None)
        if not waiting:
            return []
        syncs, paused = self.project.syncs, set(state.paused())
        paused |= {name for name, sync in syncs.items() if sync.config.paused}
        return [each for each in reversed(waiting) if each.sync in syncs and (each.dry_run or each.sync not in paused)]

    def _begin_request(self, state: StateDB, request: Request, results: list[RunResult] | None = None) -> bool:
        """Begin to carry a request out; False where it must wait."""
        if not self._free(request.sync) or request.sync in self.project.running():
            return False
        if not state.take(request.request_id):
            return True  # another process was faster

        def work(project: Project, stop: Stop) -> RunResult | None:
            return carry_out(project, project.state, request, stop)

        self._begin(request.sync, work, results)
        return True

    def _begin_due(
        self,
        names: Sequence[str],
        results: list[RunResult] | None = None,
        *,
        full: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Begin what may begin of these syncs, parents first; gives those that must wait."""

        def run(name: str) -> Callable[[Project, Stop], RunResult]:
            return lambda project, stop: project.run(name, full=full, limit=limit, stop=stop)

        configs = {name: sync.config for name, sync in self.project.syncs.items()}
        wanted = [name for name in names if self._patience.is_due(name)]
        for name in ready(wanted, parents_of(configs), self.active):
            if self._free(name):
                self._begin(name, run(name), results)
                wanted.remove(name)
        return wanted

    def _free(self, name: str) -> bool:
        project = self.project
        return self._places.free(name, project.syncs[name].config.destination, project.config.serve)

    def _begin(
        self, name: str, work: Callable[[Project, Stop], RunResult | None], results: list[RunResult] | None
    ) -> None:
        project = self._keeper.hold()
        sync = project.syncs[name]
        place = Place(name, sync.config.destination, sync.warehouse, project, RunStop(self._stop))
        self._places.take(place)
        thread = threading.Thread(target=self._work, args=(place, work, results), name=f"run-{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._places.leave(place)
            self._keeper.drop(project)
            raise

    def _work(
        self,
        place: Place,
        work: Callable[[Project, Stop], RunResult | None],
        results: list[RunResult] | None,
    ) -> None:
        try:
            self._done(place, work(place.project, place.stop), results)
        except StopNow:
            pass  # nothing was sent
        except TailraceError as error:
            self.failures += 1
            self._patience.failed(place.sync)
            log.error("%s: the run could not begin: %s", place.sync, discreet(error), extra={"sync": place.sync})  # noqa: TRY400 - it is told in words
        except Exception:
            self.failures += 1
            self._patience.failed(place.sync)
            told = "%s: a fault of Tailrace itself, please report it; other syncs go on"
            log.exception(told, place.sync, extra={"sync": place.sync})
        finally:
            self._lookout.note()
            self._places.leave(place)
            self._keeper.drop(place.project)
            give_back()
            self._wake.set()

    def _done(self, place: Place, result: RunResult | None, results: list[RunResult] | None) -> None:
        if result is None or result.busy:
            return
        record = place.project.state.known_run(result.run_id)
        if record is None or record.finished_at is None:
            self._patience.failed(place.sync)  # it is due again at once, and may fail again
        else:
            self._patience.ran(place.sync)
        with self._reporting:
            if results is not None:
                results.append(result)
            self._report(result)

    def _settled(self) -> bool:
        """Wait for the runs that go on; False when some that send were given up."""
        end: float | None = None
        while taken := self._places.taken:
            if end is None and self._stop.is_set():
                end = time.monotonic() + GRACE_S
            late = end is not None and time.monotonic() >= end
            if late and not any(place.stop.phase == "saving" for place in taken):
                log.warning("runs that did not end in %g s are left to recovery: %s", GRACE_S, ", ".join(self.active))
                return False
            self._wake.clear()
            if self._places.taken:
                self._wake.wait(_GRACE_LOOK_S)
        return True


def _load(folder: Path) -> Project:
    from tailrace.api import Project  # noqa: PLC0415 - it imports all the rest

    return Project.load(folder)
