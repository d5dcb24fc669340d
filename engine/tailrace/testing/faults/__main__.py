"""`python -m tailrace.testing.faults`: the proxy in a process of its own, until SIGTERM or SIGINT.

Its first and only line on standard output is JSON: `url`, `upstream`, `seed`, `rate`, `pid`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tailrace.errors import UsageError
from tailrace.testing.faults.fault import FAULTS, Fault
from tailrace.testing.faults.log import Entry
from tailrace.testing.faults.proxy import FaultProxy
from tailrace.testing.faults.request import Kinds, Match
from tailrace.testing.faults.schedule import USUAL, Schedule

ENDS = {signal.SIGTERM, signal.SIGINT}
SEEDS = 1 << 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end; the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # before there are threads, so that they leave them to us
    with ExitStack() as stack:
        try:
            schedule = Schedule.random(
                seed=given.seed,
                rate=given.rate,
                weights=dict(given.fault) if given.fault else USUAL,
                only=Match(method=given.method, path=given.path, kind=given.kind),
            )
            kinds = Kinds(read=given.reads, sign_in=given.signs_in)
            done = _recorder(given.log, stack)
            proxy = stack.enter_context(FaultProxy(given.upstream, schedule, kinds=kinds, port=given.port, done=done))
        except UsageError as error:
            parser.error(str(error))
        started = {"url": proxy.url, "upstream": given.upstream, "seed": given.seed, "rate": given.rate}
        sys.stdout.write(json.dumps({**started, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        signal.sigwait(ENDS)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tailrace.testing.faults",
        description="A proxy between a client and a server that injects faults, the same ones for the same seed.",
    )
    add = parser.add_argument
    add("--upstream", required=True, metavar="URL", help="the server: http(s)://HOST:PORT")
    add("--port", type=int, default=0, help="port to listen on, at 127.0.0.1 (default: a free one)")
    add("--seed", type=int, default=secrets.randbelow(SEEDS), help="what faults are drawn by (default: a new one)")
    add("--rate", type=float, default=0.2, help="share of requests that meet a fault (default: 0.2)")
    usual = "default: all but expire_session, 1 each"
    add("--fault", type=_weighted, action="append", metavar="NAME[=WEIGHT]", help=f"{', '.join(FAULTS)} ({usual})")
    add("--method", help="only requests with this method meet faults")
    add("--path", metavar="REGEX", help="only requests with such a path do")
    add("--kind", choices=("read", "write", "sign_in"), help="only requests of this kind do")
    add("--reads", metavar="REGEX", help="paths that read though their method is none that reads")
    add("--signs-in", metavar="REGEX", help="paths that ask for a session")
    add("--log", type=Path, metavar="FILE", help="write what became of each request here, one JSON object a line")
    return parser


def _weighted(text: str) -> tuple[Fault, float]:
    name, _, weight = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
    return FAULTS[name], float(weight or 1)


def _recorder(path: Path | None, stack: ExitStack) -> Callable[[Entry], None] | None:
    if path is None:
        return None
    try:
        file = stack.enter_context(path.open("w", encoding="utf-8", buffering=1))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="Name another file for --log.") from error

    def record(entry: Entry) -> None:
        file.write(json.dumps(entry.to_json()) + "\n")

    return record


if __name__ == "__main__":
    sys.exit(main())
