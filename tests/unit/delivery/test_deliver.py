"""A delivery from plan frame to outcomes, against the in-memory destination."""

import threading
from dataclasses import replace
from importlib import import_module

import polars as pl
import pytest

from tailrace.destination import Operation, acknowledged, rejected
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    DestinationError,
    LeaseLost,
    ObjectNotFound,
    Retriable,
    RetriesSpent,
    WriteForbidden,
)
from tailrace.snapshot.kept import ANEW


def statuses(report):
    """Status by row number."""
    return dict(report.outcomes.select("seq", "status").iter_rows())


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_row_arrives_and_is_journaled(bench, plan, concurrency):
    """Each batch is intended before and settled after, and the report agrees with the journal."""
    bench.wants(concurrency=concurrency)
    report = bench.run(plan(*[{}] * 95))
    assert len(bench.records()) == 95
    assert (report.acknowledged, report.calls, report.stopped, report.interrupted) == (95, 10, None, False)
    assert report.outcomes["seq"].to_list() == list(range(95))
    assert sorted(bench.journal.outcomes) == list(range(95))
    assert report.outcomes["record_id"].null_count() == 0


def watched(bench, note):
    """The adapter; `note` is called with each batch before it is sent."""
    destination = bench.destination()
    push = destination.push

    def pushed(batch):
        note(batch)
        return push(batch)

    destination.push = pushed
    return destination


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_intent_precedes_the_request(bench, plan, concurrency):
    """Nothing is sent that the journal does not know of."""
    bench.wants(concurrency=concurrency)
    numbers = []

    def note(batch):
        seqs = tuple(int(row.marker) for row in batch.rows)
        (number,) = (number for number, (_, known) in bench.journal.intents.items() if known == seqs)
        numbers.append(number)

    bench.run(plan(*[{}] * 25), watched(bench, note))
    assert sorted(numbers) == [1, 2, 3]


def test_what_may_make_second_records_is_intended_one_by_one(bench, plan):
    """After a crash no more is in doubt than what was in flight."""
    bench.wants(mode="append", match=())
    known = []
    bench.run(plan(*[{}] * 25, action="create"), watched(bench, lambda _: known.append(len(bench.journal.intents))))
    assert known == [1, 2, 3]
    assert bench.journal.begun == []


@pytest.fixture
def ahead(monkeypatch):
    """Makes every destination a fast one, or a slow one."""
    return lambda seconds: monkeypatch.setattr(import_module("tailrace.delivery.deliver"), "_AHEAD_S", seconds)


def together(bench):
    """Collects how many batches are intended at once."""
    found = []
    intend_all = bench.journal.intend_all
    bench.journal.intend_all = lambda intents: (found.append(len(intents)), intend_all(intents))
    return found


def test_what_may_be_sent_twice_is_intended_together_if_that_pays(bench, plan, ahead):
    """After a first look at how fast it is: one transaction for the batches that are taken out of the plan at once."""
    ahead(3_600.0)
    found = together(bench)
    bench.wants(batch_size=100)
    bench.run(plan(*[{}] * 10_500))
    assert found == [99, 5]
    assert bench.journal.begun == [*range(2, 106)]


@pytest.mark.parametrize(("concurrency", "size"), [(1, 10), (4, 40)])
def test_as_many_are_intended_together_as_are_sent_in_that_time(bench, plan, ahead, monkeypatch, concurrency, size):
    """By all threads, not by one."""
    ahead(10.0)
    monkeypatch.setattr(import_module("tailrace.delivery.deliver"), "_LEAST_S", 1.0)  # that long each takes, as it were
    found = together(bench)
    bench.wants(concurrency=concurrency)
    bench.run(plan(*[{}] * 1000))
    assert set(found[:-1]) == {size}


def test_what_comes_later_finds_durable_what_came_before(bench, plan):
    """A freed match value is taken, and a row sent again, once it is on record that it may be."""
    bench.run(plan(*[{}] * 30))
    assert set(bench.journal.flushed) == {0, 3}


def test_of_wide_rows_fewer_are_held_at_once(bench, plan, ahead, monkeypatch):
    """Values are what takes the memory."""
    ahead(3_600.0)
    found = together(bench)
    bench.wants(batch_size=10)
    monkeypatch.setattr(import_module("tailrace.delivery.deliver"), "_CHUNK_VALUES", 50 * len(bench.job.fields))
    bench.run(plan(*[{}] * 120))
    assert found == [4, 5, 2]


@pytest.mark.parametrize(
    ("tells", "on_unknown", "sizes"),
    [(True, "hold", [99, 5]), (True, "resend", [99, 5]), (True, "skip", []), (False, "hold", [])],
)
def test_creates_are_intended_together_where_it_is_known_what_was_sent(bench, plan, ahead, tells, on_unknown, sizes):
    """Not where rows in doubt are skipped: after a power cut those may be in doubt that were not sent."""
    ahead(3_600.0)
    found = together(bench)
    bench.journal.tells_sent = tells
    bench.wants(batch_size=100, mode="insert", on_unknown=on_unknown)
    bench.run(plan(*[{}] * 10_500, action="create"))
    assert found == sizes
    assert bench.journal.begun == ([*range(2, 106)] if sizes else [])
    assert len(bench.records()) == 10_500


def test_what_is_not_sent_is_said_of_all_that_was_intended(bench, plan, ahead):
    """A run that is broken off says so of each batch that it had announced and not begun."""
    ahead(3_600.0)
    bench.wants(batch_size=10)
    begin = bench.journal.begin

    def interrupted(number):
        begin(number)
        raise KeyboardInterrupt

    bench.journal.begin = interrupted
    with pytest.raises(KeyboardInterrupt):
        bench.run(plan(*[{}] * 50))
    assert bench.journal.settled.keys() == {1, 3, 4, 5}
    assert [bench.journal.settled[number] for number in (3, 4, 5)] == [[], [], []]


def test_what_is_on_record_as_not_sent_is_not_sent(bench, plan, ahead, monkeypatch):
    """A thread that comes late finds its batch settled by a delivery that has ended meanwhile, and leaves it."""
    ahead(3_600.0)
    bench.wants(batch_size=10, concurrency=2)
    delivery = import_module("tailrace.delivery.deliver")._Delivery
    halted, begun, late, ended = delivery._halted, threading.Event(), [], threading.Event()

    def asked(self):
        """Whether to go on; the thread that has the first announced batch hears it, and comes back when all is over."""
        found = halted.fget(self)
        thread = threading.current_thread()
        if thread.name.startswith("deliver-") and self._ahead and not late:
            late.append(thread)
            begun.set()
            assert ended.wait(60)
        return found

    def interrupted(_progress):
        if begun.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(delivery, "_halted", property(asked))
    with pytest.raises(KeyboardInterrupt):
        bench.run(plan(*[{}] * 500), progress=interrupted)
    sent = len(bench.pushes())
    ended.set()
    late[0].join(60)
    assert not late[0].is_alive()
    assert len(bench.pushes()) == sent
    unsent = {number for number, outcomes in bench.journal.settled.items() if not outcomes}
    assert unsent
    assert not unsent & set(bench.journal.begun)


def test_a_slow_destination_has_nothing_in_doubt_but_what_is_in_flight(bench, plan, ahead):
    """Each batch is intended alone, just before it is sent."""
    ahead(0.0)
    found = together(bench)
    known = []
    bench.run(plan(*[{}] * 35), watched(bench, lambda _: known.append(len(bench.journal.intents))))
    assert (found, known) == ([], [1, 2, 3, 4])


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_was_intended_and_not_sent_is_not_in_doubt(bench, plan, ahead, concurrency):
    """A run that is asked to stop says of each batch it did not send that nothing of it was sent."""
    ahead(3_600.0)
    bench.wants(concurrency=concurrency)
    stop, sent = threading.Event(), []

    def note(batch):
        sent.append(batch)
        if len(sent) > 4:
            stop.set()

    bench.run(plan(*[{}] * 950), watched(bench, note), stop=stop)
    assert set(bench.journal.intents) == set(bench.journal.settled)
    assert len(bench.journal.intents) > len(sent)
    assert sum(bool(outcomes) for outcomes in bench.journal.settled.values()) == len(sent)


def test_a_run_that_breaks_off_says_what_it_did_not_send(bench, plan, ahead):
    """Only what was in flight is in doubt, also if more was intended."""
    ahead(3_600.0)

    def note(batch):
        if int(batch.rows[0].marker) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(plan(*[{}] * 95), watched(bench, note))
    assert set(bench.journal.intents) - set(bench.journal.settled) == {3}
    assert [number for number, outcomes in bench.journal.settled.items() if outcomes] == [1, 2]


def test_an_empty_plan_sends_nothing(bench, plan):
    """No rows, no requests, no journal."""
    report = bench.run(plan())
    assert (report.outcomes.height, bench.pushes(), bench.journal.intents) == (0, [], {})


def test_writes_come_before_removals_and_deletes_last(bench, plan):
    """What leaves is taken away only after everything else has arrived."""
    for number in (1, 2, 3):
        bench.store.put("thing", {"ext": f"e{number}"})
    bench.run(plan({"id": 1, "action": "delete"}, {"id": 2, "action": "archive"}, {"id": 3, "action": "update"}, {}))
    assert [operation for operation, _ in bench.pushes()] == ["upsert", "update", "archive", "delete"]


def test_a_moved_match_value_leaves_before_another_row_takes_it(bench, plan):
    """Row 0 takes the value that row 1 gives up: they stay two records."""
    bench.wants(mode="mirror")
    bench.store.put("thing", {"ext": "a", "name": "old"})
    bench.run(
        plan(
            {"id": 0, "ext": "a", "name": "new"},
            {"id": 1, "ext": "b", "was": "a", "name": "moved", "action": "update"},
        )
    )
    assert bench.records() == {"a": ("new", 0), "b": ("moved", 1)}


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("folded", [False, True])
def test_a_row_waits_for_the_match_value_of_a_record_that_did_not_move(bench, plan, folded, concurrency):
    """Row 0 takes the value that row 1 fails to give up: it is not sent, gets no outcome, and the others go on."""
    bench.wants(mode="mirror", concurrency=concurrency)
    bench.can(case_insensitive_match=frozenset({"ext"}) if folded else frozenset())
    bench.store.put("thing", {"ext": "a", "name": "old"})
    bench.store.refuse(lambda row: row.marker == "1", "NO", "no")
    report = bench.run(
        plan(
            {"id": 0, "ext": " A" if folded else "a", "name": "new"},
            {"id": 1, "ext": "b", "was": "a", "name": "moved", "action": "update"},
            {"id": 2, "ext": "c", "name": "other"},
        )
    )
    assert bench.records() == {"a": ("old", None), "c": ("other", 2)}
    assert statuses(report) == {1: "rejected", 2: "acknowledged"}


def test_a_record_made_anew_waits_too(bench, plan):
    """An update whose record is gone becomes an upsert, which must not hit a record that did not move either."""
    bench.wants(mode="mirror")
    bench.store.put("thing", {"ext": "a", "name": "old"})
    bench.store.refuse(lambda row: row.marker == "1", "NO", "no")
    report = bench.run(
        plan(
            {"id": 0, "ext": "a", "was": "gone", "name": "anew", "action": "update"},
            {"id": 1, "ext": "b", "was": "a", "name": "moved", "action": "update"},
        )
    )
    assert bench.records() == {"a": ("old", None)}
    assert statuses(report) == {1: "rejected"}


@pytest.mark.parametrize("record_id", [None, "m1"])
def test_a_record_with_a_new_owner_is_not_deleted(bench, plan, record_id):
    """A key was renamed: the new row takes the old one's record over, and deleting it would lose both."""
    bench.wants(mode="mirror")
    bench.store.put("thing", {"ext": "a"})
    report = bench.run(
        plan({"id": 2, "ext": "a", "name": "kept"}, {"id": 1, "ext": "a", "action": "delete", "record_id": record_id})
    )
    assert bench.records() == {"a": ("kept", 0)}
    assert statuses(report) == {0: "acknowledged", 1: "acknowledged"}


def test_a_poison_row_costs_one_row(bench, plan):
    """A batch that is refused whole is halved down to the culprit."""
    bench.wants(batch_size=100)
    bench.store.refuse(lambda row: row.marker == "57", "POISON", "bad row", whole_batch=True)
    report = bench.run(plan(*[{}] * 100))
    assert (report.acknowledged, report.rejected) == (99, 1)
    (group,) = report.errors
    assert (group.code, group.rows, group.key, group.message) == ("POISON", 1, {"id": 57}, "bad row")
    assert len(bench.pushes()) <= 15


def test_errors_are_grouped_by_code(bench, plan):
    """The largest group comes first, with its first row as the example."""
    bench.store.refuse(lambda row: int(row.marker) % 2 == 1, "ODD", "odd")
    bench.store.refuse(lambda row: row.marker == "4", "FOUR", "four")
    report = bench.run(plan(*[{}] * 10))
    assert [(group.code, group.rows, group.key) for group in report.errors] == [
        ("ODD", 5, {"id": 1}),
        ("FOUR", 1, {"id": 4}),
    ]


def test_rows_refused_for_now_are_sent_again_in_smaller_batches(bench, plan):
    """A locked record is tried again later, and the others do not wait for it."""
    refusals = iter([True] * 2)
    bench.store.refuse(lambda row: row.marker == "3" and next(refusals, False), "LOCKED", "busy", recovery="retry")
    report = bench.run(plan(*[{}] * 8))
    assert report.acknowledged == 8
    assert bench.pushes() == [("upsert", 8), ("upsert", 1), ("upsert", 1)]
    assert bench.sleeps.slept == [1.0, 5.0]


def test_rows_refused_for_now_are_rejected_in_the_end(bench, plan):
    """A row that stays locked is reported with the vendor's code."""
    bench.store.refuse(lambda row: row.marker == "3", "LOCKED", "busy", recovery="retry")
    report = bench.run(plan(*[{}] * 8))
    assert statuses(report)[3] == "rejected"
    assert report.errors[0].code == "LOCKED"
    assert bench.pushes() == [("upsert", 8)] + [("upsert", 1)] * 4


def test_an_update_of_a_vanished_record_makes_it_anew(bench, plan):
    """Someone deleted the record: it comes back whole, not only with the changed field."""
    report = bench.run(plan({"id": 1, "name": "n", "size": 9, "changed": ("name",)}, action="update"))
    assert bench.records() == {"e1": ("n", 9)}
    assert statuses(report) == {0: "acknowledged"}
    assert report.outcomes["code"].to_list() == [ANEW]
    assert [outcome.code for outcome in bench.journal.outcomes.values()] == [ANEW]


def test_update_mode_skips_what_does_not_exist(bench, plan):
    """Update never creates."""
    bench.wants(mode="update")
    bench.store.put("thing", {"ext": "e1"})
    report = bench.run(plan({"id": 1}, {"id": 2}, action="update"))
    assert report.outcomes["code"].to_list() == [None, "not_found"]
    assert (report.acknowledged, report.skipped, len(bench.records())) == (1, 1, 1)


@pytest.mark.parametrize("action", ["delete", "archive", "clear"])
@pytest.mark.parametrize("addresses", ["match", "record_id"])
def test_removing_what_is_gone_succeeds(bench, plan, action, addresses):
    """What was wanted gone is gone, whoever removed it."""
    bench.wants(mode="mirror")
    bench.can(addresses=addresses)
    assert bench.run(plan({"id": 1}, action=action)).acknowledged == 1


def test_insert_mode_leaves_existing_records_alone(bench, plan):
    """A record that exists is skipped, with its id for the crosswalk; nothing of it is written."""
    bench.wants(mode="insert")
    known = bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    report = bench.run(plan({"id": 1}, {"id": 2}, action="create"))
    assert bench.records()["e1"] == ("theirs", None)
    assert report.outcomes.select("status", "code", "record_id").rows()[0] == ("skipped", "exists", known)
    assert (report.acknowledged, report.skipped) == (1, 1)


def test_insert_mode_accepts_the_vendors_word_that_a_record_exists(bench, plan):
    """Without look-ups the vendor's refusal says the same."""
    bench.wants(mode="insert")
    bench.can(find=False)
    bench.store.put("thing", {"ext": "e1"})
    report = bench.run(plan({"id": 1}, action="create"))
    assert report.outcomes["code"].to_list() == ["exists"]


def test_record_ids_are_found_first_where_the_adapter_needs_them(bench, plan):
    """Rows without an id get theirs by match; those that do not exist are made or skipped."""
    bench.can(addresses="record_id")
    known = bench.store.put("thing", {"ext": "e1"})
    seen = []
    destination = bench.destination()
    push = destination.push
    destination.push = lambda batch: (seen.extend((batch.operation, row.record_id) for row in batch.rows), push(batch))[
        1
    ]
    report = bench.run(plan({"id": 1}, {"id": 2}, {"id": 3, "record_id": "m9"}, action="update"), destination)
    assert seen[:2] == [(Operation.UPDATE, known), (Operation.UPDATE, "m9")]
    assert [operation for operation, _ in seen[2:]] == [Operation.UPSERT] * 2
    assert report.acknowledged == 3


def test_an_ambiguous_match_is_refused(bench, plan):
    """With two candidates no record is touched."""
    bench.can(addresses="record_id")
    destination = bench.destination()
    record = bench.store.put("thing", {"ext": "e1"})
    find = destination.find

    def twice(*args):
        for found in find(*args):
            yield from (found, replace(found, id="other"))

    destination.find = twice
    report = bench.run(plan({"id": 1}, action="delete"), destination)
    assert report.errors[0].code == "AMBIGUOUS_MATCH"
    assert record in bench.store.records("thing")


def test_rows_that_cannot_be_addressed_are_refused(bench, plan):
    """No id, and no way to find one: the row says so instead of passing for deleted."""
    bench.wants(mode="mirror")
    bench.can(addresses="record_id", find=False)
    report = bench.run(plan({"id": 1}, action="delete"))
    assert report.errors[0].code == "RECORD_ID_UNKNOWN"


def test_fields_that_are_not_empty_are_left_alone(bench, plan):
    """`write: empty` fills gaps and never overwrites; a row with nothing left to write is settled."""
    bench.wants(fill_empty=frozenset({"name"}))
    bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    bench.store.put("thing", {"ext": "e2", "name": None})
    report = bench.run(
        plan(
            {"id": 1, "name": "ours", "size": 1},
            {"id": 2, "name": "ours", "size": 2},
            {"id": 3, "name": "ours", "size": 3},
            {"id": 1, "name": "x", "changed": ("name",), "action": "update"},
        )
    )
    assert bench.records() == {"e1": ("theirs", 1), "e2": ("ours", 2), "e3": ("ours", 3)}
    assert report.acknowledged == 4


def test_what_is_left_alone_is_told_and_journaled(bench, plan):
    """The outcome names the fields a record kept, so that nobody takes them for written."""
    bench.wants(fill_empty=frozenset({"name"}))
    bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    rows = [{"id": 1, "size": 1}, {"id": 2}, {"id": 1, "changed": ("name",), "action": "update"}]
    report = bench.run(plan(*rows))
    told = '{"name": "has a value"}'
    assert report.outcomes["code"].to_list() == ["fields_kept", None, "fields_kept"]
    assert report.outcomes["message"].to_list() == [told, None, told]
    assert [bench.journal.outcomes[seq].message for seq in range(3)] == [told, None, told]


def test_fields_for_new_records_are_not_written_to_existing_ones(bench, plan):
    """`write: create`: the record that exists is found first, and keeps the field; a new one gets it."""
    theirs = bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    initial = pl.lit(value=True).alias("w:name")
    report = bench.run(plan({"id": 1, "size": 1}, {"id": 2, "name": "ours", "size": 2}).with_columns(initial))
    assert bench.records() == {"e1": ("theirs", 1), "e2": ("ours", 2)}
    assert report.outcomes.select("record_id", "message").rows()[0] == (
        theirs,
        '{"name": "goes with new records only"}',
    )
    assert [request.step for request in bench.store.requests] == ["find", "push"]


def test_a_row_with_nothing_left_to_write_is_settled_unsent(bench, plan):
    """All of its fields go with new records only, and its record exists."""
    theirs = bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    initial = [pl.lit(value=True).alias(f"w:{name}") for name in ("name", "size")]
    report = bench.run(plan({"id": 1}).with_columns(initial))
    assert report.outcomes.select("status", "record_id", "code").rows() == [("acknowledged", theirs, "fields_kept")]
    assert bench.pushes() == []


def test_a_refused_row_does_not_tell_what_it_left_alone(bench, plan):
    """Nothing was written: the vendor's own code and words stay."""
    bench.wants(fill_empty=frozenset({"name"}))
    bench.store.put("thing", {"ext": "e1", "name": "theirs"})
    bench.store.refuse(lambda row: True, "NO", "no")
    report = bench.run(plan({"id": 1}))
    assert report.outcomes.select("status", "code", "message").rows() == [("rejected", "NO", "no")]


def test_a_busy_destination_costs_time_only(bench, plan):
    """Refusals for now are waited out."""
    bench.store.fail(Retriable("busy", retry_after=2.0), times=3)
    limiter_pauses = []
    bench.limiter.pause = limiter_pauses.append
    report = bench.run(plan(*[{}] * 15))
    assert (report.acknowledged, report.retries, limiter_pauses) == (15, 3, [2.0] * 3)


@pytest.mark.parametrize("error", [AccessDenied("no"), ObjectNotFound("none"), Retriable("down")])
def test_a_destination_that_cannot_go_on_stops_the_run(bench, plan, error):
    """What was not sent has no outcome, and stays for the next run."""
    destination = bench.destination()
    pushed = []
    push = destination.push

    def second_fails(batch):
        pushed.append(batch)
        if len(pushed) > 1:
            raise error
        return push(batch)

    destination.push = second_fails
    report = bench.run(plan(*[{}] * 35), destination)
    assert type(report.stopped) is type(error)
    assert (report.acknowledged, report.outcomes.height) == (10, 10)


def test_a_run_that_may_repeat_no_more_keeps_what_it_has_sent(bench, plan, monkeypatch):
    """A vendor that refuses every second request ends the run in time; the rest stays for the next one."""
    monkeypatch.setattr("tailrace.delivery.allowance.SHARE", 0.0)
    bench.wants(batch_size=1)
    destination = bench.destination()
    push, pushed = destination.push, []

    def refused_at_first(batch):
        pushed.append(batch.id)
        if pushed.count(batch.id) == 1:
            raise Retriable("busy")
        return push(batch)

    destination.push = refused_at_first
    report = bench.run(plan(*[{}] * 150), destination)
    assert isinstance(report.stopped, RetriesSpent)
    assert (report.retries, report.acknowledged, report.outcomes.height) == (100, 100, 100)


def test_outcomes_given_before_an_error_count(bench, plan):
    """An adapter that fails half way through a batch has still said what became of the first half."""
    destination = bench.destination()

    def half(batch):
        for row in batch.rows[:4]:
            yield acknowledged(row.marker, "id")
        raise AccessDenied("token withdrawn")

    destination.push = half
    report = bench.run(plan(*[{}] * 10), destination)
    assert sorted(statuses(report)) == [0, 1, 2, 3]


def test_a_fault_of_the_adapter_keeps_what_was_done(bench, plan):
    """A bug becomes a clear error; its batch is unknown, earlier ones stay acknowledged."""
    destination = bench.destination()
    push = destination.push

    def buggy(batch):
        if batch.rows[0].marker == "10":
            raise KeyError("oops")
        return push(batch)

    destination.push = buggy
    report = bench.run(plan(*[{}] * 30), destination)
    assert "the adapter failed: KeyError" in str(report.stopped)
    assert (report.acknowledged, report.unknown) == (10, 10)
    assert isinstance(report.stopped.__cause__, KeyError)


def test_an_unclassified_error_is_not_taken_for_unsent(bench, plan):
    """Nobody knows whether it was written: unknown, and stop."""
    bench.store.fail(DestinationError("odd", code="ODD"), after_commit=True)
    report = bench.run(plan({}))
    assert (report.unknown, report.errors[0].code) == (1, "ODD")


def test_silence_about_a_row_is_never_success(bench, plan):
    """Rows without an outcome, or with two, are asked for again; invented ones are ignored."""
    destination = bench.destination()
    push = destination.push

    def sloppy(batch):
        outcomes = list(push(batch))
        if len(outcomes) == 5:
            outcomes = [*outcomes[2:], rejected(outcomes[2].marker, "X", "x"), acknowledged("999", "ghost")]
        return outcomes

    destination.push = sloppy
    report = bench.run(plan(*[{}] * 5), destination)
    assert statuses(report) == dict.fromkeys(range(5), "acknowledged")
    assert bench.pushes() == [("upsert", 5), ("upsert", 3)]


def test_a_mute_adapter_makes_rows_unknown(bench, plan):
    """What it never speaks of is reported as unknown."""
    destination = bench.destination()
    destination.push = lambda batch: []
    report = bench.run(plan(*[{}] * 3), destination)
    assert (report.unknown, report.errors[0].code) == (3, "NO_OUTCOME")


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_stop_ends_after_the_batch_in_flight(bench, plan, concurrency):
    """Ctrl-C: what is under way is finished and saved, the rest stays."""
    bench.wants(concurrency=concurrency)
    stop = threading.Event()
    report = bench.run(plan(*[{}] * 100), stop=stop, progress=lambda _: stop.set())
    assert report.interrupted
    assert report.stopped is None
    assert 10 <= report.acknowledged <= 10 * (concurrency + 1)
    assert len(bench.records()) == report.acknowledged == len(bench.journal.outcomes)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_lost_lease_ends_at_once(bench, plan, concurrency):
    """Another run holds the sync: not one more batch is sent."""
    bench.wants(concurrency=concurrency)
    settle = bench.journal.settle

    def fenced(number, outcomes):
        if number >= 2:
            raise LeaseLost("taken over")
        settle(number, outcomes)

    bench.journal.settle = fenced
    with pytest.raises(LeaseLost):
        bench.run(plan(*[{}] * 200))
    assert len(bench.pushes()) <= 1 + 2 * concurrency


def test_a_dry_run_cannot_write(bench, plan):
    """The refusal is not mistaken for a fault of the destination."""
    destination = bench.destination()
    destination._calls = type("ReadOnly", (), {"spend": _forbid})()
    with pytest.raises(WriteForbidden):
        bench.run(plan({}), destination)
    assert bench.pushes() == []


def _forbid(self, **_):
    raise WriteForbidden("no")


def test_progress_counts_up_to_the_total(bench, plan):
    """Each batch reports how many rows are done."""
    seen = []
    bench.run(plan(*[{}] * 25), progress=lambda progress: seen.append((progress.done, progress.total)))
    assert seen == [(10, 25), (20, 25), (25, 25)]


def test_failing_look_ups_stop_before_any_write(bench, plan):
    """When ids cannot be found, nothing is guessed."""
    bench.can(addresses="record_id")
    bench.store.fail(AccessDenied("no read"), "find", times=None)
    report = bench.run(plan({"id": 1}, action="delete"))
    assert isinstance(report.stopped, AccessDenied)
    assert bench.pushes() == []


def test_a_lost_answer_of_an_upsert_is_repeated(bench, plan):
    """The same batch goes out again, under the same id, and makes no second record."""
    bench.store.fail(AnswerLost("timeout"), after_commit=True)
    report = bench.run(plan(*[{}] * 5))
    assert (report.acknowledged, len(bench.records())) == (5, 5)
    ids = [request.batch_id for request in bench.store.requests if request.step == "push"]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize("way", ["the row", "its batch", "for now", "every request", "the run"])
def test_a_refusal_after_a_lost_answer_does_not_tell_that_nothing_was_written(bench, plan, way):
    """The first try arrived and its answer did not; whatever is refused afterwards, the outcome is unknown."""
    bench.store.fail(AnswerLost("timeout"), after_commit=True)
    if way in {"the row", "its batch", "for now"}:
        recovery = "retry" if way == "for now" else None
        bench.store.refuse(_second_time(bench.store), "NO", "no", recovery=recovery, whole_batch=way == "its batch")
    elif way == "every request":
        bench.store.fail(Retriable("busy", retry_after=1), times=None)
    else:
        bench.store.fail(AccessDenied("no more"), times=None)
    report = bench.run(plan({}, {}))
    assert len(bench.records()) == 2
    assert statuses(report) == dict.fromkeys(range(2), "unknown")
    assert {int(o.marker): o.status for o in bench.journal.settled[1]} == dict.fromkeys(range(2), "unknown")


def _second_time(store):
    """True of rows that the store has already."""
    return lambda row: any(record["ext"] == row.match[0] for record in store.records("thing").values())


def test_the_half_that_was_not_sent_again_after_a_lost_answer_is_unknown_too(bench, plan):
    """A batch whose answer was lost, and that is refused whole afterwards, may have arrived in both its halves."""
    bench.store.fail(AnswerLost("timeout"), after_commit=True)
    bench.store.fail(BatchRejected("no", code="ALL"))
    bench.store.fail(AccessDenied("no more"), times=None)
    assert statuses(bench.run(plan({}, {}))) == dict.fromkeys(range(2), "unknown")


def test_a_destination_that_never_answers_stops_the_run(bench, plan):
    """Rows of the last batch are unknown; the others are not even tried."""
    bench.store.fail(AnswerLost("timeout"), times=None)
    report = bench.run(plan(*[{}] * 30))
    assert (report.unknown, report.outcomes.height) == (10, 10)
    assert isinstance(report.stopped, AnswerLost)


def test_whole_batches_can_be_refused(bench, plan):
    """Each row gets the batch's code when every half is refused."""
    bench.store.fail(BatchRejected("no", code="ALL"), times=None)
    report = bench.run(plan(*[{}] * 4))
    assert (report.rejected, report.errors[0].rows, report.errors[0].code) == (4, 4, "ALL")


def test_a_record_left_deleted_frees_its_match_value(bench, plan):
    """The row whose record is gone is skipped, and the new row that has its old match value goes all the same."""
    bench.wants(recreate=False)
    bench.can(addresses="record_id")
    moves = {"id": 1, "action": "update", "was": "a", "ext": "b", "record_id": "gone", "name": "Ann"}
    report = bench.run(plan(moves, {"id": 2, "ext": "a", "name": "Eve"}))
    assert [(o.status, o.code) for o in (bench.journal.outcomes[0], bench.journal.outcomes[1])] == [
        ("skipped", "deleted"),
        ("acknowledged", None),
    ]
    assert (report.skipped, report.acknowledged) == (1, 1)
    assert bench.records()["a"][0] == "Eve"


def test_a_row_that_was_written_in_part_is_unknown_with_the_code_of_what_was_refused(bench, plan):
    """It is not asked for again in this run; a rejection would tell that nothing was written."""
    destination = bench.destination()
    push = destination.push

    def halfway(batch):
        return [replace(outcome, status="rejected", code="HALF", message="no", partly=True) for outcome in push(batch)]

    destination.push = halfway
    report = bench.run(plan({}), destination)
    assert statuses(report) == {0: "unknown"}
    assert report.errors[0].code == "HALF"
    assert bench.pushes() == [("upsert", 1)]


@pytest.mark.parametrize("error", [Retriable("busy", retry_after=1), AccessDenied("no more")])
def test_an_error_after_a_part_was_written_leaves_rows_unknown(bench, plan, error):
    """Where it stays, nobody may take the batch for unsent."""
    error.partly = True
    bench.store.fail(error, times=None)
    assert statuses(bench.run(plan({}, {}))) == dict.fromkeys(range(2), "unknown")
