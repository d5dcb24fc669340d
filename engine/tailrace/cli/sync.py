"""Commands that look at syncs and run them: check, plan, run, apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.cli.common import (
    AsJson,
    Names,
    Tag,
    graceful,
    leave,
    opened,
    options,
    print_json,
    print_plans,
    report,
    say,
    say_all,
)
from tailrace.errors import TailraceError, UsageError

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.result import RunResult
    from tailrace.stopping import Stop

CHANGES_FOUND = 10
INTERRUPTED = 130

All = Annotated[bool, typer.Option("--all", help="Take all syncs, parents first.")]
Limit = Annotated[int | None, typer.Option(min=0, help="Changes to show (default 20, 0 for all).", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(check)
    app.command()(plan)
    app.command()(run)
    app.command()(apply)


def check(context: typer.Context, syncs: Names = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Check files, connections, permissions, contract.

    Nothing is written. Exit code 2 for a configuration fault, 1 for something that cannot be reached.
    """
    from tailrace.cli import render  # noqa: PLC0415

    with opened(context) as project:
        looked = project.check(*(syncs or ()))
        if as_json:
            print_json(looked.to_json())
        else:
            say(render.check(looked))
        leave(looked.exit_code)


def plan(
    context: typer.Context,
    syncs: Names = None,
    tag: Tag = None,
    everything: All = False,  # noqa: FBT002
    out: Annotated[Path | None, typer.Option(help="Save the plan, for apply.", show_default=False)] = None,
    as_json: AsJson = False,  # noqa: FBT002
    limit: Limit = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 10 when there are changes.")] = False,  # noqa: FBT002
    checked: Annotated[bool, typer.Option("--check", help="Ask the destination too: contract and account.")] = False,  # noqa: FBT002
    full: Annotated[bool, typer.Option("--full", help="Plan as if nothing had been acknowledged.")] = False,  # noqa: FBT002
) -> None:
    """Show what a run would do, row by row.

    Writes nothing, neither to the destination nor to the snapshot nor to the warehouse.
    """
    with opened(context) as project:
        names = project.select(syncs or (), tag=tag, everything=everything or not (syncs or tag))
        failed, changed = _plan(project, names, out=out, as_json=as_json, limit=limit, check=checked, full=full)
        leave(failed or (CHANGES_FOUND if exit_code and changed else 0))


def _plan(
    project: Project, names: list[str], *, out: Path | None, as_json: bool, limit: int | None, check: bool, full: bool
) -> tuple[int, bool]:
    """Plan and show; gives the exit code of what failed, and whether there are changes."""
    from tailrace.cli import render  # noqa: PLC0415

    if out is not None and len(names) != 1:
        raise UsageError("a plan file holds one sync's plan", hint="name one sync with --out")
    shown = 20 if limit is None else limit
    plans, failures = [], []
    for name in names:
        try:
            made = project.plan(name, check=check, full=full)
        except TailraceError as error:  # one sync's fault must not hide the others' plans
            report(error, sync=name)
            failures.append(error.exit_code)
            continue
        if out is not None:
            project.save_plan(made, out)
        plans.append(made)
        if not as_json:
            say_all(render.plan(made, project.syncs[name], shown, saved=out))
    if as_json:
        print_plans(plans, shown)
    return max(failures, default=0), any(made.height for made in plans)


def run(
    context: typer.Context,
    syncs: Names = None,
    everything: All = False,  # noqa: FBT002
    tag: Tag = None,
    due: Annotated[bool, typer.Option("--due", help="Take the syncs whose schedule says so now.")] = False,  # noqa: FBT002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done, as plan does.")] = False,  # noqa: FBT002
    full: Annotated[bool, typer.Option("--full", help="Send every row again, all fields.")] = False,  # noqa: FBT002
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Send at most so many changes (with --dry-run: show).", show_default=False),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Send what changed since the last acknowledged snapshot."""
    if not (syncs or everything or tag or due):
        raise UsageError("say what to run", hint="name syncs, or use --all, --tag T or --due")
    if limit == 0 and not dry_run:
        raise UsageError("--limit 0 would send nothing", hint="leave --limit out to send all, or use --dry-run to look")
    if due and not dry_run:
        from tailrace.cli.serving import due_now  # noqa: PLC0415

        leave(due_now(options(context).project, as_json=as_json, full=full, limit=limit))
        return
    with opened(context) as project:
        names = project.due() if due else project.select(syncs or (), tag=tag, everything=everything)
        if dry_run:
            failed, _ = _plan(project, names, out=None, as_json=as_json, limit=limit, check=False, full=full)
            leave(failed)
            return
        leave(run_all(project, names, as_json=as_json, full=full, limit=limit))


def run_all(
    project: Project,
    names: list[str],
    *,
    as_json: bool,
    full: bool = False,
    limit: int | None = None,
    only_rejected: bool = False,
) -> int:
    """Run syncs one after another, print each result, and give the command's exit code."""
    from tailrace.cli.progress import bar  # noqa: PLC0415

    with graceful() as stop:

        def go(name: str) -> RunResult:
            with bar(name, quiet=as_json) as progress:
                return project.run(
                    name, full=full, limit=limit, only_rejected=only_rejected, progress=progress, stop=stop
                )

        return _ended(stop, _report(list(_each(names, go, stop.is_set, quiet=as_json)), as_json=as_json))


def _ended(stop: Stop, code: int) -> int:
    """The exit code of a command that may have been stopped: a failure that it met before is told all the same."""
    return stop.exit_code if stop.is_set() and code in {0, INTERRUPTED} else code


def _each(
    names: list[str], go: Callable[[str], RunResult], stopped: Callable[[], bool], *, quiet: bool
) -> Iterator[RunResult]:
    from tailrace.cli import render  # noqa: PLC0415

    for name in names:
        if stopped():
            return
        result = go(name)
        if not quiet:
            say(render.result(result))
        yield result


def _report(results: list[RunResult], *, as_json: bool) -> int:
    from tailrace.running.result import worst  # noqa: PLC0415

    if as_json:
        print_json({"runs": [result.to_json() for result in results]})
    return worst([result.exit_code for result in results])


def apply(
    context: typer.Context,
    planfile: Annotated[Path, typer.Argument(metavar="PLANFILE", help="A file made by plan --out.")],
    override: Annotated[
        list[str] | None, typer.Option(help="Let this guard pass, for this plan alone.", show_default=False)
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Carry out a saved plan, exactly or not at all.

    The plan is made again first: when the model's rows, the snapshot or the definition changed, nothing is written.
    """
    from tailrace.cli import render  # noqa: PLC0415
    from tailrace.cli.progress import bar  # noqa: PLC0415

    with opened(context) as project, graceful() as stop, bar(planfile.name, quiet=as_json) as progress:
        result = project.apply(planfile, overrides=tuple(override or ()), progress=progress, stop=stop)
    if not as_json:
        say(render.result(result))
    leave(_ended(stop, _report([result], as_json=as_json)))
