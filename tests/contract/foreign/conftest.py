"""A sandbox for clients that other people wrote."""

import pytest

from tailrace.sandbox import SandboxServer


@pytest.fixture(scope="session")
def sandbox():
    """One sandbox for all foreign clients."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(sandbox):
    """The sandbox, emptied."""
    sandbox.control.reset()
    return sandbox
