"""How what a run did is told."""

import pytest

from tailrace.cli import render
from tailrace.running.result import RunResult


@pytest.mark.parametrize(
    ("skipped", "skips", "words"),
    [
        (1, {"deleted": 1}, "1 skipped (deleted)   in"),
        (15, {"not_found": 15}, "15 skipped (not_found)   in"),
        (4, {"exists": 3, "deleted": 1}, "4 skipped (3 exists, 1 deleted)   in"),
        (0, {}, "0 skipped   in"),
    ],
)
def test_skipped_rows_are_told_with_their_reasons(skipped, skips, words):
    """By code, with the rows of each where there are several."""
    run = RunResult("people", "r", "succeeded", updates=20, acknowledged=1, skipped=skipped, skips=skips)
    assert words in render.result(run)
    assert run.to_json()["skips"] == skips


@pytest.mark.parametrize(("billed", "told"), [(10_485_760, True), (0, True), (None, False)])
def test_what_a_warehouse_billed_is_told(billed, told):
    """In bytes, where it bills by them; a cached answer that cost nothing is told too."""
    run = RunResult("people", "r", "nothing_to_do", bytes_billed=billed)
    assert (f"{billed or 0:,} bytes billed by the warehouse" in render.result(run)) is told
    assert run.to_json()["bytes_billed"] == billed
