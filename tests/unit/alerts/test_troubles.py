"""What is wrong with a sync, by what is on record of it."""

from dataclasses import replace

import pytest

from tailrace.alerts.troubles import Facts, troubles
from tailrace.project.operating import Alerts
from tailrace.state import Counts, IssueCounts, RunRecord

NOW = 1_000_000.0
ALL = Alerts()


def run(status="succeeded", *, rows=100, words=None, held=100, at=NOW - 60):
    """A run on record."""
    return RunRecord(
        run_id="r",
        sync="contacts",
        mode="mirror",
        destination="crm",
        object="Contact",
        identity="i",
        token=1,
        plan_hash=None,
        status=status,
        started_at=at,
        finished_at=None if status == "running" else at + 5,
        counts=Counts(model_rows=rows, snapshot_rows=held),
        message=words and f"{words}, and Ann's address",
        discreet=words,
    )


def facts(*runs, issues=IssueCounts(), reached=NOW - 60, freshness=None, paused=False):  # noqa: B008 - it is frozen
    """Facts of a sync; runs newest first."""
    return Facts("contacts", runs, issues, reached, freshness, paused, NOW)


def kinds(found, settings=ALL):
    """The kinds of trouble."""
    return [trouble.kind for trouble in troubles(found, settings)]


@pytest.mark.parametrize("status", ["succeeded", "partial", "nothing_to_do", "running"])
def test_runs_that_go_well_are_no_trouble(status):
    """Nor is one that goes on, a sync without a run, or one that somebody stopped."""
    assert kinds(facts(run(status))) == []
    assert kinds(facts()) == []
    assert kinds(facts(run("interrupted", words="stopped by ann, who cancelled the run"))) == []


def test_a_failed_run_is_told_in_words_without_values():
    """The first line of why, as it is fit for a log."""
    (trouble,) = troubles(facts(run("failed", words="the CRM is away\n  try later")), ALL)
    assert (trouble.kind, trouble.message) == ("failed", "the CRM is away")


def test_a_failure_stays_until_a_run_gets_through():
    """A run that somebody stopped, or that goes on, does not end it."""
    failed = run("failed", words="away")
    assert kinds(facts(run("interrupted", words="stopped on request"), failed)) == ["failed"]
    assert kinds(facts(run("running"), failed)) == ["failed"]
    assert kinds(facts(run("partial"), failed)) == []


def test_a_timeout_counts_as_a_failure():
    """Nobody asked for that stop."""
    words = "stopped at its timeout, after 60 s; what was not sent stays for the next run"
    assert kinds(facts(run("interrupted", words=words))) == ["failed"]


def test_a_guard_that_tripped_is_told_as_such():
    """With its words, which need not say once more that it is one."""
    words = "guard max_deletes: 42%, the limit is 15%; guard contract: no guard here. Nothing was written."
    (trouble,) = troubles(facts(run("blocked", words=words)), ALL)
    told = "max_deletes: 42%, the limit is 15%; contract: no guard here. Nothing was written."
    assert (trouble.kind, trouble.message) == ("guard", told)


def test_the_same_failure_with_other_numbers_is_the_same():
    """Ids and counts differ from run to run; another reason is told again."""
    first, second, other = (
        troubles(facts(run("failed", words=words)), ALL)[0]
        for words in ("batch 3 of run 7f3a timed out", "batch 9 of run 81bc timed out", "access denied")
    )
    assert not second.worse_than(first.mark)
    assert other.worse_than(first.mark)


@pytest.mark.parametrize(
    ("rejected", "borne", "told"),
    [(1, 0, True), (0, 0, False), (5, 5, False), (6, 5, True), (5, 0.05, False), (6, 0.05, True), (900, None, False)],
)
def test_rejected_rows_are_told_over_a_limit(rejected, borne, told):
    """A number of rows, a share of the snapshot, or off; by default any."""
    found = facts(run(held=100), issues=IssueCounts(rejected=rejected))
    assert kinds(found, Alerts(rejected=borne)) == (["rejected"] if told else [])


def test_more_of_the_same_is_told_when_it_doubles():
    """Not with each row, and not when it gets better."""
    one, two, three, nine = (
        troubles(facts(run(), issues=IssueCounts(unknown=number)), ALL)[0] for number in (1, 2, 3, 9)
    )
    assert two.worse_than(one.mark)
    assert not three.worse_than(two.mark)
    assert nine.worse_than(three.mark)
    assert not one.worse_than(nine.mark)


@pytest.mark.parametrize(("age", "told"), [(7_199, False), (7_201, True)])
def test_a_sync_is_late_when_its_last_good_run_is_too_old(age, told):
    """Against its target; without one, or while it is paused, never."""
    found = facts(run(), reached=NOW - age, freshness=7_200.0)
    assert kinds(found) == (["late"] if told else [])
    assert kinds(facts(run(), reached=NOW - age)) == []
    assert kinds(facts(run(), reached=NOW - age, freshness=7_200.0, paused=True)) == []


def test_a_sync_that_never_got_through_is_late_from_its_first_try():
    """One that never ran is not."""
    tries = [run("failed", words="x", at=NOW - 100), run("failed", words="x", at=NOW - 8_000)]
    found = troubles(facts(*tries, reached=None, freshness=7_200.0), ALL)
    assert [trouble.message for trouble in found if trouble.kind == "late"] == [
        "no run got through, for 2 h 13 min, the target is 2 h"
    ]
    assert kinds(facts(reached=None, freshness=7_200.0)) == []


def test_how_much_was_read_by_a_cursor_is_no_trouble():
    """Few rows, or none, are the ordinary case, and after an edit all are read."""
    found = facts(run(rows=1000), *[run(rows=2)] * 10)
    assert kinds(found) == ["volume"]
    assert kinds(replace(found, partial=True)) == []


@pytest.mark.parametrize(
    ("rows", "borne", "told"),
    [(150, 0.5, False), (151, 0.5, True), (49, 0.5, True), (90, 10, False), (89, 10, True), (0, None, False)],
)
def test_a_volume_far_from_the_usual_is_told(rows, borne, told):
    """Against the median of the runs before, as a share or in rows; which way is told too."""
    found = facts(run(rows=rows), *[run(rows=100)] * 5)
    assert kinds(found, Alerts(volume=borne)) == (["volume"] if told else [])
    if told:
        (trouble,) = troubles(found, Alerts(volume=borne))
        assert trouble.what == ("more" if rows > 100 else "fewer")


def test_nothing_is_usual_after_a_few_runs():
    """Runs that failed tell nothing of the volume either."""
    assert kinds(facts(run(rows=9_000), *[run(rows=100)] * 4)) == []
    assert kinds(facts(run(rows=100), *[run("failed", rows=0, words="x")] * 9)) == []


def test_only_what_is_wanted_is_told():
    """`on` chooses."""
    found = facts(run("failed", words="x"), issues=IssueCounts(rejected=3, unknown=1))
    assert kinds(found) == ["failed", "rejected", "unknown"]
    assert kinds(found, Alerts(on=("unknown",))) == ["unknown"]


def test_a_saved_plan_out_of_date_is_no_guard_and_no_trouble():
    """Somebody came too late with it: how the sync stands, the run before says."""
    late = replace(run("blocked", words="another run has moved the snapshot"), outdated=True)
    assert kinds(facts(late)) == []
    assert kinds(facts(late, run("failed", words="away"))) == ["failed"]
