"""The command line starts at once, because it imports nothing heavy until a command needs it."""

import subprocess
import sys

import pytest

import tailrace

HEAVY = {"polars", "pyarrow", "pydantic", "sqlalchemy", "duckdb", "alembic", "httpx", "yaml"}


@pytest.mark.parametrize("start", ["import tailrace", "import tailrace.errors", "from tailrace.cli.app import app"])
def test_nothing_heavy_is_imported_at_start(start):
    """Neither `import tailrace` nor `tailrace --help` pays for the engine."""
    told = subprocess.run(
        [sys.executable, "-c", f"{start}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert HEAVY & set(told.stdout.split()) == set()


def test_every_public_name_is_there():
    """What `__all__` promises can be imported, and belongs to us."""
    for name in tailrace.__all__:
        assert getattr(tailrace, name).__module__.startswith("tailrace."), name


def test_an_unknown_name_is_an_attribute_error():
    """A typo is told as Python tells it."""
    with pytest.raises(AttributeError, match="no attribute 'Projekt'"):
        _ = tailrace.Projekt
