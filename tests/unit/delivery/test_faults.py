"""Under random faults nothing is lost, nothing is doubled, and the figures add up."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import AnswerLost, BatchRejected, Retriable, SessionExpired

FAULTS = st.lists(
    st.tuples(
        st.sampled_from([AnswerLost("lost"), Retriable("busy"), BatchRejected("no"), SessionExpired("401")]),
        st.booleans(),
    ),
    max_size=12,
)
POISON = st.sets(st.integers(0, 29), max_size=4)


def arm(bench, faults):
    """Fail the next requests as told; only a lost answer can follow a commit."""
    for error, after in faults:
        bench.store.fail(error, after_commit=after and isinstance(error, AnswerLost))


def check(report, total):
    """Tallies, frame and journal tell one story."""
    tallies = report.acknowledged + report.rejected + report.unknown + report.skipped
    assert tallies == report.outcomes.height <= total
    assert report.outcomes["seq"].n_unique() == report.outcomes.height


@settings(max_examples=30, deadline=None)
@given(faults=FAULTS, poison=POISON, concurrency=st.sampled_from([1, 3]))
def test_repeated_deliveries_of_upserts_converge(make_bench, plan, faults, poison, concurrency):
    """Runs after faults send what is left; in the end each good row is one record with its values."""
    bench = make_bench()
    bench.wants(batch_size=7, concurrency=concurrency)
    bench.store.refuse(lambda row: row.key[0] in poison, "POISON", "bad", whole_batch=True)
    arm(bench, faults)
    frame, left = plan(*[{"id": number} for number in range(30)]), None
    for number in range(8):
        bench.wants(run_id=f"r{number}")
        rows = [{"id": key} for key in (range(30) if left is None else left)]
        frame = plan(*rows)
        bench.journal = type(bench.journal)()
        report = bench.run(frame)
        check(report, frame.height)
        done = set(report.outcomes.filter(status="acknowledged")["seq"])
        assert {seq for seq, o in bench.journal.outcomes.items() if o.status == "acknowledged"} == done
        left = [row["id"] for seq, row in enumerate(rows) if seq not in done]
    assert set(left) == poison
    assert sorted(bench.records()) == sorted(f"e{number}" for number in set(range(30)) - poison)


@settings(max_examples=30, deadline=None)
@given(faults=FAULTS, concurrency=st.sampled_from([1, 3]))
def test_creates_are_never_doubled(make_bench, plan, faults, concurrency):
    """Whatever is lost on the way, a match value names one record; acknowledged rows are all there."""
    bench = make_bench()
    bench.wants(batch_size=7, concurrency=concurrency, mode="insert")
    arm(bench, faults)
    report = bench.run(plan(*[{} for _ in range(30)], action="create"))
    check(report, 30)
    held = [record["ext"] for record in bench.store.records("thing").values()]
    assert len(held) == len(set(held))
    sent = {f"e{seq}" for seq in report.outcomes.filter(status="acknowledged")["seq"]}
    assert sent <= set(held)
