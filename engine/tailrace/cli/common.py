"""What commands share: opening the project, printing JSON, asking, the progress bar, Ctrl-C."""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, cast

import typer

from tailrace.cli.streams import stderr, stdout
from tailrace.discretion import discreet, trace
from tailrace.errors import TailraceError, UsageError
from tailrace.stopping import ASKED, GRACE_S, Phase, Stop, StopNow

if TYPE_CHECKING:
    from types import FrameType

    from tailrace.api import Project
    from tailrace.planning import Plan

Names = Annotated[list[str] | None, typer.Argument(metavar="[SYNC]...", help="Names of syncs.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="SYNC", help="Name of the sync.", show_default=False)]
Tag = Annotated[str | None, typer.Option(help="Take the syncs with this tag.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Key = Annotated[
    list[str] | None,
    typer.Option("--key", help="The row's key: VALUE, or COLUMN=VALUE for each column.", show_default=False),
]


AGAIN_S: Final = 2.0
"""Seconds after which a run that still sends is told once more to stop at once; what it then does takes less."""


@dataclass(frozen=True, slots=True)
class Globals:
    """What the global options say; kept as the context's object."""

    project: Path
    yes: bool


def options(context: typer.Context) -> Globals:
    """The global options."""
    return cast("Globals", context.find_root().obj)


@contextmanager
def opened(context: typer.Context) -> Iterator[Project]:
    """The project, loaded and checked, closed afterwards."""
    # Loading libraries makes many objects and no garbage. Looking for it meanwhile takes a twentieth of the time, and
    # so does the one look afterwards that all of them together would set off.
    gc.disable()
    try:
        from tailrace.api import Project  # noqa: PLC0415

        loaded = Project.load(options(context).project)
    finally:
        gc.freeze()
        gc.enable()
    try:
        with loaded as project:
            yield project
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None


def print_json(value: Any) -> None:
    """One JSON object on stdout, secrets taken out."""
    from tailrace.redact import redact  # noqa: PLC0415

    stdout.put(redact(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)))


def print_plans(plans: Sequence[Plan], limit: int) -> None:
    """What `print_json` would print of plans, however many changes there are: a few are in memory at a time."""
    from tailrace.redact import redact  # noqa: PLC0415

    if sys.stdout.isatty():
        print_json({"plans": [plan.to_json(limit) for plan in plans]})
        return
    for part in _plans_json(plans, limit):
        stdout.add(redact(part))
    stdout.put("")


def _plans_json(plans: Sequence[Plan], limit: int) -> Iterator[str]:
    yield '{"plans": ['
    for number, plan in enumerate(plans):
        head = json.dumps({**plan.head_json(), **plan.extent_json(limit)}, ensure_ascii=False)
        yield f'{", " * bool(number)}{head.removesuffix("}")}, "changes": ['
        for place, change in enumerate(plan.changes(limit)):
            yield ", " * bool(place) + json.dumps(change.to_json(), ensure_ascii=False)
        yield "]}"
    yield "]}"


def say(text: str) -> None:
    """A line for people on stdout, secrets taken out."""
    say_all([text])


def say_all(lines: Iterable[str]) -> None:
    """Lines for people on stdout, secrets taken out."""
    from tailrace.redact import redact  # noqa: PLC0415

    for line in lines:
        stdout.add(redact(line) + "\n")
    stdout.flush()


def tell(text: str, **fields: Any) -> None:
    """What a program says that nobody need watch: a line on stdout, or of the log where that is one of JSON.

    `fields` are of that line, whatever the level of the log.
    """
    if stderr.form is None:
        say(text)
    else:
        stderr.put(text, "info", **fields)


def report(error: TailraceError, **fields: Any) -> None:
    """An error on stderr: without secrets, and, where it may end in a log, without values of rows.

    `fields` say what it is about, in a log of JSON.
    """
    from tailrace.redact import redact  # noqa: PLC0415

    open_ = sys.stderr.isatty() and stderr.form is None
    stderr.put(redact(str(error) if open_ else discreet(error)), "error", exit_code=error.exit_code, **fields)


def report_fault(error: Exception) -> None:
    """A fault of the program on stderr, in a form that can be sent to us: without secrets and values of rows."""
    from tailrace.redact import redact  # noqa: PLC0415

    told = "this is a fault of Tailrace itself, please report it with what follows"
    stderr.put(redact(f"{told}\n{trace(error)}"), "error", exit_code=1)


def confirm(context: typer.Context, question: str) -> None:
    """Ask before something that cannot be undone; UsageError when nobody can answer."""
    if options(context).yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer.", hint="say --yes to go on without the question")
    if not typer.confirm(question):
        raise typer.Exit(1)


def leave(code: int) -> None:
    """End with this exit code."""
    if code:
        raise typer.Exit(code)


def parse_key(parts: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """The key a user typed, by column: a bare value for a single column, COLUMN=VALUE for several."""
    if len(columns) == 1 and len(parts) == 1:
        name, sign, value = parts[0].partition("=")
        return {columns[0]: value if sign and name == columns[0] else parts[0]}
    pairs = {name: value for name, sign, value in (part.partition("=") for part in parts) if sign}
    if set(pairs) != set(columns):
        example = " ".join(f"--key {column}=VALUE" for column in columns)
        raise UsageError(f"the key of this sync has the columns {', '.join(columns)}", hint=f"write {example}")
    return pairs


@contextmanager
def graceful() -> Iterator[Stop]:
    """An event that Ctrl-C or SIGTERM sets, and an exit with the code that the shell expects then.

    A run that plans is ended at once; batches in flight have `GRACE_S` to end, what is saved has all the time it takes.
    The second signal stops at once, and the next run recovers.
    """
    stop = Stop()
    hurried = False

    def hurry() -> NoReturn:
        nonlocal hurried
        # What a handler raises is lost where an object is just being finalized: again, then, while the run still sends.
        hurried = True
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)
        raise StopNow

    def asked(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            hurry()
        stop.exit_code = 128 + number
        stop.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        # Who watched may be gone by the same Ctrl-C, such as `tee`: that must not break off what is in flight.
        stderr.put(f"\n{_STOPPING[stop.phase]}; press Ctrl-C again to stop now")
        if stop.phase == "planning":
            ASKED.set()
            raise StopNow

    def over(_number: int, _frame: FrameType | None) -> None:
        if stop.phase == "sending":
            if not hurried:
                stderr.put(f"batches in flight did not end within {GRACE_S:g} s")
            hurry()

    handlers = {signal.SIGINT: asked, signal.SIGTERM: asked, signal.SIGALRM: over}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    except KeyboardInterrupt:
        raise typer.Exit(stop.exit_code) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPPING: Mapping[Phase | None, str] = {
    None: "stopping",
    "planning": "stopping, as nothing has been sent",
    "sending": f"stopping after the batches in flight, in {GRACE_S:g} s at the latest",
    "saving": "stopping when all outcomes are saved",
}
