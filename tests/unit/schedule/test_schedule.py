from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from graphlib import CycleError
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.project.config import FieldMap, SyncConfig
from tailrace.project.operating import Schedule, Window
from tailrace.schedule import LastRun, due, next_fire, order

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


def sync(schedule=None, *, target="Contact", looks_up=None, destination="crm", paused=False):
    """A sync file's content, of which only these parts matter here."""
    fields = {"AccountId": FieldMap(column="c", lookup=looks_up, by="Key__c")} if looks_up else {}
    return SyncConfig(
        model="m",
        destination=destination,
        object=target,
        mode="mirror",
        key="id",
        fields=fields,
        schedule=schedule,
        paused=paused,
    )


def every(seconds):
    """The schedule `every: …`."""
    return Schedule.model_construct(cron=None, every=float(seconds), after=None, timezone="UTC")


def cron(expression, timezone="UTC"):
    """The schedule `cron: …`."""
    return Schedule(cron=expression, timezone=timezone)


def after(*parents):
    """The schedule `after: …`."""
    return Schedule(after=parents)


def ran(started, status="succeeded", took=timedelta(minutes=5)):
    """A run that has ended."""
    return LastRun(started, started + took, status)


def fires(schedule, start, end):
    """All fires in (start, end], each counted from the one before."""
    found, last = [], start
    while (fire := next_fire(schedule, last, end)) is not None and fire <= end:
        found.append(fire)
        last = fire
    return found


def berlin_day(year, month, day):
    """The moments just before a local day begins and ends."""
    start = datetime(year, month, day, tzinfo=BERLIN)
    return start - timedelta(seconds=1), datetime(year, month, day + 1, tzinfo=BERLIN) - timedelta(seconds=1)


@pytest.mark.parametrize("schedule", [cron("0 6 * * *"), every(900)])
def test_never_started_is_due_at_once(schedule):
    """A sync without a run has no moment to count from, so its first run is owed now."""
    assert next_fire(schedule, None, NOW) == NOW


def test_after_has_no_time():
    """An `after` sync follows its parents, not the clock."""
    assert next_fire(after("accounts"), None, NOW) is None


def test_every_counts_from_the_last_start():
    """`every: 15m` is owed a quarter of an hour after the last start, to the second."""
    assert next_fire(every(900), NOW - timedelta(minutes=10), NOW) == NOW + timedelta(minutes=5)


def test_cron_is_read_in_its_zone():
    """Six o'clock in Berlin is four o'clock UTC in summer."""
    assert next_fire(cron("0 6 * * *", "Europe/Berlin"), NOW, NOW) == datetime(2026, 6, 2, 4, 0, tzinfo=UTC)


def test_a_fire_at_the_last_start_is_spent():
    """A run started on the minute of its fire is not owed a second time."""
    assert next_fire(cron("0 12 * * *"), NOW, NOW) == NOW + timedelta(days=1)


def test_missed_fires_are_made_up_once():
    """After three silent days one run is owed, and none after it."""
    syncs = {"contacts": sync(cron("0 6 * * *"))}
    assert due(syncs, {"contacts": ran(NOW - timedelta(days=3))}, NOW) == ("contacts",)
    assert due(syncs, {"contacts": ran(NOW)}, NOW + HOUR) == ()


def test_a_start_in_the_future_does_not_silence_a_sync():
    """A last start beyond now, left by a clock that was wrong, counts as now."""
    wrong = NOW + timedelta(days=400)
    assert next_fire(every(900), wrong, NOW) == NOW + timedelta(minutes=15)
    assert next_fire(cron("0 13 * * *"), wrong, NOW) == NOW + HOUR


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 2 * * *", "59 2 * * SUN"])
def test_in_autumn_a_fixed_time_fires_once(expression):
    """The hour that comes twice makes a job at a fixed time run once, in its first half."""
    found = fires(cron(expression, "Europe/Berlin"), *berlin_day(2026, 10, 25))
    assert len(found) == 1
    assert found[0].astimezone(BERLIN).utcoffset() == 2 * HOUR


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 2 * * *", "59 2 * * SUN"])
def test_in_spring_a_missing_time_fires_once(expression):
    """A job whose time does not exist that day runs once, at the end of the gap."""
    found = fires(cron(expression, "Europe/Berlin"), *berlin_day(2026, 3, 29))
    assert found == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]


def test_in_spring_two_missing_times_fire_together():
    """Times that fall into the gap become one fire at its end, and a job that is due then anyway is not repeated."""
    found = fires(cron("0,30 2,3 * * *", "Europe/Berlin"), *berlin_day(2026, 3, 29))
    assert [fire.astimezone(BERLIN).strftime("%H:%M") for fire in found] == ["03:00", "03:30"]


def test_a_start_in_the_second_equal_hour_waits_for_tomorrow():
    """A run begun in the second 02:15 of the autumn night is not owed the 02:30 that has passed."""
    second = datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN, fold=1)
    fire = next_fire(cron("30 2 * * *", "Europe/Berlin"), second, second)
    assert fire == datetime(2026, 10, 26, 2, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)])
def test_hourly_jobs_run_by_elapsed_time(day, hours):
    """An hourly job runs once in each hour that passes, on short and long days too."""
    assert len(fires(cron("0 * * * *", "Europe/Berlin"), *berlin_day(*day))) == hours


@given(start=moments, hour=st.integers(0, 23), minute=st.integers(0, 59), zone=zones)
def test_a_daily_job_fires_once_each_day(start, hour, minute, zone):
    """In every zone, thirty days have thirty fires, on thirty local days, forward in time."""
    found = fires(cron(f"{minute} {hour} * * *", zone), start, start + timedelta(days=30))
    days = [fire.astimezone(ZoneInfo(zone)).date() for fire in found]
    assert found == sorted(found)
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert 29 <= len(days) <= 31


@given(start=moments, zone=zones, minutes=st.sampled_from(["*/15", "7", "*"]), hours=st.sampled_from(["*", "*/6", "2"]))
def test_next_fire_is_always_later(start, zone, minutes, hours):
    """The next fire lies after the last start, whatever the clocks do."""
    fire = next_fire(cron(f"{minutes} {hours} * * *", zone), start, start + timedelta(days=3))
    assert fire is not None
    assert fire > start
    assert fire.tzinfo is UTC


@given(start=moments, seconds=st.integers(1, 10_000_000), waited=st.integers(0, 10_000_000))
def test_every_is_due_when_its_time_has_passed(start, seconds, waited):
    """`every` is due exactly when at least that many seconds have gone by."""
    runs = {"a": ran(start)}
    assert bool(due({"a": sync(every(seconds))}, runs, start + timedelta(seconds=waited))) == (waited >= seconds)


def test_leap_day_and_impossible_dates():
    """A leap-day job waits for its year."""
    assert next_fire(cron("0 0 29 2 *"), NOW, NOW).date() == date(2028, 2, 29)


def test_no_schedule_is_never_due():
    """A sync without a schedule runs only when asked."""
    assert due({"a": sync()}, {}, NOW) == ()


PARENTS = {"child": sync(after("accounts", "owners")), "accounts": sync(every(9e9)), "owners": sync(every(9e9))}
EARLIER = NOW - 2 * HOUR


@pytest.mark.parametrize("status", ["succeeded", "partial", "nothing_to_do"])
def test_after_runs_when_all_parents_finished(status):
    """A child is due when each parent finished since the child last started, refused rows or not."""
    runs = {"accounts": ran(NOW - HOUR, status), "owners": ran(NOW - HOUR), "child": ran(EARLIER)}
    assert due(PARENTS, runs, NOW) == ("child",)


def test_after_runs_first_when_it_never_ran():
    """A child that never ran is due as soon as its parents have."""
    assert due(PARENTS, {"accounts": ran(EARLIER), "owners": ran(EARLIER)}, NOW) == ("child",)


@pytest.mark.parametrize(
    "owners",
    [
        None,
        ran(NOW - HOUR, "failed"),
        ran(NOW - HOUR, "blocked"),
        LastRun(NOW - HOUR, None, "running"),
        ran(EARLIER - HOUR),
    ],
)
def test_after_waits_for_every_parent(owners):
    """One parent that is missing, failed, still running, or older than the child's last start holds the child."""
    runs = {"accounts": ran(NOW - HOUR), "child": ran(EARLIER)} | ({"owners": owners} if owners else {})
    running = {"owners"} if owners and owners.finished_at is None else ()
    assert due({**PARENTS}, runs, NOW, but=running) == (() if owners else ("owners",))


def test_a_parent_that_finished_during_the_childs_run_counts():
    """What a parent delivered after the child had started is new to the child."""
    parent = LastRun(EARLIER - timedelta(minutes=3), EARLIER + timedelta(minutes=1), "succeeded")
    runs = {"accounts": parent, "child": ran(EARLIER)}
    assert due({"accounts": sync(every(9e9)), "child": sync(after("accounts"))}, runs, NOW) == ("child",)


def test_order_puts_parents_first_and_keeps_the_rest():
    """Children follow their parents; what is free stays in the given order."""
    syncs = {"z": sync(), "child": sync(after("top")), "a": sync(), "top": sync()}
    assert order(syncs) == ("z", "a", "top", "child")


def test_order_puts_what_is_looked_up_first():
    """The sync that writes accounts goes before the contacts that refer to them, on that destination only."""
    contacts = sync(looks_up="Account")
    accounts = sync(target="Account")
    elsewhere = sync(target="Account", destination="other")
    assert order({"contacts": contacts, "accounts": accounts, "elsewhere": elsewhere}) == (
        "accounts",
        "contacts",
        "elsewhere",
    )


def test_order_bears_lookups_in_a_circle():
    """Two objects that refer to each other are put in the given order, and `after` has the last word."""
    one, two = sync(target="A", looks_up="B"), sync(target="B", looks_up="A")
    assert set(order({"one": one, "two": two})) == {"one", "two"}
    assert order({"one": one, "two": sync(after("one"), target="B")}) == ("one", "two")


def test_order_leaves_apart_syncs_that_write_the_object_they_look_up():
    """A look-up of the object that a sync writes itself waits for no other sync that writes it."""
    accounts, health = sync(target="Account", looks_up="Account"), sync(target="Account")
    assert order({"accounts": accounts, "health": health}) == ("accounts", "health")


def test_order_refuses_a_cycle():
    """A cycle of `after` cannot be ordered."""
    with pytest.raises(CycleError):
        order({"a": sync(after("b")), "b": sync(after("a"))})


@given(st.data())
def test_order_holds_every_edge(data):
    """Whatever the graph, every sync comes once, and after all of its parents."""
    names = [f"s{n}" for n in range(8)]
    syncs = {}
    for number, name in enumerate(names):
        parents = data.draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        syncs[name] = sync(after(*parents) if parents else None)
    shuffled = dict(data.draw(st.permutations(list(syncs.items()))))
    found = order(shuffled)
    assert sorted(found) == names
    assert all(found.index(p) < found.index(n) for n in names if syncs[n].schedule for p in syncs[n].schedule.after)


def test_what_is_paused_is_not_due():
    """By its file, or by somebody who says so; the others are."""
    syncs = {"a": sync(every(900), paused=True), "b": sync(every(900)), "c": sync(every(900))}
    assert due(syncs, {}, NOW) == ("b", "c")
    assert due(syncs, {}, NOW, but={"b"}) == ("c",)


def test_a_run_that_broke_off_is_owed_again_at_once():
    """Long before its next time: it left rows in flight. Not while it goes on, nor without a schedule."""
    broken = {"a": LastRun(NOW - HOUR, None, "running")}
    assert due({"a": sync(every(86_400))}, broken, NOW) == ("a",)
    assert due({"a": sync(every(86_400))}, broken, NOW, but={"a"}) == ()
    assert due({"a": sync()}, broken, NOW) == ()


def test_a_child_may_wait_for_whole_runs():
    """With `after_partial: wait` a parent that had rows refused holds its child, until it gets all through."""
    syncs = {"a": sync(every(9e9)), "b": sync(Schedule(after=("a",), after_partial="wait"))}
    assert due(syncs, {"a": ran(NOW - HOUR, "partial")}, NOW) == ()
    assert due(syncs, {"a": ran(NOW - HOUR, "nothing_to_do")}, NOW) == ("b",)


NIGHT = Window(**{"from": "22:00", "to": "06:00"})


def test_nothing_is_due_in_a_blackout_and_all_of_it_afterwards():
    """What was missed is made up for by one run when it is over; the next run is told as of then."""
    dark = Schedule(every=900.0, timezone="Europe/Berlin", blackout=(NIGHT,))
    syncs, last = {"a": sync(dark)}, datetime(2026, 6, 1, 21, 50, tzinfo=BERLIN)
    opening = datetime(2026, 6, 2, 6, 0, tzinfo=BERLIN)
    assert due(syncs, {"a": ran(last)}, datetime(2026, 6, 1, 23, 0, tzinfo=BERLIN)) == ()
    assert due(syncs, {"a": ran(last)}, opening - timedelta(seconds=1)) == ()
    assert due(syncs, {"a": ran(last)}, opening) == ("a",)
    assert due(syncs, {"a": ran(opening)}, opening + timedelta(minutes=1)) == ()
    assert next_fire(dark, last, last, name="a") == opening
    missed = last - timedelta(hours=3)
    assert next_fire(dark, missed, last, name="a") == missed + timedelta(minutes=15)
    assert next_fire(dark, missed, opening - HOUR, name="a") == opening


@given(start=moments, jitter=st.integers(1, 100_000))
def test_jitter_puts_a_run_off_and_everybody_agrees_by_how_much(start, jitter):
    """By less than it says, never to before its time, the same at each look, and not the same for each sync."""
    schedule = Schedule(every=3600.0, jitter=float(jitter))
    fire = start + HOUR
    found = {name: next_fire(schedule, start, start, name=name) for name in ("a", "b", "c", "d")}
    assert all(fire <= each < fire + timedelta(seconds=jitter) for each in found.values())
    assert found == {name: next_fire(schedule, start, start + HOUR, name=name) for name in found}
    assert len(set(found.values())) > 1
    syncs = {"a": sync(schedule)}
    assert due(syncs, {"a": ran(start)}, found["a"] - timedelta(seconds=1)) == ()
    assert due(syncs, {"a": ran(start)}, found["a"]) == ("a",)
