"""Creates whose answer was lost: looked up, sent once more, or held."""

from importlib import import_module

import pytest

from tailrace.destination import Operation
from tailrace.errors import AccessDenied, AnswerLost
from tailrace.rowset import Rows
from tailrace.state.records import Doubt


@pytest.fixture
def creating(bench):
    """A bench whose sync creates records, in insert mode."""
    bench.wants(mode="insert")
    return bench


def statuses(report):
    """Status by row number."""
    return dict(report.outcomes.select("seq", "status").iter_rows())


def test_what_arrived_is_found_after_settling(creating, plan):
    """The reply was dropped after the commit: the records are found, with their ids, and not made twice."""
    creating.store.fail(AnswerLost("timeout"), after_commit=True)
    report = creating.run(plan({}, {}, action="create"))
    assert statuses(report) == {0: "acknowledged", 1: "acknowledged"}
    assert sorted(report.outcomes["record_id"]) == sorted(creating.store.records("thing"))
    assert creating.sleeps.slept == [7.0]
    assert creating.store.writes == 1


def test_what_did_not_arrive_is_sent_once_more(creating, plan):
    """The request never got through: the look-up finds nothing, and the second try does it."""
    creating.store.fail(AnswerLost("timeout"))
    report = creating.run(plan({}, {}, action="create"))
    assert report.acknowledged == len(creating.records()) == 2
    assert creating.store.writes == 2


def test_a_second_lost_answer_is_looked_up_too(creating, plan):
    """Also after the second try nothing is made twice."""
    creating.store.fail(AnswerLost("timeout"))
    creating.store.fail(AnswerLost("timeout"), after_commit=True)
    report = creating.run(plan({}, action="create"))
    assert (report.acknowledged, len(creating.records())) == (1, 1)


def test_what_never_arrives_is_unknown(creating, plan):
    """There is no third try: a person, or the next run, decides."""
    creating.store.fail(AnswerLost("timeout"), times=None)
    report = creating.run(plan({}, action="create"))
    assert (report.unknown, creating.store.writes, report.stopped) == (1, 2, None)


def test_a_failing_look_up_leaves_rows_unknown(creating, plan):
    """When we may not look, we do not know."""
    creating.store.fail(AnswerLost("timeout"))
    creating.wants(mode="append")
    creating.store.fail(AccessDenied("no read"), "find", times=None)
    report = creating.run(plan({}, action="create"))
    assert report.unknown == 1
    assert isinstance(report.stopped, AccessDenied)


@pytest.mark.parametrize(
    ("on_unknown", "status", "records"), [("hold", "unknown", 1), ("skip", "skipped", 1), ("resend", "acknowledged", 2)]
)
def test_without_match_the_sync_decides(creating, plan, on_unknown, status, records):
    """Nothing to look up by: hold, skip, or take the risk of a second record."""
    creating.wants(mode="append", match=(), on_unknown=on_unknown)
    creating.store.fail(AnswerLost("timeout"), after_commit=True)
    report = creating.run(plan({}, action="create"))
    assert statuses(report) == {0: status}
    assert len(creating.store.records("thing")) == records


def test_an_older_record_proves_nothing_in_append_mode(creating, plan):
    """A changed row is appended again: finding its first record must not pass for success."""
    creating.wants(mode="append")
    creating.store.put("thing", {"ext": "e0"})
    creating.store.fail(AnswerLost("timeout"))
    report = creating.run(plan({"op": "update"}, action="create"))
    assert statuses(report) == {0: "unknown"}


def test_only_the_rows_without_an_answer_are_in_doubt(creating, plan):
    """Outcomes that came before the connection broke are kept."""
    destination = creating.destination()
    push = destination.push

    def broken(batch):
        yield from list(push(batch))[:2]
        raise AnswerLost("reset")

    destination.push = broken
    report = creating.run(plan(*[{}] * 4, action="create"), destination)
    assert statuses(report) == dict.fromkeys(range(4), "acknowledged")
    assert creating.store.requests[-1].rows == 2


class Dead:
    """The journal of a run that died with batches in flight."""

    def __init__(self, *doubts):
        self._doubts = doubts
        self.settled = {}

    def doubts(self):
        """What is in doubt."""
        return [doubt for doubt in self._doubts if doubt.number not in self.settled]

    def settle_all(self, settled):
        """Note the outcomes."""
        for number, outcomes in settled:
            self.settled[number] = {outcome.marker: outcome.status for outcome in outcomes}


def test_recovery_finds_what_a_dead_run_created(creating, plan):
    """Found rows are acknowledged, the others are left to the next plan; nothing is sent."""
    creating.store.put("thing", {"ext": "e1"})
    journal = Dead(Doubt(1, "create", (0, 1)))
    rows = Rows.of_frame(plan({}, {}, action="create"))
    recovery = creating.recover(rows, journal)
    assert journal.settled == {1: {"1": "acknowledged"}}
    assert (recovery.found, recovery.left, recovery.unknown, recovery.error) == (1, (0,), 0, None)
    assert (creating.sleeps.slept, creating.store.writes) == ([7.0], 0)


def test_recovery_looks_many_batches_up_at_once(creating, plan):
    """One wait and one look-up for all that was in flight, however many batches that were."""
    creating.can(batch_size=10_000)
    for number in range(0, 60, 2):
        creating.store.put("thing", {"ext": f"e{number}"})
    journal = Dead(*(Doubt(number, "create", (2 * number, 2 * number + 1)) for number in range(30)))
    rows = Rows.of_frame(plan(*[{}] * 60, action="create"))
    recovery = creating.recover(rows, journal)
    assert [(request.step, request.rows) for request in creating.store.requests] == [("find", 60)]
    assert (recovery.found, recovery.left) == (30, tuple(range(1, 60, 2)))
    assert journal.settled == {number: {str(2 * number): "acknowledged"} for number in range(30)}


def test_recovery_writes_down_as_it_goes(creating, plan, monkeypatch):
    """A look-up that fails leaves in doubt what it was about, and not what was found out before."""
    monkeypatch.setattr(import_module("tailrace.delivery.recover"), "ROWS", 2)
    creating.store.put("thing", {"ext": "e0"})
    destination = creating.destination()
    find, asked = destination.find, []

    def once(*arguments):
        asked.append(arguments)
        if len(asked) > 1:
            raise AccessDenied("no more")
        return find(*arguments)

    destination.find = once
    journal = Dead(*(Doubt(number, "create", (number,)) for number in range(5)))
    rows = Rows.of_frame(plan(*[{}] * 5, action="create"))
    recovery = creating.recover(rows, journal, destination)
    assert isinstance(recovery.error, AccessDenied)
    assert journal.settled == {0: {"0": "acknowledged"}, 1: {}}


@pytest.mark.parametrize(("strays", "slept"), [(True, [7.0]), (False, [])])
def test_recovery_asks_nothing_about_repeatable_batches(bench, plan, strays, slept):
    """An upsert in flight is of unknown outcome until it is sent again; what a look-up settled was never sent.

    A request that is still on its way would overtake what is sent now, and leave an old value for good.
    """
    bench.can(strays=strays)
    journal = Dead(Doubt(1, "upsert", (0,)), Doubt(2, "find", (1,)))
    rows = Rows.of_frame(plan({}, {}))
    recovery = bench.recover(rows, journal)
    assert (recovery.again, recovery.left, bench.store.requests, bench.sleeps.slept) == (1, (1,), [], slept)
    assert journal.settled == {1: {"0": "unknown"}, 2: {}}


def test_recovery_leaves_to_the_next_plan_what_was_not_sent(creating, plan):
    """Nobody waits for it or looks it up, whatever the sync says of rows in doubt."""
    creating.wants(mode="append", match=(), on_unknown="skip")
    journal = Dead(Doubt(1, "create", (0, 1), sent=False), Doubt(2, "upsert", (2,), sent=False))
    recovery = creating.recover(Rows.of_frame(plan(*[{}] * 3, action="create")), journal)
    assert (recovery.left, recovery.skipped, recovery.again, recovery.unknown) == ((0, 1, 2), 0, 0, 0)
    assert (creating.sleeps.slept, creating.store.requests) == ([], [])
    assert journal.settled == {1: {}, 2: {}}


def test_recovery_waits_for_nothing_that_was_only_looked_up(bench, plan):
    """No request of such a batch writes."""
    journal = Dead(Doubt(2, "find", (1,)))
    rows = Rows.of_frame(plan({}, {}))
    bench.recover(rows, journal)
    assert bench.sleeps.slept == []


def test_recovery_holds_what_cannot_be_looked_up(creating, plan):
    """Appended rows without a match are held, unless the sync says otherwise."""
    creating.wants(mode="append", match=())
    journal = Dead(Doubt(1, "create", (0,)))
    rows = Rows.of_frame(plan({}, action="create"))
    assert creating.recover(rows, journal).unknown == 1
    creating.wants(on_unknown="resend")
    journal = Dead(Doubt(1, "create", (0,)))
    assert creating.recover(rows, journal).left == (0,)


def test_recovery_leaves_doubts_when_the_destination_is_down(creating, plan):
    """What could not be asked stays in doubt for the run after."""
    creating.store.fail(AccessDenied("no"), "find", times=None)
    journal = Dead(Doubt(1, "create", (0,)))
    rows = Rows.of_frame(plan({}, action="create"))
    recovery = creating.recover(rows, journal)
    assert isinstance(recovery.error, AccessDenied)
    assert journal.settled == {}
    assert Operation.CREATE not in creating.capabilities.idempotent
