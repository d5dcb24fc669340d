"""Commands that stay: serve, and the sandbox to rehearse against."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from getpass import getuser
from pathlib import Path
from socket import gethostname
from typing import Annotated

import typer

from tailrace.cli.common import Name, leave, opened, options, say, say_all
from tailrace.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(serve)
    app.command()(pause)
    app.command()(unpause)
    app.command()(cancel)
    app.command()(notify)
    app.command()(metrics)
    app.command()(sandbox)


def serve(
    context: typer.Context,
    tick: Annotated[float, typer.Option(min=0.1, help="Seconds between looks at the schedules.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Run what is due, then stop.")] = False,  # noqa: FBT002
    web: Annotated[bool, typer.Option("--web/--no-web", help="Serve the console and the API too.")] = True,  # noqa: FBT002
    listen: Annotated[str, typer.Option(help="Address of the console and the API.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Their port; 0 takes a free one.")] = 8570,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name by which they may be asked for.", show_default=False),
    ] = None,
    auth: Annotated[bool, typer.Option("--auth", help="Have everybody sign in, on this machine too.")] = False,  # noqa: FBT002
) -> None:
    """Run syncs on their schedules and on request until stopped, with the console and the API.

    Changed files are read by themselves, and on SIGHUP; while they are broken, what they said before goes on.
    """
    from tailrace.cli.console import console  # noqa: PLC0415
    from tailrace.cli.serving import due_now, keep_serving  # noqa: PLC0415
    from tailrace.serving import Pulse  # noqa: PLC0415

    folder = options(context).project
    if once:
        code = due_now(folder)
    else:
        hosts = tuple(allow_host or ())
        pulse = Pulse()
        open_console = partial(console, folder, listen=listen, port=port, hosts=hosts, auth=auth, trouble=pulse.trouble)
        with open_console() if web else nullcontext():
            code = keep_serving(folder, tick, pulse)
    leave(code)


def pause(context: typer.Context, sync: Name) -> None:
    """Have no schedule and no request run a sync, on any machine.

    A run that goes on is left alone, and `tailrace run` still runs the sync.
    """
    with opened(context) as project:
        if not project.pause(sync, by=who()):
            held = project.pauses()[sync]
            say(f"{sync} is paused already, by {held.who}")
            return
        project.audit(who=who(), action="pause", subject=sync)
        say(f"{sync} is paused; `tailrace unpause {sync}` lets it run again")


def unpause(context: typer.Context, sync: Name) -> None:
    """Let a paused sync run again."""
    with opened(context) as project:
        if project.unpause(sync, by=who()):
            project.audit(who=who(), action="unpause", subject=sync)
            say(f"{sync} is no longer paused")
        elif project.syncs[sync].config.paused:
            raise UsageError(f"{sync} is paused by its file", hint=f"take `paused` out of {project.syncs[sync].path}")
        else:
            say(f"{sync} is not paused")


def cancel(context: typer.Context, sync: Name) -> None:
    """Have the run of a sync stop, wherever it runs, as Ctrl-C does: after the batches in flight."""
    with opened(context) as project:
        project.cancel(sync, by=who())
        project.audit(who=who(), action="cancel", subject=sync)
        say(f"the run of {sync} stops when its batches in flight have ended")


def notify(
    context: typer.Context,
    test: Annotated[bool, typer.Option("--test", help="Send a message that says it is a test.")] = False,  # noqa: FBT002
) -> None:
    """Tell the addresses of `alerts:` what is wrong and was not told yet, and what is over.

    `serve` and `run --due` do so by themselves. In quiet hours it waits, which is said here; a test does not.
    """
    with opened(context) as project:
        if not test:
            sent = project.notify()
            say_all([f"{sent} message{'' if sent == 1 else 's'} sent", *map(str, project.quiet_hours(news=True))])
            return
        if not project.notify_test():
            raise UsageError("nobody is to be told", hint="give `alerts: {to: [...]}` in tailrace.yml")
        say_all(["the test was taken by all addresses", *map(str, project.quiet_hours(news=False))])


def metrics(context: typer.Context) -> None:
    """Print metrics as Prometheus has them, such as for the textfile collector of its node exporter."""
    from tailrace.metrics import render  # noqa: PLC0415

    with opened(context) as project:
        say(render(project).rstrip("\n"))


def who() -> str:
    """Who gives this command, as the system knows them."""
    try:
        return f"{getuser()} on {gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        return f"somebody on {gethostname()}"


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    salesforce_port: Annotated[
        int, typer.Option(help="Port of the Salesforce-like server; 0 takes a free one.")
    ] = 8571,
    hubspot_port: Annotated[int, typer.Option(help="Port of the HubSpot-like server; 0 takes a free one.")] = 8572,
    state: Annotated[
        Path | None, typer.Option(help="Keep the records in this file between starts.", show_default=False)
    ] = None,
    rate_limits: Annotated[bool, typer.Option(help="Enforce the vendors' rate limits.")] = True,  # noqa: FBT002
) -> None:
    """Local CRM-like servers to rehearse against.

    They behave like Salesforce and HubSpot, keep records in memory, and enforce the vendors' limits.
    """
    from tailrace.extras import need  # noqa: PLC0415

    need("starlette", "uvicorn", extra="sandbox", what="the sandbox")
    from tailrace.sandbox import SandboxOptions  # noqa: PLC0415
    from tailrace.sandbox import serve as serve_sandbox  # noqa: PLC0415

    chosen = SandboxOptions(
        host=host, salesforce_port=salesforce_port, hubspot_port=hubspot_port, state=state, rate_limits=rate_limits
    )
    serve_sandbox(chosen, ready=_announce)


def _announce(urls: Mapping[str, str]) -> None:
    say("\n".join(f"{vendor}: {url}" for vendor, url in urls.items()))
    say("any client id, secret or token is accepted, except those that begin with `wrong`; stop with Ctrl-C")
