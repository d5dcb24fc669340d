"""Commands that set, forget or move what the destination is taken to hold: adopt, reset, snapshot."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.cli.common import AsJson, Name, Names, confirm, opened, print_json, say
from tailrace.errors import SnapshotError

if TYPE_CHECKING:
    from tailrace.api import Project


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(adopt)
    app.command()(reset)
    app.command()(snapshot)


def adopt(
    context: typer.Context,
    sync: Name,
    trust: Annotated[bool, typer.Option("--trust", help="Take the model's rows as delivered, unasked.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Take what the destination holds as the snapshot.

    The next run then sends only real differences.
    """
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        name = project.select([sync])[0]
        if project.snapshot_rows(name):
            confirm(context, f"{name} has a snapshot already; replace what it knows of the rows found?")
        result = project.adopt(name, trust=trust)
        if as_json:
            print_json(result.to_json())
            return
        say(f"{name}: {result.adopted:,} of {result.model_rows:,} rows adopted, {result.absent:,} not there yet")
        if result.ambiguous:
            say(f"  {result.ambiguous:,} left out: several records have their match value; the next run names them")
        for line in render.invalid(result.invalid):
            say(f"{line}: left out, and no run sends them")
        say(f"next: tailrace plan {name}")


def reset(context: typer.Context, sync: Name, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Forget a sync's snapshot (asks first).

    The next run takes every row as new. Nothing is deleted at the destination.
    """
    with opened(context) as project:
        name = project.select([sync])[0]
        rows = _rows(project, name)
        size = "which cannot be read" if rows is None else f"{rows:,} rows"
        confirm(
            context,
            f"forget the snapshot of {name} ({size})? The next run sends every row again, and records "
            "whose rows left the model are no longer deleted.",
        )
        project.reset(name)
        if as_json:
            print_json({"sync": name, "forgotten_rows": rows})
        else:
            say(f"{name}: snapshot forgotten ({size})")
            say(f"next: tailrace adopt {name} reads the destination instead of sending everything again")


class Place(StrEnum):
    """Where snapshots are kept."""

    warehouse = "warehouse"
    local = "local"


class Act(StrEnum):
    """What is done with snapshots."""

    move = "move"


def snapshot(
    context: typer.Context,
    act: Annotated[Act, typer.Argument(metavar="move", help="What to do.", show_default=False)],  # noqa: ARG001
    sync: Names = None,
    to: Annotated[Place, typer.Option("--to", help="Where to: the warehouse, or the folder or bucket.")] = ...,  # type: ignore[assignment]
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Move snapshots to the warehouse, or back; nothing is sent again.

    Without names, those of all syncs. Set `snapshots:` in tailrace.yml accordingly.
    """
    with opened(context) as project:
        moved = [project.move_snapshot(name, to.value) for name in project.select(sync or (), everything=not sync)]
    if as_json:
        print_json({"moved": [each.to_json() for each in moved]})
        return
    for each in moved:
        told = f"{each.rows:,} rows are in the {each.to if each.to != 'local' else 'folder or bucket'} now"
        say(f"{each.sync}: {told if each.moved else 'nothing to move'}")
    say(f"tailrace.yml must say so: {'snapshots: warehouse' if to is Place.warehouse else 'snapshots: FOLDER'}")


def _rows(project: Project, name: str) -> int | None:
    """Rows of the snapshot; None when it cannot be read, which must not keep anyone from forgetting it."""
    try:
        return project.snapshot_rows(name)
    except SnapshotError:
        return None
