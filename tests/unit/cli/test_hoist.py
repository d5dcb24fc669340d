"""Global options may stand before or after the command."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tailrace.cli import hoist


def test_moves_options_with_their_values_to_the_front():
    """A user who writes --project last means the same as one who writes it first."""
    assert hoist(["run", "contacts", "--project", "p", "--yes"]) == (["--project", "p", "--yes"], ["run", "contacts"])


def test_keeps_the_equals_form_whole():
    """--project=DIR is one word and moves as one."""
    assert hoist(["plan", "--log-level=debug"]) == (["--log-level=debug"], ["plan"])


def test_leaves_what_follows_a_double_dash():
    """After -- nothing is an option any more."""
    assert hoist(["run", "--", "--yes"]) == ([], ["run", "--", "--yes"])


@given(st.lists(st.sampled_from(["run", "--all", "--yes", "--project", "x", "--json"])))
def test_loses_no_word(words):
    """Whatever the order, every word is still there."""
    assert sorted(itertools.chain(*hoist(words))) == sorted(words)
