"""The root command with its global options; the commands themselves register here."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command, get_command_name
from typer.models import CommandInfo

from tailrace.cli import access, baseline, ledger, operate, setup, sync
from tailrace.cli.common import Globals
from tailrace.cli.streams import stderr
from tailrace.errors import UsageError


class LogLevel(StrEnum):
    """How much goes to stderr."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class LogFormat(StrEnum):
    """How it goes there."""

    text = "text"
    json = "json"


app = typer.Typer(
    name="tailrace",
    help="Reverse ETL as code: carry the rows of a SQL model into the tools where people work.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if value:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"tailrace {version('tailrace')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    project: Annotated[Path, typer.Option(help="The project's folder, where tailrace.yml is.")] = Path(),
    log_level: Annotated[LogLevel, typer.Option(help="Least severe message shown on stderr.")] = LogLevel.warning,
    log_format: Annotated[LogFormat, typer.Option(help="Form of all that goes to stderr.")] = LogFormat.text,
    log_values: Annotated[  # noqa: FBT002
        bool, typer.Option("--log-values", help="Let a debug log hold values of rows; it is personal data then.")
    ] = False,
    traces: Annotated[  # noqa: FBT002
        bool, typer.Option("--traces", help="Send OpenTelemetry traces where OTEL_EXPORTER_OTLP_ENDPOINT says.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer yes to every question.")] = False,  # noqa: FBT002
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,  # noqa: FBT002, ARG001
) -> None:
    """Take the global options; they may also stand after the command."""
    from tailrace.logs import configure, json_line  # noqa: PLC0415

    stderr.form = json_line if log_format is LogFormat.json else None

    if log_values and log_level is not LogLevel.debug:
        raise UsageError("--log-values lets a debug log hold values of rows", hint="say --log-level debug too")
    configure(log_level.value, log_format.value, values=log_values)
    if traces:
        from tailrace.tracing import export  # noqa: PLC0415

        export()
    context.obj = Globals(project, yes)


for module in (setup, sync, ledger, baseline, operate, access):
    module.register(app)


def program(command: str | None) -> Callable[..., Any]:
    """The program, with that command alone if it is one: to make the others ready too takes longer than to load it."""
    return _alone(command) if command and command in map(_name, app.registered_commands) else _whole()


@cache
def _whole() -> Callable[..., Any]:
    return get_command(app)


@cache
def _alone(command: str) -> Callable[..., Any]:
    alone = copy(app)
    alone.registered_commands = [info for info in app.registered_commands if _name(info) == command]
    alone.registered_groups = []
    return get_command(alone)


def _name(info: CommandInfo) -> str:
    return info.name or get_command_name(getattr(info.callback, "__name__", ""))
