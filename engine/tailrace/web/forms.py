"""What the console's forms do. Each gives the page to go to next, and a line to show there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tailrace.web import actions
from tailrace.web.refusal import Refusal

if TYPE_CHECKING:
    from tailrace.running.resolve import Way
    from tailrace.state.access import Role
    from tailrace.web.pages import View

WAIT_S: Final = 3.0
"""How long a browser waits for a plan before it is shown one in the making."""


@dataclass(frozen=True, slots=True)
class Next:
    """Where to go, and what to say there."""

    to: str
    said: str


Fields = Mapping[str, list[str]]


def run(view: View, fields: Fields) -> Next:
    """Ask for a run."""
    name = actions.named(view)
    full = first(fields, "full") == "yes"
    actions.run(view.project, view.who, name, full=full)
    return Next(f"/syncs/{name}", f"{name}: a run is asked for{', of all rows and fields' * full}")


def plan(view: View, fields: Fields) -> Next:
    """Make a plan."""
    check, full = first(fields, "check") == "yes", first(fields, "full") == "yes"
    kept = actions.plan(view.project, view.who, view.plans, actions.named(view), check=check, full=full, wait=WAIT_S)
    return Next(f"/plans/{kept.plan}", "")


def apply(view: View, fields: Fields) -> Next:
    """Carry out exactly a plan."""
    kept = actions.planned(view)
    actions.apply(view.project, view.who, kept, first(fields, "hash"), fields.get("override", []))
    return Next(
        f"/syncs/{kept.sync}", f"{kept.sync}: exactly the plan {kept.hash[:12] if kept.hash else ''} is asked for"
    )


def pause(view: View, _fields: Fields) -> Next:
    """Have no schedule run the sync."""
    name = actions.named(view)
    done = actions.pause(view.project, view.who, name)
    return Next(
        f"/syncs/{name}",
        f"{name} is paused" if done else f"{name} was paused already",
    )


def unpause(view: View, _fields: Fields) -> Next:
    """Take the pause back."""
    name = actions.named(view)
    done = actions.unpause(view.project, view.who, name)
    return Next(
        f"/syncs/{name}",
        f"{name} goes on" if done else f"{name} was not paused here",
    )


def cancel(view: View, _fields: Fields) -> Next:
    """Stop the run that goes on."""
    name = actions.named(view)
    actions.cancel(view.project, view.who, name)
    return Next(f"/syncs/{name}", "the run stops after the batches in flight")


def reset(view: View, fields: Fields) -> Next:
    """Forget the snapshot."""
    name = actions.named(view)
    actions.reset(view.project, view.who, name, first(fields, "confirm"))
    return Next(
        f"/syncs/{name}",
        f"the snapshot of {name} is forgotten; the next run takes every row as new",
    )


def retry(view: View, fields: Fields) -> Next:
    """Have rejected rows sent again."""
    return _change(view, fields, "retry")


def dismiss(view: View, fields: Fields) -> Next:
    """Set rejected rows aside."""
    return _change(view, fields, "dismiss")


def _change(view: View, fields: Fields, what: actions.Rows) -> Next:
    name = actions.named(view)
    key, codes = _key(fields), None
    if key is None and "code" in fields:
        codes = [first(fields, "code") or None]
    elif key is None and first(fields, "all") != "yes":
        raise Refusal(400, "choose rows: one, those of a code, or all")
    count = actions.change_rows(view.project, view.who, name, what, codes=codes, key=key)
    rows = "1 row is" if count == 1 else f"{count:,} rows are"
    said = f"{rows} due for the next run" if what == "retry" else f"{rows} set aside until they change; retry undoes it"
    return Next(f"/syncs/{name}/rejected", said)


def resolve(view: View, fields: Fields) -> Next:
    """Settle rows of unknown outcome."""
    name = actions.named(view)
    way = first(fields, "way")
    if way not in {"look_up", "resend", "skip"}:
        raise Refusal(400, "choose one of look up, resend and skip")
    settled = actions.resolve(view.project, view.who, name, cast("Way", way))
    return Next("/unknown", f"{name}: {len(settled):,} rows settled ({way.replace('_', ' ')})")


def withdraw(view: View, _fields: Fields) -> Next:
    """Take back what was asked for."""
    asked = view.project.request_status(view.path["request_id"])
    done = actions.withdraw(view.project, view.who, asked)
    return Next(f"/syncs/{asked.sync}", "withdrawn" if done else "it does not wait any more")


def first(fields: Fields, name: str) -> str:
    """The value of a field; empty where it was not sent."""
    return next(iter(fields.get(name, ())), "")


def _key(fields: Fields) -> dict[str, Any] | None:
    text = first(fields, "key")
    if not text:
        return None
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise Refusal(400, "that is no key of a row")
    return key


@dataclass(frozen=True, slots=True)
class Form:
    """Where a form goes, and who may send it."""

    path: str
    do: Callable[[View, Fields], Next]
    role: Role = "operator"


FORMS = (
    Form("/syncs/{name}/run", run),
    Form("/syncs/{name}/plan", plan),
    Form("/syncs/{name}/pause", pause),
    Form("/syncs/{name}/unpause", unpause),
    Form("/syncs/{name}/cancel", cancel),
    Form("/syncs/{name}/reset", reset, "admin"),
    Form("/syncs/{name}/rejected/retry", retry),
    Form("/syncs/{name}/rejected/dismiss", dismiss),
    Form("/syncs/{name}/resolve", resolve),
    Form("/plans/{plan}/apply", apply),
    Form("/requests/{request_id}/withdraw", withdraw),
)
