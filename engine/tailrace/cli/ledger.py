"""Commands that read the record: status, runs, rejected, retry, dismiss, resolve, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tailrace.cli.common import AsJson, Key, Name, leave, opened, parse_key, print_json, say
from tailrace.cli.sync import run_all
from tailrace.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (status, runs, rejected, retry, dismiss, resolve, explain):
        app.command()(command)


def status(context: typer.Context, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Each sync: last run, freshness, rejected, unknown, next run."""
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        lines = project.status()
        if as_json:
            print_json({"syncs": [line.to_json() for line in lines]})
        else:
            say(render.status(lines))


def runs(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id, or the beginning of it or of its last part.")
    ] = None,
    sync: Annotated[str | None, typer.Option(help="Only this sync's runs.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs to list.")] = 20,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """The history of runs; one run's batches, timings and errors."""
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        if run is None:
            records = project.runs(sync=sync, limit=limit)
            if as_json:
                print_json({"runs": [record.to_json() for record in records]})
            else:
                say(render.runs(records))
            return
        details = project.run_details(run)
        if as_json:
            print_json(details.to_json())
        else:
            say(render.run_details(details))


def rejected(
    context: typer.Context,
    sync: Name,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those set aside by dismiss instead.")] = False,  # noqa: FBT002
    out: Annotated[
        Path | None, typer.Option(help="Write them to this .csv, .jsonl or .parquet file.", show_default=False)
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Rows the destination refused, with its reasons and the time of the next attempt."""
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        name = project.select([sync])[0]
        if out is not None:
            count = project.export_rejected(name, out, dismissed=dismissed)
            if not as_json:
                say(f"{name}: {_rows(count)} written to {out}")
                return
        rows = project.rejected(name, dismissed=dismissed)
        if as_json:
            print_json({"rejected": [row.to_json() for row in rows]})
        else:
            say(render.rejected(name, rows))


def retry(
    context: typer.Context,
    sync: Name,
    key: Key = None,
    now: Annotated[bool, typer.Option("--now", help="Send them at once.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Make rejected rows due for the next run, or send them now."""
    with opened(context) as project:
        chosen = parse_key(key, project.syncs[project.select([sync])[0]].config.key) if key else None
        count = project.retry(sync, key=chosen)
        if not now:
            if as_json:
                print_json({"sync": sync, "due": count})
            else:
                say(f"{sync}: {_rows(count)} due for the next run")
            return
        leave(run_all(project, [sync], as_json=as_json, only_rejected=True))


def dismiss(context: typer.Context, sync: Name, key: Key = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Stop sending rejected rows until they change in the model."""
    with opened(context) as project:
        chosen = parse_key(key, project.syncs[project.select([sync])[0]].config.key) if key else None
        count = project.dismiss(sync, key=chosen)
        if as_json:
            print_json({"sync": sync, "dismissed": count})
        else:
            say(f"{sync}: {_rows(count)} dismissed; a row comes back when it changes in the model")


def resolve(
    context: typer.Context,
    sync: Name,
    resend: Annotated[bool, typer.Option("--resend", help="Send them again in the next run.")] = False,  # noqa: FBT002
    skip: Annotated[bool, typer.Option("--skip", help="Take them as delivered.")] = False,  # noqa: FBT002
    look_up: Annotated[bool, typer.Option("--look-up", help="Ask the destination by match, and decide.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show rows of unknown outcome, and settle them."""
    from tailrace.cli import render  # noqa: PLC0415

    if resend + skip + look_up > 1:
        raise UsageError("choose one of --resend, --skip, --look-up")
    way: Literal["resend", "skip", "look_up"] | None = (
        "resend" if resend else "skip" if skip else "look_up" if look_up else None
    )
    with opened(context) as project:
        rows = project.resolve(sync, way)
        held = project.resolve(sync) if way else rows
        if as_json:
            shown = {"unknown": rows, "held": held}
            print_json({name: [row.to_json() for row in some] for name, some in shown.items()} | {"resolved_as": way})
        else:
            if way:
                say(render.resolved(sync, rows, way))
            say(render.unknown(sync, held))


def explain(
    context: typer.Context,
    sync: Name,
    key: Annotated[list[str], typer.Option("--key", help="The row's key: VALUE, or COLUMN=VALUE for each column.")],
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Everything ever done to one row, and why."""
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        name = project.select([sync])[0]
        story = project.explain(name, parse_key(key, project.syncs[name].config.key))
        if as_json:
            print_json(story.to_json())
        else:
            say(render.story(story))


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
