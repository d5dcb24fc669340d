"""Commands for who may use the console and the API: token create, list, revoke."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tailrace.cli.common import AsJson, opened, print_json, say
from tailrace.cli.operate import who

_Named = Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it, as the audit log will say.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    token = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    for command, name in ((create, "create"), (list_tokens, "list"), (revoke, "revoke")):
        token.command(name)(command)
    app.add_typer(token, name="token", help="Tokens for the console and the API.")


def create(
    context: typer.Context,
    name: _Named,
    role: Annotated[
        Literal["viewer", "operator", "admin"],
        typer.Option(help="viewer looks, operator also runs and retries, admin also resets and overrides guards."),
    ] = "viewer",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Make a token. It is shown this once; only a hash of it is kept."""
    with opened(context) as project:
        token = project.make_token(name, role)
        project.audit(who=who(), action="make token", subject=name, detail={"role": role})
        if as_json:
            print_json({"name": name, "role": role, "token": token})
        else:
            say(token)


def list_tokens(context: typer.Context, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Who has a token, in which role, and when it was used last."""
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        forms = [token.to_json() for token in project.tokens()]
        if as_json:
            print_json({"tokens": forms})
            return
        rows = [[each["name"], each["role"], each["made_at"][:19], (each["used_at"] or "-")[:19]] for each in forms]
        say(render.table(("NAME", "ROLE", "MADE", "USED"), rows) if rows else "no tokens yet")


def revoke(context: typer.Context, name: _Named, as_json: AsJson = False) -> None:  # noqa: FBT002
    """End a token, and all sessions that it began."""
    with opened(context) as project:
        project.revoke_token(name)
        project.audit(who=who(), action="revoke token", subject=name)
        if as_json:
            print_json({"name": name, "revoked": True})
        else:
            say(f"{name}: token revoked")
