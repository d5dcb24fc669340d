"""Every test says in a sentence what it holds the code to."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_every_test_has_a_docstring():
    """A test without a sentence of its own cannot be judged by its reader."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno} {node.name}"
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []
