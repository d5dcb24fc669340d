"""Pages that ask once more, before much is done at one press of a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailrace.cli.render import counted
from tailrace.web import actions, views
from tailrace.web.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tailrace.web.pages import View


def run_all(view: View) -> Mapping[str, Any]:
    """Whether every row and field is sent again."""
    name = actions.named(view)
    line, config = views.sync_line(view.project, name), view.project.syncs[name].config
    known = line["snapshot_rows"]
    rows = "what it acknowledged" if known is None else f"the {counted(known, 'row')} that it acknowledged"
    return {
        "asked": f"Send every row of {name} again?",
        "means": f"All rows of the model, with all fields, go to {config.destination}.{config.object}, also {rows} and "
        "that did not change since. It costs as many calls as the first run did; guards hold as ever.",
        "undone": "What is sent cannot be taken back. A dry run shows what would be sent.",
        "does": "Run, sending every row and field again",
        "fields": {"full": "yes"},
        "back": f"/syncs/{name}",
    }


def dismiss_all(view: View) -> Mapping[str, Any]:
    """Whether all rejected rows are set aside, or those of one reason."""
    name = actions.named(view)
    code = view.query.get("code")
    if code is None and view.query.get("all") != "yes":
        raise Refusal(400, "choose rows: those of a code, or all")
    groups = [group for group in view.project.trouble_groups(name) if code is None or (group.code or "") == code]
    rows = counted(sum(group.shown for group in groups), "rejected row")
    which = "" if code is None else f" of {code or 'no code'}"
    return {
        "asked": f"Dismiss {rows} of {name}{which}?",
        "means": "They are set aside, neither sent by a run nor counted as rejected, until their values change.",
        "undone": "Retry undoes it: it makes dismissed rows due for the next run.",
        "does": f"Dismiss {rows}",
        "fields": {"all": "yes"} if code is None else {"code": code},
        "back": f"/syncs/{name}/rejected",
    }
