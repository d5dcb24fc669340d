"""Rows that go out in jobs: journaled before, followed to their end, each accounted for."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.bulk import JobState
from tailrace.delivery.jobs import UNACCOUNTED, accounted
from tailrace.delivery.rows import make_rows
from tailrace.delivery.table import make_order, make_table
from tailrace.destination import Context, Operation
from tailrace.errors import AnswerLost, BatchRejected, JobLeft, QuotaExhausted, Retriable, SessionExpired, StopRun
from tailrace.rowset import Rows
from tailrace.state.records import Doubt
from tailrace.testing.jobs import BULK, JobStore, MemoryBulkDestination


@pytest.fixture
def bench(bench):
    """A bench whose destination takes jobs of at least ten rows."""
    bench.store = JobStore()
    bench.bulk = BULK
    bench.destination = lambda: MemoryBulkDestination(
        bench.store, Context("memory", bench.limiter, "."), bench.capabilities, bench.bulk
    )
    return bench


def steps(bench, *wanted):
    """The requests of these kinds."""
    return [request.step for request in bench.store.requests if request.step in wanted]


def test_many_rows_go_out_in_a_job(bench, plan):
    """Twelve rows take one job, and each gets its own outcome and record id."""
    report = bench.run(plan(*[{}] * 12))
    assert report.acknowledged == 12
    assert len(bench.records()) == 12
    assert [request.rows for request in bench.store.requests if request.step == "push"] == [12]
    ids = dict(report.outcomes.select("seq", "record_id").iter_rows())
    held = {record["ext"]: key for key, record in bench.store.records("thing").items()}
    assert ids == {seq: held[f"e{seq}"] for seq in range(12)}


def test_the_receipt_is_durable_before_data_goes_up(bench, plan):
    """At the moment the file arrives, the journal knows which rows are in it and what to ask for."""
    seen = []
    take = bench.store.take

    def looking(receipt, rows):
        seen.append((dict(bench.journal.intents), {k: list(v) for k, v in bench.journal.receipts.items()}))
        take(receipt, rows)

    bench.store.take = looking
    bench.run(plan(*[{}] * 12))
    assert seen == [({1: ("upsert", tuple(range(12)))}, {1: ["job-1"]})]


def test_few_rows_go_out_in_batches(bench, plan):
    """Below the number from which jobs pay there are none."""
    assert bench.run(plan(*[{}] * 9)).acknowledged == 9
    assert not bench.store.jobs


def test_a_job_takes_so_many_rows_at_most(bench, plan):
    """Rows beyond that go into the next job."""
    bench.bulk = replace(BULK, rows=20)
    assert bench.run(plan(*[{}] * 45)).acknowledged == 45
    assert [len(job.rows) for job in bench.store.jobs.values()] == [20, 20, 5]


def test_an_operation_without_jobs_goes_out_in_batches(bench, plan):
    """What the vendor has no jobs for is sent as ever."""
    bench.bulk = replace(BULK, operations=frozenset({Operation.DELETE}))
    assert bench.run(plan(*[{}] * 12)).acknowledged == 12
    assert not bench.store.jobs


def test_rows_that_must_be_looked_up_go_out_in_batches(bench, plan):
    """An update goes by record id where the destination goes by it: rows without one need a look-up first."""
    bench.can(addresses="record_id")
    for nth in range(24):
        bench.store.put("thing", {"ext": f"e{nth}"})
    rows = [{"record_id": f"m{nth + 1}" if nth < 14 else None} for nth in range(24)]
    report = bench.run(plan(*rows, action="update"))
    assert report.acknowledged == 24
    assert [len(job.rows) for job in bench.store.jobs.values()] == [14]
    assert bench.records()["e20"] == ("name 20", 20)


def test_what_depends_on_the_record_goes_out_in_batches(bench, plan):
    """A field that fills what is empty takes a look at the record."""
    bench.wants(fill_empty=frozenset({"size"}))
    assert bench.run(plan(*[{}] * 12)).acknowledged == 12
    assert not bench.store.jobs


def test_rows_that_a_file_cannot_carry_are_refused_or_go_another_way(bench, plan):
    """One row is refused by itself, one goes out in a batch, and nothing holds the others up."""
    rows = [{"name": {3: "refused", 5: "aside"}.get(nth, "x")} for nth in range(12)]
    report = bench.run(plan(*rows))
    assert (report.acknowledged, report.rejected) == (11, 1)
    assert [len(job.rows) for job in bench.store.jobs.values()] == [10]
    assert bench.journal.outcomes[3].code == "REFUSED"
    assert "e5" in bench.records()


def test_refused_rows_are_told_apart(bench, plan):
    """Of a job's rows some are refused, in whatever order the results come."""
    bench.store.refuse(lambda row: row.match[0] in {"e2", "e7"}, "BAD", "no")
    report = bench.run(plan(*[{}] * 12))
    assert (report.acknowledged, report.rejected) == (10, 2)
    assert {seq for seq, o in bench.journal.outcomes.items() if o.status == "rejected"} == {2, 7}


def test_rows_a_job_did_not_come_to_are_sent_again(bench, plan):
    """A job that fails half way leaves rows that were not worked off: they go out in batches, once each."""
    bench.store.spoiled = "took too long"
    report = bench.run(plan(*[{}] * 12))
    assert report.acknowledged == 12
    assert [len(job.rows) for job in bench.store.jobs.values()] == [12]
    assert sum(request.rows for request in bench.store.requests if request.step == "push") == 12


def test_updates_of_records_that_are_gone_become_upserts(bench, plan):
    """As in batches: the record is made anew, with all fields."""
    for nth in range(11):
        bench.store.put("thing", {"ext": f"e{nth}"})
    report = bench.run(plan(*[{"changed": ("name",)}] * 12, action="update"))
    assert report.acknowledged == 12
    assert bench.records()["e11"] == ("name 11", 11)


@pytest.mark.parametrize("step", ["open_job", "start_job", "job_state", "collect_job"])
@pytest.mark.parametrize("error", [Retriable("busy"), SessionExpired("expired"), AnswerLost("cut off")])
def test_requests_around_a_job_are_repeated(bench, plan, step, error):
    """None of these writes a row, or it may be said twice: a moment's trouble costs no row anything."""
    bench.store.fail(error, step, after_commit=isinstance(error, AnswerLost))
    assert bench.run(plan(*[{}] * 12)).acknowledged == 12
    assert sum(request.rows for request in bench.store.requests if request.step == "push") == 12


def test_a_lost_upload_goes_into_another_job(bench, plan):
    """Whether the file arrived is not known: that job is given up, and never started."""
    bench.store.fail(AnswerLost("cut off"), "upload_job", after_commit=True)
    assert bench.run(plan(*[{}] * 12)).acknowledged == 12
    assert [job.phase for job in bench.store.jobs.values()] == ["aborted", "ended"]
    assert bench.journal.receipts == {1: ["job-1", "job-2"]}


@pytest.mark.parametrize("step", ["open_job", "upload_job"])
def test_a_job_that_cannot_be_begun_leaves_its_rows(bench, plan, step):
    """Nothing was written, so the rows have no outcome and stay for the next run."""
    bench.store.fail(StopRun("forbidden"), step, times=None)
    report = bench.run(plan(*[{}] * 12))
    assert report.outcomes.is_empty()
    assert "forbidden" in str(report.stopped)
    assert bench.journal.settled == {1: []}
    assert not bench.records()


@pytest.mark.parametrize("step", ["start_job", "job_state", "collect_job"])
def test_a_job_that_cannot_be_followed_is_left_to_the_next_run(bench, plan, step):
    """It may go on at the vendor: no outcome is made up, and the journal keeps the receipt."""
    bench.store.fail(QuotaExhausted("nothing left today"), step, times=None)
    with pytest.raises(JobLeft, match=r"job job-1 is under way .* nothing left today") as caught:
        bench.run(plan(*[{}] * 12))
    assert isinstance(caught.value.__cause__, QuotaExhausted)
    assert bench.journal.receipts == {1: ["job-1"]}
    assert not bench.journal.settled


def test_a_job_the_vendor_forgot_is_of_unknown_outcome(bench, plan):
    """Nobody can tell what became of its rows."""
    state = bench.store.state
    bench.store.state = lambda receipt: JobState("gone") if state(receipt).processed else JobState("working")
    report = bench.run(plan(*[{}] * 12))
    assert report.unknown == 12
    assert {outcome.code for outcome in bench.journal.outcomes.values()} == {UNACCOUNTED}


def test_a_file_the_vendor_cannot_read_stops_the_run(bench, plan):
    """The vendor's word is told, and no row is lost."""
    bench.store.fail(BatchRejected("line 7 has too many fields", code="INVALID_FILE"), "upload_job", times=None)
    report = bench.run(plan(*[{}] * 12))
    assert "line 7" in str(report.stopped)
    assert report.outcomes.is_empty()


class Dead:
    """The journal of a run that broke off with one job."""

    def __init__(self, receipt, rows=12, operation="upsert"):
        self.left = [Doubt(1, operation, tuple(range(rows)), receipt)]
        self.settled = {}

    def doubts(self):
        """The job."""
        return self.left

    def settle_all(self, settled):
        """Remember what was made of it."""
        for number, outcomes in settled:
            self.settled[number] = {outcome.marker: outcome.status for outcome in outcomes}


def resume(bench, frame, journal):
    """Recover a dead run."""
    return bench.recover(Rows.of_frame(frame), journal)


def dies(bench, frame, step):
    """A run that sends these rows and dies at a request."""
    bench.store.fail(KeyboardInterrupt(), step)
    with pytest.raises(KeyboardInterrupt):
        bench.run(frame)


@pytest.mark.parametrize("step", ["job_state", "collect_job"])
def test_recovery_asks_what_became_of_a_job(bench, plan, step):
    """A job that was started is waited for, and its results are taken: nothing is sent again."""
    frame = plan(*[{"name": "x"}] * 12)
    bench.store.refuse(lambda row: row.match[0] == "e4", "BAD", "no")
    dies(bench, frame, step)
    journal = Dead("job-1")
    recovery = resume(bench, frame, journal)
    assert journal.settled == {1: {str(n): "rejected" if n == 4 else "acknowledged" for n in range(12)}}
    assert (recovery.found, recovery.again, recovery.left) == (11, 0, ())
    assert sum(request.rows for request in bench.store.requests if request.step == "push") == 12


@pytest.mark.parametrize("step", ["upload_job", "start_job"])
def test_recovery_gives_up_a_job_that_was_not_started(bench, plan, step):
    """Its rows were not carried out, and never will be: they are planned again."""
    frame = plan(*[{}] * 12)
    dies(bench, frame, step)
    journal = Dead("job-1")
    recovery = resume(bench, frame, journal)
    assert (recovery.left, recovery.again) == (tuple(range(12)), 0)
    assert bench.store.jobs["job-1"].phase == "aborted"
    assert not bench.records()


def test_recovery_that_comes_too_late_to_give_a_job_up_takes_its_results(bench, plan):
    """The dead run's request to start it landed a moment before: its rows are written, and not sent again."""
    frame = plan(*[{}] * 12)
    dies(bench, frame, "start_job")
    bench.store.abort = bench.store.start
    journal = Dead("job-1")
    recovery = resume(bench, frame, journal)
    assert (recovery.found, recovery.left) == (12, ())
    assert len(bench.records()) == 12


def test_recovery_knows_that_nothing_went_without_a_receipt(bench, plan):
    """The run died before the receipt was durable, and so before any data was sent."""
    frame = plan(*[{}] * 12)
    dies(bench, frame, "open_job")
    recovery = resume(bench, frame, Dead(""))
    assert recovery.left == tuple(range(12))


def test_recovery_of_a_job_nobody_knows_takes_it_for_in_flight(bench, plan):
    """An upsert may be repeated; what was created is looked up."""
    frame = plan(*[{}] * 12)
    recovery = resume(bench, frame, Dead("job-9"))
    assert (recovery.again, recovery.left) == (12, ())
    bench.wants(mode="insert")
    bench.store.put("thing", {"ext": "e3"})
    journal = Dead("job-9", operation="create")
    recovery = resume(bench, plan(*[{}] * 12, action="create"), journal)
    assert (journal.settled, recovery.found) == ({1: {"3": "acknowledged"}}, 1)
    assert len(recovery.left) == 11


def test_recovery_leaves_rows_that_were_refused_for_now(bench, plan):
    """A job that failed half way: what it did not come to is planned again."""
    frame = plan(*[{}] * 12)
    bench.store.spoiled = "took too long"
    dies(bench, frame, "collect_job")
    recovery = resume(bench, frame, Dead("job-1"))
    assert (recovery.found, recovery.left) == (6, tuple(range(6, 12)))


def test_recovery_says_unknown_of_rows_that_leave_no_mark_any_more(bench, plan):
    """The adapter would not write a row into a file today that it wrote then: nobody knows what became of it."""
    frame = plan(*[{}] * 12)
    dies(bench, frame, "collect_job")
    changed = frame.with_columns(
        pl.when(pl.col("seq") == 5).then(pl.lit("refused")).otherwise("n:name").alias("n:name")
    )
    journal = Dead("job-1")
    resume(bench, changed, journal)
    assert {marker: s for marker, s in journal.settled[1].items() if s != "acknowledged"} == {"5": "unknown"}


def results(*rows):
    """A frame of results: mark, status, record id."""
    whole = [(mark, status, record_id, None, None, None) for mark, status, record_id in rows]
    return pl.DataFrame(whole, schema=["mark", "status", "record_id", "code", "message", "recovery"], orient="row")


def marks(*named):
    """Rows in a file, numbered from 0."""
    return pl.DataFrame({"seq": list(range(len(named))), "mark": list(named)})


def test_rows_without_results_are_unknown():
    """They are never taken for written, nor for refused."""
    outcomes, error = accounted("j", marks("a", "b"), results(("a", "acknowledged", "1")), "took too long")
    assert {o.marker: o.status for o in outcomes} == {"0": "acknowledged", "1": "unknown"}
    assert str(error) == "job j carried 2 rows, and its results account for 1: took too long"


def test_results_that_contradict_each_other_tell_nothing():
    """One row, two results: which is true nobody knows."""
    said = results(("a", "acknowledged", "1"), ("a", "rejected", None), ("b", "acknowledged", "2"))
    outcomes, error = accounted("j", marks("a", "b"), said, None)
    assert {o.marker: o.status for o in outcomes} == {"0": "unknown", "1": "acknowledged"}
    assert "with 1 that are none of these" in str(error)


def test_rows_that_are_alike_share_results_that_are_alike():
    """Two rows with one mark may take each other's record, but not each other's refusal."""
    same = results(("a", "acknowledged", "1"), ("a", "acknowledged", "2"))
    outcomes, error = accounted("j", marks("a", "a"), same, None)
    assert (sorted(o.record_id for o in outcomes), error) == (["1", "2"], None)
    mixed = results(("a", "acknowledged", "1"), ("a", "rejected", None))
    outcomes, error = accounted("j", marks("a", "a"), mixed, None)
    assert {o.status for o in outcomes} == {"unknown"}
    assert error is not None


def test_results_of_rows_that_were_not_sent_are_no_good_sign():
    """They tell of no row of ours, and are told of."""
    outcomes, error = accounted("j", marks("a"), results(("a", "acknowledged", "1"), ("z", "acknowledged", "9")), None)
    assert [o.status for o in outcomes] == ["acknowledged"]
    assert "with 1 that are none of these" in str(error)


ROW = st.fixed_dictionaries(
    {
        "ext": st.sampled_from(["a", "b", None]),
        "was": st.sampled_from(["a", "c", None]),
        "name": st.sampled_from(["x", None]),
        "size": st.sampled_from([1, None]),
        "changed": st.sets(st.sampled_from(["name", "size"])),
        "record_id": st.sampled_from(["m1", None]),
    }
)


@given(
    rows=st.lists(ROW, min_size=1, max_size=6),
    action=st.sampled_from(["upsert", "create", "update", "clear", "delete", "archive", "retire"]),
    skipped=st.sets(st.sampled_from(["name", "size"])),
    fields=st.sampled_from([("name", "size"), ("name", "size", "ext")]),
)
def test_a_table_says_what_rows_say(make_bench, plan, rows, action, skipped, fields):
    """The same match values, the same fields, the same values, row by row."""
    bench = make_bench()
    types = {**bench.job.types, "f:ext": bench.job.types["m:ext"]}
    bench.wants(skip_nulls=frozenset(skipped), fields=fields, types=types)
    frame = plan(*rows, action=action)
    # A match field that is mapped as a field has the same value.
    new = pl.col("m:ext")
    frame = frame.with_columns(new.alias("n:ext"), pl.col("om:ext").ne_missing(new).alias("c:ext"))
    table = make_table(bench.job, frame, action)
    order = make_order(bench.job, table, action)
    for row, told in zip(make_rows(bench.job, frame, action), table.to_dicts(), strict=True):
        assert (told["seq"], told["record_id"]) == (int(row.marker), row.record_id)
        assert (told["m:ext"],) == row.match
        assert {name: told[f"v:{name}"] for name in order.fields if told[f"w:{name}"]} == row.values


def test_an_order_names_its_rows(bench, plan):
    """The same rows give the same id, and others another."""
    table = make_table(bench.job, plan({}, {}), "upsert")
    assert make_order(bench.job, table, "upsert").id == make_order(bench.job, table, "upsert").id
    assert make_order(bench.job, table, "upsert").id != make_order(bench.job, table.head(1), "upsert").id
    assert make_order(bench.job, table, "upsert").types == {
        "m:ext": bench.job.types["m:ext"],
        "v:name": bench.job.types["f:name"],
        "v:size": bench.job.types["f:size"],
    }


def test_rows_stay_lazy(bench, plan, tmp_path):
    """Rows on disk go out in jobs as those in memory do."""
    frame = plan(*[{}] * 25)
    frame.write_parquet(tmp_path / "rows.parquet")
    bench.bulk = replace(BULK, rows=10)
    from tailrace.delivery import deliver  # noqa: PLC0415

    report = deliver(
        bench.job,
        Rows.of_file(tmp_path / "rows.parquet", 25),
        bench.destination(),
        bench.journal,
        limiter=bench.limiter,
        sleep=bench.sleeps,
        owned=bench.owned,
        folder=tmp_path,
    )
    assert report.acknowledged == 25
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_what_no_batch_can_carry_goes_out_in_jobs_however_few_the_rows(bench, plan):
    """Deletions for good: by a record id, by one that is looked up; a row without a record has nothing to delete."""
    bench.can(operations=frozenset(Operation) - {Operation.HARD_DELETE}, addresses="record_id")
    bench.bulk = replace(BULK, operations=BULK.operations | {Operation.HARD_DELETE})
    for ext in ("e1", "e2"):
        bench.store.put("thing", {"ext": ext})
    first = next(key for key, record in bench.store.records("thing").items() if record["ext"] == "e1")
    gone = {"action": "hard_delete"}
    report = bench.run(plan({"id": 1, **gone, "record_id": first}, {"id": 2, **gone}, {"id": 3, **gone}))
    assert (report.acknowledged, bench.records()) == (3, {})
    assert {str(operation) for operation, _ in bench.pushes()} <= {"hard_delete"}
    assert [job.order.operation for job in bench.store.jobs.values()] == [Operation.HARD_DELETE]
    assert [len(job.rows) for job in bench.store.jobs.values()] == [2]
