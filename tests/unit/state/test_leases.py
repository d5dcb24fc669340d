"""One run per sync."""

import threading

import pytest

from tailrace.errors import LeaseHeld, LeaseLost


def test_a_second_run_is_told_who_holds_the_sync(state):
    """The error names holder, process and when it ends, so that a person can decide."""
    state.acquire("contacts", "run 7f3a", 60)
    with pytest.raises(LeaseHeld) as caught:
        state.acquire("contacts", "run 8", 60)
    assert "run 7f3a" in str(caught.value)
    assert "process" in str(caught.value)
    assert "1970-01-01 00:17:40 UTC" in caught.value.hint


def test_syncs_do_not_block_each_other(state):
    """A lease is for one sync alone."""
    state.acquire("contacts", "a", 60)
    assert state.acquire("accounts", "b", 60).token == 1


def test_tokens_only_grow(state, clock):
    """Whether released or expired, each lease gets a greater token."""
    first = state.acquire("contacts", "a", 60)
    first.release()
    second = state.acquire("contacts", "b", 60)
    clock.now += 61
    third = state.acquire("contacts", "c", 60)
    assert [first.token, second.token, third.token] == [1, 2, 3]


def test_renewing_keeps_the_sync(state, clock):
    """A run that renews is never taken for dead."""
    lease = state.acquire("contacts", "a", 60)
    for _ in range(5):
        clock.now += 50
        lease.renew()
    with pytest.raises(LeaseHeld):
        state.acquire("contacts", "b", 60)


def test_an_expired_lease_that_nobody_took_can_be_renewed(state, clock):
    """Silence alone costs nothing as long as no other run has begun."""
    lease = state.acquire("contacts", "a", 60)
    clock.now += 1_000
    lease.renew()
    with pytest.raises(LeaseHeld):
        state.acquire("contacts", "b", 60)


def test_a_taken_over_lease_is_lost(state, clock):
    """The old holder notices at its next renewal, and its release does not free the new one's sync."""
    old = state.acquire("contacts", "a", 60)
    clock.now += 61
    state.acquire("contacts", "b", 60)
    with pytest.raises(LeaseLost, match="another run took this sync over"):
        old.renew()
    old.release()
    with pytest.raises(LeaseHeld):
        state.acquire("contacts", "c", 60)


def test_the_heartbeat_reports_a_lost_lease(state, clock):
    """The event is set once another run holds the sync."""
    lease = state.acquire("contacts", "a", 0.03)
    clock.now += 1
    state.acquire("contacts", "b", 60)
    with lease.heartbeat() as gone:
        assert gone.wait(10)


def test_the_heartbeat_renews(state, clock):
    """While the block lasts, the expiry moves on."""
    lease = state.acquire("contacts", "a", 0.03)
    renewed = threading.Event()
    original = type(lease).renew
    clock.now += 0.02

    def renew(self):
        original(self)
        renewed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(lease), "renew", renew)
        with lease.heartbeat() as gone:
            assert renewed.wait(10)
    assert not gone.is_set()
    clock.now += 0.02
    with pytest.raises(LeaseHeld):
        state.acquire("contacts", "b", 60)


def test_only_one_of_many_threads_gets_the_lease(state):
    """Two runs that start at once cannot both hold a sync."""
    won, held = [], []
    barrier = threading.Barrier(6)

    def attempt(number):
        barrier.wait()
        try:
            won.append(state.acquire("contacts", f"run {number}", 60))
        except LeaseHeld:
            held.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(held)) == (1, 5)
