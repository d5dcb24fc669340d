"""What people are told of rows that are held back."""

import pytest

from tailrace.planning.holds import Hold, told


@pytest.mark.parametrize(
    ("reasons", "commands"),
    [
        (["dead"], "tailrace rejected people"),
        (["manual", "dead"], "tailrace rejected people"),
        (["deleted"], "tailrace rejected people --dismissed"),
        (["dismissed", "deleted"], "tailrace rejected people --dismissed"),
        (["unknown"], "tailrace resolve people"),
        (["unknown", "deleted", "dead"],
         "tailrace rejected people and tailrace rejected people --dismissed and tailrace resolve people"),
    ],
)  # fmt: skip
def test_the_commands_that_show_the_rows_are_named_and_no_others(reasons, commands):
    """Each reason has the command under which its rows are found."""
    (line,) = told([Hold(reason, None, "r") for reason in reasons], "people")
    assert line.endswith(f"): see {commands}")
