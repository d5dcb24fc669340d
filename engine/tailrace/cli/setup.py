"""Commands that need no project yet, or only describe: init, schema, destinations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailrace.cli.common import AsJson, print_json, say


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(init)
    app.command()(destinations)
    app.command()(schema)


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to write to; made if missing.")] = Path(),
) -> None:
    """Write a project that runs as it is."""
    from tailrace.init import write_project  # noqa: PLC0415

    written = write_project(directory)
    say("\n".join(f"  {path.relative_to(directory)}" for path in written))
    inside = "" if directory == Path() else f"cd {directory} && "
    say(f"\nnext: {inside}tailrace plan, then tailrace run --all")


def destinations(as_json: AsJson = False) -> None:  # noqa: FBT002
    """What the installed adapters can do."""
    from tailrace.cli import render  # noqa: PLC0415
    from tailrace.describe import describe_plugins  # noqa: PLC0415

    described = describe_plugins()
    if as_json:
        print_json({"destinations": [each.to_json() for each in described]})
    else:
        say(render.plugins(described))


def schema() -> None:
    """JSON Schemas of tailrace.yml and of sync files, for editors."""
    from tailrace.project.schema import schemas  # noqa: PLC0415

    print_json(schemas())
