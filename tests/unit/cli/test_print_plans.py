"""Plans are printed bit by bit as they would be as a whole."""

import io
import json
from contextlib import redirect_stdout
from types import SimpleNamespace

import pytest

from tailrace import redact
from tailrace.cli.common import print_json, print_plans


def plan(name, changes):
    """As much of a plan as is printed."""
    made = [SimpleNamespace(to_json=lambda number=number: {"op": "insert", "key": {"ö": number}}) for number in changes]
    head = {"sync": name, "notes": ["}", '"changes": []']}
    return SimpleNamespace(
        head_json=lambda: head,
        extent_json=lambda limit: {"changes_total": len(made), "changes_shown": limit},
        changes=lambda limit: iter(made[:limit] if limit else made),
        to_json=lambda limit: {
            **head,
            "changes_total": len(made),
            "changes_shown": limit,
            "changes": [one.to_json() for one in (made[:limit] if limit else made)],
        },
    )


def printed(print_it, *arguments):
    """What goes to stdout."""
    out = io.StringIO()
    with redirect_stdout(out):
        print_it(*arguments)
    return out.getvalue()


@pytest.mark.parametrize("limit", [0, 1, 2])
@pytest.mark.parametrize("sizes", [[], [0], [3], [1, 0, 2]])
def test_it_is_the_same_json(sizes, limit):
    """To the letter, for no plan, one, or several, with and without changes."""
    plans = [plan(f"sync {place}", range(size)) for place, size in enumerate(sizes)]
    whole = printed(print_json, {"plans": [one.to_json(limit) for one in plans]})
    assert printed(print_plans, plans, limit) == whole
    assert json.loads(whole).keys() == {"plans"}


def test_secrets_are_taken_out():
    """Of heads and changes alike."""
    redact.register("sync-canary")
    out = printed(print_plans, [plan("sync-canary", ["sync-canary"])], 0)
    assert "canary" not in out
    assert out.count("***") == 2
