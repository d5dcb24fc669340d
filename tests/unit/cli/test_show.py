"""Values as people see them on a terminal."""

from decimal import Decimal

import pytest

from tailrace.jsonform import show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "∅"),
        ("Zoë", "Zoë"),
        ("", '""'),
        (" a", '" a"'),
        (Decimal("1.50"), "1.50"),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("Line\ntwo", '"Line\\ntwo"'),
        ("\x9b31mred", '"\\u009b31mred"'),
        ("abc\u202egpj.exe", '"abc\\u202egpj.exe"'),
        (["\x9b", "b"], '["\\u009b", "b"]'),
    ],
)
def test_nothing_is_left_for_the_terminal_to_carry_out(value, shown):
    """Control characters and turns of the writing direction are written out; other texts stay bare."""
    assert show(value) == shown
