"""The progress bar on a terminal: rows, rate, quota and time left. In a pipe it is silent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, int | None], None]
"""Called with rows done, rows in all, and the quota left where known."""


@contextmanager
def bar(name: str, *, quiet: bool) -> Iterator[Progress | None]:
    """A progress callback, or None when stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[quota]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=None, quota="", rate="")

        def update(done: int, total: int, quota_left: int | None) -> None:
            quota = f"{quota_left:,} calls left" if quota_left is not None else ""
            speed = shown.tasks[0].speed
            shown.update(task, completed=done, total=total, quota=quota, rate=f"{speed:,.0f} rows/s" if speed else "")

        yield update
