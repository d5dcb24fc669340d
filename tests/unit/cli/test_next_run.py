"""When a sync runs next, as `status` and `serve` say it."""

from dataclasses import replace
from datetime import timedelta

from tailrace.cli import render
from tailrace.clock import now
from tailrace.jsonform import iso
from tailrace.running.ledger import SyncStatus

LINE = SyncStatus("people", None, None, 0, 0, 0, None, None)
AHEAD, PAST = (iso(now() + timedelta(hours=hours)) for hours in (1, -1))


def last(line):
    """The last cell of the sync's line."""
    return render.status([line]).splitlines()[1].rpartition("  ")[2]


def test_a_moment_to_come_is_told():
    """As ISO 8601, which sorts."""
    line = replace(LINE, next_run=AHEAD)
    assert last(line) == AHEAD
    assert render.schedule([line]).splitlines()[1:] == [f"  people: next run {AHEAD}"]


def test_a_moment_gone_by_is_now():
    """Nobody can run in the past."""
    line = replace(LINE, next_run=PAST)
    assert last(line) == "due now"
    assert render.schedule([line]).splitlines()[1:] == ["  people: due now"]


def test_after_others_is_told_by_their_names():
    """There is no moment, but there is a schedule."""
    line = replace(LINE, after=("accounts", "owners"))
    assert last(line) == "after accounts, owners"
    assert render.schedule([line]).splitlines()[1:] == ["  people: after accounts, owners"]


def test_paused_or_by_hand():
    """What never comes by itself."""
    assert last(replace(LINE, after=("accounts",), paused=True)) == "paused"
    assert last(LINE) == "-"
    assert len(render.schedule([LINE, replace(LINE, paused=True)]).splitlines()) == 1
