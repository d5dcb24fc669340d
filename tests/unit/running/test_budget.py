"""Which runs share a budget, and by which rates."""

import threading
from types import SimpleNamespace

import pytest

from tailrace.destination import Rate
from tailrace.project.types import Secret
from tailrace.running.session import Session, Target, _replaced
from tailrace.state import StateDB
from tailrace_destinations.hubspot import capabilities, plugin
from tailrace_destinations.hubspot.config import HubSpotConfig


@pytest.fixture
def session(tmp_path):
    """A session over a state database."""
    with StateDB.open("sqlite:///state.db", tmp_path) as state:
        made = Session(SimpleNamespace(root=tmp_path))
        made.state = state
        yield made


def target(name="hub", **settings):
    """A destination with a limit of two calls an hour."""
    config = HubSpotConfig(type="hubspot", access_token=Secret.literal("t"), rate=(Rate(2, 3_600.0),), **settings)
    able = capabilities(config)
    return Target(name, plugin, config, able, able.batch_size, able.concurrency, able.rates)


def test_limiters_of_one_account_share_its_windows(session):
    """Reading or writing, with a stop event or without, under one name or another."""
    stop = threading.Event()
    several = [
        session.limiter(target()),
        session.limiter(target(), read_only=True),
        session.limiter(target(), stop=stop),
        session.limiter(target("again")),
    ]
    assert len(set(map(id, several))) == 4
    assert session.limiter(target(), stop=stop) is several[2]
    for limiter in several[:2]:
        limiter.spend(write=False)
    stop.set()
    waits = [limiter._view.ask(limiter._windows_of("default"), 1, 1e6) - limiter._clock() for limiter in several]
    assert all(wait > 3_000 for wait in waits)


def test_another_account_has_windows_of_its_own(session):
    """What tells accounts apart is the adapter's hint."""
    for _ in range(2):
        session.limiter(target()).spend(write=True)
        session.limiter(target("eu", base_url="https://api-eu1.hubapi.com")).spend(write=True)


def test_a_project_replaces_rates_but_not_those_of_an_adapters_own_buckets():
    """A `rate` in tailrace.yml is about requests as such."""
    own = (Rate(100, 10.0), Rate(1_000, 86_400.0, "*"), Rate(5, 1.0, "search"))
    assert _replaced(own, (Rate(7, 1.0),)) == (Rate(7, 1.0), Rate(5, 1.0, "search"))
