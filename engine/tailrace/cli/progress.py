"""The progress bar on a terminal: rows, rate, quota and time left. In a pipe it is silent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tailrace.cli.streams import stderr

if TYPE_CHECKING:
    from tailrace.delivery import OnProgress
    from tailrace.delivery import Progress as Standing


@contextmanager
def bar(name: str, *, quiet: bool) -> Iterator[OnProgress | None]:
    """A progress callback, or None when stderr is no terminal, or a log of JSON."""
    if quiet or stderr.form is not None or not sys.stderr.isatty():
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

        def update(at: Standing) -> None:
            quota = f"{at.quota_left:,} calls left" if at.quota_left is not None else ""
            speed = shown.tasks[0].speed
            shown.update(
                task, completed=at.done, total=at.total, quota=quota, rate=f"{speed:,.0f} rows/s" if speed else ""
            )

        yield update
