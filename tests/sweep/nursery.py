"""Starts the command line many times over: a process that has loaded the libraries forks one child per run.

A child is a whole process that can be killed with SIGKILL as any other; it merely begins with the imports done,
in some ten milliseconds instead of most of a second. Run as a script: one JSON object a line comes in, two go out:
the child's pid, then how it ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from tailrace import installed

CHECKPOINT_ROWS = 60
"""Three batches."""


LOADED = (
    "duckdb", "encodings.utf_8_sig", "hubspot.discovery.crm.discovery", "hubspot.discovery.crm.objects.discovery",
    "polars._utils.parquet", "pyarrow.compute", "pyarrow.parquet", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite", "tenacity", "typer._adapters", "typer._click.decorators",
    "tailrace.actions", "tailrace.api", "tailrace.cli.app", "tailrace.cli.progress", "tailrace.cli.render",
    "tailrace.cli.sync", "tailrace.logs", "tailrace.running.job", "tailrace.running.resolve", "tailrace.running.runner",
    "tailrace.snapshot.bulk", "tailrace.snapshot.commit", "tailrace.snapshot.compaction", "tailrace.snapshot.fold",
    "tailrace.snapshot.history", "tailrace.snapshot.revision", "tailrace.snapshot.runrows", "tailrace.state.limits",
    "tailrace.warehouses.duckdb", "tailrace_destinations.hubspot.adapter", "tailrace_destinations.hubspot.events",
    "tailrace_destinations.hubspot.lists", "tailrace_destinations.salesforce.adapter",
    "tailrace_destinations.sql.adapter",
)  # fmt: skip
"""What a run needs and would load by itself, each time anew."""


def load() -> None:
    """Load that. Nothing in it may start a thread that children need: they have none of those, as of the allocators."""
    for name in LOADED:
        importlib.import_module(name)
    installed.entry_points("tailrace")
    gc.freeze()


def serve() -> None:
    """Take orders until the input ends."""
    load()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _live(order)
        _say({"pid": pid})
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            _say({"pid": pid, "stopped": True})
            _, status = os.waitpid(pid, 0)
        _say({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _live(order: dict[str, Any]) -> None:
    """The child: one command, in a folder, with its output in a file."""
    code = 70
    with contextlib.suppress(BaseException):
        out = os.open(order["out"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["cwd"])
        os.environ.update(order["env"])
        code = _run(order)
    os._exit(code)


def _run(order: dict[str, Any]) -> int:
    if order.get("mutant"):
        sys.path.insert(0, str(Path(__file__).parents[2]))
        from tests.sweep.mutants import apply  # noqa: PLC0415

        apply(order["mutant"])
    from tailrace.cli import main  # noqa: PLC0415

    _hurry()
    try:
        main(order["argv"])
    except SystemExit as end:
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - a fault of the program is what the sweep is there to find
        traceback.print_exc()
        sys.stderr.flush()
        return 70
    sys.stdout.flush()
    return 0


def _hurry() -> None:
    """Make checkpoints after some batches, not after minutes: runs that are to be killed are over in a second."""
    from tailrace.delivery import checkpoints  # noqa: PLC0415

    deliver = importlib.import_module("tailrace.delivery.deliver")
    checkpoints.EVERY_S, checkpoints.LEAST = 0.0, CHECKPOINT_ROWS
    deliver._CHUNK = CHECKPOINT_ROWS  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve()
