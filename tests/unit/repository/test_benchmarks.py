"""The benchmarks are run by hand and seldom: what they use of the project must still be there."""

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[3] / "benchmarks").glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_each_can_be_loaded(name):
    """A function that moved is found here, not when a figure is wanted."""
    assert importlib.import_module(f"benchmarks.{name}")
