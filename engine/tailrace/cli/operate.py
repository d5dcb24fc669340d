"""Commands that stay: serve, and the sandbox to rehearse against."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from tailrace.cli.common import leave, options, say


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(serve)
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

    folder = options(context).project
    if once:
        code = due_now(folder)
    else:
        hosts = tuple(allow_host or ())
        with console(folder, listen=listen, port=port, hosts=hosts, auth=auth) if web else nullcontext():
            code = keep_serving(folder, tick)
    leave(code)


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
