"""All that can be done through the console and the API. Each is in the audit log, with who did it and what came of it.

Nothing here runs a sync: whoever serves the project takes what is asked for, on this machine or another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tailrace.api import OVERRIDABLE
from tailrace.web.plans import FILE, FOLDER
from tailrace.web.refusal import Refusal, missing

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.ledger import TroubledRow
    from tailrace.running.resolve import Way
    from tailrace.state.controls import Request
    from tailrace.web.auth import Who
    from tailrace.web.plans import Kept, Plans

Rows = Literal["retry", "dismiss"]


class Asking(Protocol):
    """A call of the API, or a page or form of the console."""

    @property
    def project(self) -> Project:
        """Of which something is asked."""

    @property
    def plans(self) -> Plans:
        """Those that are kept."""

    @property
    def path(self) -> Mapping[str, str]:
        """What stands in the path, by name."""


def named(asking: Asking) -> str:
    """The sync that the path names; a refusal where there is none of that name."""
    return known(asking.project, asking.path["name"])


def planned(asking: Asking) -> Kept:
    """The plan that the path names; a refusal where there is none, or none any more."""
    plan = asking.path["plan"]
    kept = asking.plans.get(plan)
    if kept is None or kept.sync not in asking.project.syncs:
        raise missing(f"there is no plan {plan}", hint="plans are kept for a day; make it again")
    return kept


def known(project: Project, name: str) -> str:
    """The sync's name; a refusal where there is none of that name."""
    if name not in project.syncs:
        raise missing(f"there is no sync {name}", hint=f"syncs: {', '.join(project.syncs) or 'none'}")
    return name


def run(project: Project, who: Who, name: str, *, full: bool = False, dry_run: bool = False) -> Request:
    """Ask for a run."""
    asked = project.request(known(project, name), full=full, dry_run=dry_run, by=who.name)
    note(project, who, "dry run" if dry_run else "run", name, request=asked, full=full)
    return project.request_status(asked)


def triggered(project: Project, by: str, names: Sequence[str], delivery: str) -> list[Request]:
    """Ask for runs because a program said so; of one delivery, once."""
    asked = []
    for name in names:
        before = {request.request_id for request in project.requests(name)}
        once = hashlib.sha256(f"{by} {delivery} {name}".encode()).hexdigest()
        request = project.request(name, once=once, by=by)
        if request not in before:
            project.audit(who=by, action="run", subject=name, detail={"request": request, "delivery": delivery})
        asked.append(project.request_status(request))
    return asked


def withdraw(project: Project, who: Who, request: Request) -> bool:
    """Take back what was asked for, while it waits."""
    done = project.withdraw(request.request_id, by=who.name)
    note(project, who, "withdraw", request.sync, request=request.request_id, done=done)
    return done


def pause(project: Project, who: Who, name: str) -> bool:
    """Have no schedule run the sync."""
    done = project.pause(known(project, name), by=who.name)
    note(project, who, "pause", name, done=done)
    return done


def unpause(project: Project, who: Who, name: str) -> bool:
    """Take the pause back."""
    done = project.unpause(known(project, name), by=who.name)
    note(project, who, "unpause", name, done=done)
    return done


def cancel(project: Project, who: Who, name: str) -> None:
    """Have the sync's run stop."""
    if known(project, name) not in project.running():
        raise Refusal(409, f"no run of {name} goes on")
    project.cancel(name, by=who.name)
    note(project, who, "cancel", name)


def reset(project: Project, who: Who, name: str, confirm: str) -> None:
    """Forget the sync's snapshot; whoever wants that has typed its name."""
    if confirm != known(project, name):
        raise Refusal(400, f"type the sync's name, {name}, to confirm", hint="nothing was forgotten")
    project.reset(name)
    note(project, who, "reset", name)


def change_rows(
    project: Project,
    who: Who,
    name: str,
    what: Rows,
    *,
    codes: Sequence[str | None] | None = None,
    key: Mapping[str, Any] | None = None,
) -> int:
    """Have rejected rows sent again, or set them aside: one, those of codes, or all; gives how many."""
    change = project.retry_rows if what == "retry" else project.dismiss_rows
    count = change(known(project, name), codes=codes, key=key)
    if key is not None and not count:
        raise missing(f"{name} has no rejected row with that key", hint="it may have gone through meanwhile")
    which = "one row" if key is not None else "all" if codes is None else [code or "no code" for code in codes]
    note(project, who, what, name, rows=count, which=which)
    return count


def resolve(project: Project, who: Who, name: str, way: Way) -> list[TroubledRow]:
    """Settle rows of unknown outcome; gives those that were settled."""
    settled = project.resolve(known(project, name), way)
    note(project, who, f"resolve {way.replace('_', ' ')}", name, rows=len(settled))
    return settled


def plan(project: Project, who: Who, plans: Plans, name: str, *, check: bool, full: bool, wait: float) -> Kept:
    """Begin to make a plan."""
    kept = plans.make(known(project, name), who.name, check=check, full=full, wait=wait)
    note(project, who, "plan", name, plan=kept.plan, check=check, full=full)
    return kept


def apply(project: Project, who: Who, kept: Kept, given: str, overrides: Sequence[str]) -> Request:
    """Ask for exactly this plan to be carried out: the hash says that it is the one that was looked at."""
    if kept.state != "made" or kept.hash is None:
        raise Refusal(409, "this plan is not made", hint=kept.message or "wait until it is there")
    if given != kept.hash:
        raise Refusal(409, "that is the hash of another plan", hint=f"the hash of this one is {kept.hash}")
    unknown = sorted(set(overrides) - OVERRIDABLE)
    if unknown:
        raise Refusal(
            400, f"there is no guard {', '.join(unknown)}", hint=f"guards are {', '.join(sorted(OVERRIDABLE))}"
        )
    if overrides and not who.may("admin"):
        raise Refusal(403, "only an admin may let a guard pass")
    file = project.root / FOLDER / kept.plan / FILE
    asked = project.request(known(project, kept.sync), plan=file, overrides=overrides, by=who.name)
    note(project, who, "apply", kept.sync, plan=kept.plan, hash=kept.hash, overrides=list(overrides), request=asked)
    return project.request_status(asked)


def note(project: Project, who: Who, action: str, subject: str, **detail: Any) -> None:
    """Append to the audit log; no value of a row and no secret in it."""
    project.audit(who=who.name, role=who.role, action=action, subject=subject, detail=detail)
