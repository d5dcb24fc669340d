"""The command line. Commands import what they need when they run, so that `--help` answers at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from tailrace.cli.streams import prepare_streams, stderr, stdout
from tailrace.errors import TailraceError, os_message
from tailrace.failpoints import VARIABLE, arm
from tailrace.stopping import ASKED
from tailrace.tuning import prepare

STOPPED = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})
"""Exit codes of a program that was ended by a signal, as shells have them."""
GLOBAL_VALUES = ("--project", "--log-level", "--log-format")
GLOBAL_FLAGS = ("--yes", "--log-values", "--traces")


def run() -> None:
    """The program: `main`, and then an end without taking the interpreter apart, object by object.

    That would take as long as a plan of a few thousand rows, for nothing: all is closed and written by then.
    """
    prepare_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        # One that was told to stop waits for no request that still hangs in another thread.
        if _waited_for() and end.code not in STOPPED:
            raise SystemExit(stdout.end(end.code or 0)) from None
        atexit._run_exitfuncs()  # noqa: SLF001 - temporary files, logs
        os._exit(stdout.end(end.code or 0))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code the product promises."""
    prepare()
    stderr.form = None  # until the command line says otherwise
    from tailrace.cli.app import program  # noqa: PLC0415 - keeps `import tailrace.cli` free of Typer
    from tailrace.cli.common import report, report_fault  # noqa: PLC0415

    options, words = hoist(list(sys.argv[1:] if argv is None else argv))
    try:
        arm(os.environ.get(VARIABLE))
        program(words[0] if words else None)(args=options + words, prog_name="tailrace")
    except TailraceError as error:
        report(error)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - told, in a form that may be passed on
        if ASKED.is_set():
            sys.exit(128 + signal.SIGINT)
        if isinstance(error, OSError):
            report(TailraceError(os_message(error), hint="nothing more was written; fix the cause and run again"))
        else:
            report_fault(error)
        sys.exit(1)


def _waited_for() -> bool:
    """Whether a thread is left that Python waits for at its end: no daemon, and none that a library has begun."""
    return any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    ASKED.set()
    raise KeyboardInterrupt


def hoist(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The global options, which may stand before or after the command, and everything else."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        if item == "--":
            rest += [item, *items]
        elif item in GLOBAL_FLAGS or item.startswith(tuple(f"{name}=" for name in GLOBAL_VALUES)):
            front.append(item)
        elif item in GLOBAL_VALUES:
            front += [item, *(value for value in [next(items, None)] if value is not None)]
        else:
            rest.append(item)
    return front, rest
