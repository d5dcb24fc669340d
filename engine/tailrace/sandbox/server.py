"""Ways to run a sandbox: as a context manager in a process or thread of its own, or blocking."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Literal, Self

from tailrace.errors import UsageError
from tailrace.sandbox.control import Control
from tailrace.sandbox.options import HubSpotOptions, SalesforceOptions, SandboxOptions

if TYPE_CHECKING:
    from tailrace.sandbox.running import Running

STOP_SECONDS = 15.0


class SandboxServer:
    """A sandbox for the length of a `with` block.

    `salesforce` and `hubspot` are True (default options), options, or False (not started). In a
    process of its own (default) it takes no time from the caller's; a thread starts faster.
    """

    def __init__(
        self,
        *,
        salesforce: SalesforceOptions | bool = True,
        hubspot: HubSpotOptions | bool = True,
        host: str = "127.0.0.1",
        salesforce_port: int = 0,
        hubspot_port: int = 0,
        state: Path | None = None,
        rate_limits: bool = False,
        run_in: Literal["process", "thread"] = "process",
    ) -> None:
        self.options = SandboxOptions(
            salesforce=SalesforceOptions() if salesforce is True else salesforce or None,
            hubspot=HubSpotOptions() if hubspot is True else hubspot or None,
            host=host,
            salesforce_port=salesforce_port,
            hubspot_port=hubspot_port,
            rate_limits=rate_limits,
            state=state,
        )
        self._host: _Process | _Thread = _Process() if run_in == "process" else _Thread()
        self._urls: Mapping[str, str] = {}

    def start(self) -> Self:
        """Start, and return when requests are answered."""
        self._urls = self._host.start(self.options)
        return self

    def stop(self) -> None:
        """Save state, if it has a file, and end."""
        self._host.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def salesforce_url(self) -> str:
        """Base URL of the Salesforce-like server: its login URL and its instance URL."""
        return self._url("salesforce")

    @property
    def hubspot_url(self) -> str:
        """Base URL of the HubSpot-like server."""
        return self._url("hubspot")

    @property
    def control(self) -> Control:
        """Look inside, reset, make things fail."""
        return Control(self._urls.get("salesforce"), self._urls.get("hubspot"))

    def _url(self, name: str) -> str:
        try:
            return self._urls[name]
        except KeyError:
            raise UsageError(f"No {name} server runs in this sandbox.") from None


class _Process:
    """Runs `python -m tailrace.sandbox`, which ends when its standard input is closed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def start(self, options: SandboxOptions) -> Mapping[str, str]:
        command = [sys.executable, "-m", "tailrace.sandbox"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - own module
        stdin, stdout = self._pipes()
        stdin.write(json.dumps(options.to_json()) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            self.stop()
            raise UsageError("The sandbox's process ended before it was ready; its own words are above.")
        started: dict[str, dict[str, str] | str] = json.loads(answer)
        urls = started.get("urls")
        if not isinstance(urls, dict):
            self.stop()
            raise UsageError(str(started.get("error")))
        return urls

    def stop(self) -> None:
        if self._process is None:
            return
        stdin, stdout = self._pipes()
        stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        stdout.close()
        self._process = None

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise UsageError("The sandbox is not running.")
        return process.stdin, process.stdout


class _Thread:
    """Runs the event loop in a thread of this process."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._thread: threading.Thread | None = None

    def start(self, options: SandboxOptions) -> Mapping[str, str]:
        running = _open(options)
        ready = threading.Event()
        self._running = running
        self._thread = threading.Thread(target=_run, args=(running, ready.set), name="tailrace-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        return running.urls

    def stop(self) -> None:
        if self._running is not None and self._thread is not None:
            self._running.stop()
            self._thread.join(STOP_SECONDS)
        self._running = self._thread = None


def serve(options: SandboxOptions, ready: Callable[[Mapping[str, str]], None] = lambda _urls: None) -> None:
    """Run a sandbox in the main thread until SIGINT or SIGTERM; `ready` is given the base URL of each vendor.

    UsageError when a port is taken, the state file cannot be read, or the extra is not installed.
    """
    running = _open(options)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda _number, _frame: running.stop()) for number in numbers]
    try:
        _run(running, lambda: ready(running.urls))
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def serve_child() -> int:
    """Run a sandbox for the process that holds our standard input, until it closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = SandboxOptions.from_json(json.loads(sys.stdin.readline()))
    try:
        running = _open(options)
    except UsageError as error:
        _say({"error": str(error)})
        return 2
    signal.signal(signal.SIGTERM, lambda _number, _frame: running.stop())
    threading.Thread(target=_stop_at_end_of_input, args=(running,), daemon=True).start()
    _run(running, lambda: _say({"urls": running.urls}))
    return 0


def _open(options: SandboxOptions) -> Running:
    try:
        from tailrace.sandbox.running import Running  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        hint = "Install it with: pip install 'tailrace[sandbox]'"
        raise UsageError(f"The sandbox needs {error.name}.", hint=hint) from error
    return Running(options)


def _run(running: Running, ready: Callable[[], None]) -> None:
    asyncio.run(running.run(ready))


def _stop_at_end_of_input(running: Running) -> None:
    sys.stdin.read()
    running.stop()


def _say(message: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
