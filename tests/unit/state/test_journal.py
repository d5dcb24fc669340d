"""The journal: what was about to be sent, and what became of it."""

import zlib
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tailrace import redact
from tailrace.destination import Outcome, acknowledged, rejected
from tailrace.errors import LeaseLost, StateError
from tailrace.state import Journal, StateDB
from tailrace.state.journal import RowEntry
from tailrace.state.packing import columns_of, pack_outcomes, pack_seqs, unpack_outcomes, unpack_seqs
from tailrace.state.records import Intent

TEXT = st.none() | st.text(max_size=20) | st.sampled_from(["a,b", ",", "", "a", "b"])
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        st.integers(0, 2**40).map(str),
        st.sampled_from(["acknowledged", "rejected", "unknown", "skipped"]),
        record_id=TEXT,
        code=TEXT,
        message=TEXT,
    ),
    max_size=20,
)


def test_a_settled_batch_gives_its_outcomes_back(state, start):
    """Status, record id, code and message of every row survive, by row number."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0, 1, 2])
    journal.settle(1, [rejected("2", "BAD", "no"), acknowledged("0", "id0")])
    assert journal.outcomes().rows() == [
        (0, "acknowledged", "id0", None, None, 1),
        (2, "rejected", None, "BAD", "no", 1),
    ]
    (batch,) = journal.batches()
    assert (batch.number, batch.operation, batch.rows, batch.acknowledged, batch.rejected) == (1, "upsert", 3, 1, 1)


def test_an_intent_without_outcomes_is_a_doubt(state, start):
    """What a crash leaves behind is found by the next run."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "create", [3, 4])
    journal.intend(2, "create", [7, 9])
    journal.settle(1, [])
    (doubt,) = journal.doubts()
    assert (doubt.number, doubt.operation, doubt.seqs) == (2, "create", (7, 9))
    assert journal.next_number() == 3


def test_a_job_is_in_doubt_with_its_receipt(state, start):
    """An empty receipt says that nothing was sent; a batch has none at all."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0])
    journal.intend_job(2, "upsert", [1, 2])
    journal.intend_job(3, "upsert", [3])
    journal.keep_receipt(3, "750xx")
    assert [(doubt.number, doubt.receipt) for doubt in journal.doubts()] == [(1, None), (2, ""), (3, "750xx")]


def test_a_receipt_is_refused_once_the_sync_is_another_runs(state, start, clock):
    """So a run that slept through its lease opens no job whose data could overtake another's."""
    journal = Journal(state, "r1", start().token)
    journal.intend_job(1, "upsert", [1])
    clock.now += 100
    start("r2")
    with pytest.raises(LeaseLost):
        journal.keep_receipt(1, "750xx")


def test_what_is_written_survives_the_process(state, start, tmp_path):
    """An intent is on disk when `intend` returns, whoever opens the database."""
    Journal(state, "r1", start().token).intend(1, "create", [0])
    with StateDB.open("sqlite:///.tailrace/state.db", tmp_path) as other:
        assert len(Journal(other, "r1", 1).doubts()) == 1


def test_a_stale_token_writes_nothing(state, start, clock, monkeypatch):
    """A stalled run cannot record outcomes after another took its sync over."""
    monkeypatch.setattr("tailrace.state.marks.this_boot", lambda: None)  # else it is noted what the answer was
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0])
    clock.now += 61
    newer = state.acquire("contacts", "r2", 60)
    journal.settle(1, [acknowledged("0")])
    for write in (journal.flush, lambda: journal.intend(2, "upsert", [1]), journal.close):
        with pytest.raises(LeaseLost):
            write()
    recovering = Journal(state, "r1", newer.token)
    assert [doubt.number for doubt in recovering.doubts()] == [1]
    recovering.settle(1, [acknowledged("0", "found")])
    assert recovering.outcomes()["record_id"].to_list() == ["found"]


def test_what_a_stalled_run_learned_last_is_known(state, start, clock):
    """It was sent under its lease; the run that took over reads what the answer was, and writes it down itself."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "create", [0])
    clock.now += 61
    newer = state.acquire("contacts", "r2", 60)
    journal.settle(1, [acknowledged("0", "made")])
    with pytest.raises(LeaseLost):
        journal.close()
    recovering = Journal(state, "r1", newer.token)
    assert recovering.batch(1).settled_at is None
    assert recovering.doubts() == []
    assert recovering.outcomes()["record_id"].to_list() == ["made"]


@pytest.mark.parametrize("count", [1, 2, 4, 15, 16, 59])
@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("version", [(3, 26), (3, 33)])
def test_many_settlements_are_written_at_once(request, tmp_path, monkeypatch, count, server, version):
    """Each has its own outcomes, tallies and moments, however many a statement takes."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", version)
    url = request.getfixturevalue("postgres_database") if server else "sqlite:///.tailrace/state.db"
    statuses = ("acknowledged", "rejected", "unknown", "skipped")
    with StateDB.open(url, tmp_path) as state:
        token = state.acquire("contacts", "r1", 60).token
        state.start_run("r1", sync="contacts", mode="upsert", destination="d", object="o", identity="i", token=token)
        journal = Journal(state, "r1", token)
        seqs = {number: range(10 * number, 10 * number + 1 + number % 4) for number in range(1, count + 2)}
        journal.intend_all([Intent(number, "upsert", [*rows]) for number, rows in seqs.items()])
        intended = {batch.number: batch.intended_at for batch in journal.batches()}
        told = {n: [Outcome(str(seq), statuses[(n + seq) % 4]) for seq in rows] for n, rows in seqs.items() if n > 1}
        for number, outcomes in told.items():
            if number % 2:
                journal.begin(number)
            journal.settle(number, outcomes)
        first, *others = journal.batches()
        assert (first.number, first.settled_at, first.acknowledged) == (1, None, 0)
        for batch in others:
            expected = [sum(outcome.status == status for outcome in told[batch.number]) for status in statuses]
            assert [getattr(batch, status) for status in statuses] == expected
            assert (batch.intended_at == intended[batch.number]) == (batch.number % 2 == 0)
            assert batch.settled_at >= batch.intended_at
        if not server and version < (3, 33):  # it knows no update from other rows
            assert [*journal._update._prepared] == [1]
            assert " FROM " not in journal._update._prepared[1][0]._text
        found = {(seq, status, batch) for seq, status, *_, batch in journal.outcomes().rows()}
        assert found == {(int(o.marker), o.status, number) for number, outcomes in told.items() for o in outcomes}
        journal.close()


def test_a_row_is_in_doubt_in_one_batch_only(state, start):
    """Refused for now, it is announced again once it is on record that the first batch did not write it."""
    journal = Journal(state, "r1", start().token)
    journal.intend_all([Intent(1, "create", [1, 2]), Intent(2, "create", [3, 4])])
    settled = sa.text("select number from batches where settled_at is not null order by number")
    for number, outcomes in ((1, [acknowledged("1"), acknowledged("2")]), (2, [acknowledged("3")])):
        journal.begin(number)
        journal.settle(number, outcomes)
        journal.intend_all([Intent(10 * number, "create", [4]), Intent(10 * number + 1, "create", [5])])
        with state.reading() as connection:
            found = connection.scalars(settled).all()
        assert found == ([] if number == 1 else [1, 2])  # what is whole may wait, if not for long


def test_the_last_outcome_of_a_row_counts(state, start):
    """A row that was sent again has one outcome: the later one."""
    journal = Journal(state, "r1", start().token)
    for number, outcome in enumerate([Outcome("0", "unknown"), acknowledged("0", "x")]):
        journal.intend(number, "upsert", [0])
        journal.settle(number, [outcome])
    assert journal.outcomes()["status"].to_list() == ["acknowledged"]


def test_many_batches_are_settled_at_once(state, start):
    """All of them or, under a stale token, none."""
    lease = start()
    journal = Journal(state, "r1", lease.token)
    for number in (1, 2, 3):
        journal.intend(number, "upsert", [number])
    journal.settle_all([(1, [acknowledged("1", "a")]), (3, [acknowledged("3", "c"), Outcome("4", "unknown")])])
    journal.settle_all([])
    assert [doubt.number for doubt in journal.doubts()] == [2]
    assert journal.outcomes().select("seq", "record_id", "batch").rows() == [(1, "a", 1), (3, "c", 3), (4, None, 3)]
    assert [(batch.acknowledged, batch.unknown) for batch in journal.batches()] == [(1, 0), (0, 0), (1, 1)]
    lease.release()
    state.acquire("contacts", "r2", 60)
    with pytest.raises(LeaseLost):
        journal.settle_all([(2, [acknowledged("2")])])
    journal.flush()
    assert [doubt.number for doubt in journal.doubts()] == [2]


def test_a_batch_is_dated_when_it_was_sent_and_answered(state, start, clock, monkeypatch):
    """Not when it was intended along with others, nor when its outcomes reached the disk."""
    ticks = iter([10.0, 10.0, 10.0, 13.0, 15.0, 20.0, 21.0, 21.0])
    monkeypatch.setattr("tailrace.state.journal.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    journal = Journal(state, "r1", start().token)
    journal.intend_all([Intent(1, "upsert", [0]), Intent(2, "upsert", [1])])
    journal.begin(1)
    journal.settle(1, [acknowledged("0")])
    journal.flush()
    first, second = journal.batches()
    assert (first.intended_at, first.settled_at) == (clock.now - 7, clock.now - 5)
    assert (second.intended_at, second.settled_at) == (clock.now, None)


def test_the_journal_tells_of_one_row(state, start):
    """The last batch that took it, and what it said; nothing of a row that no batch took."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0, 1])
    assert journal.of_row(1) == RowEntry(1, settled=False, outcome=None)
    journal.settle(1, [rejected("0", "BAD", "no")])
    assert journal.of_row(0) == RowEntry(1, settled=True, outcome=rejected("0", "BAD", "no"))
    assert journal.of_row(1) == RowEntry(1, settled=True, outcome=None)
    journal.intend(2, "upsert", [1])
    assert journal.of_row(1) == RowEntry(2, settled=False, outcome=None)
    assert journal.of_row(9) is None
    assert (journal.batch(2).rows, journal.batch(3)) == (1, None)


def test_pruning_keeps_the_summary(state, start):
    """After the fold the rows' details go, the counts stay."""
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0])
    journal.settle(1, [acknowledged("0")])
    journal.prune()
    assert journal.outcomes().height == 0
    assert journal.doubts() == []
    assert [batch.acknowledged for batch in journal.batches()] == [1]


def test_there_is_no_journal_without_a_run(state):
    """A journal of an unknown run would be fenced by nothing."""
    with pytest.raises(StateError, match="there is no run ghost"):
        Journal(state, "ghost", 1)


def test_rows_take_little_room():
    """A million rows in neighbours' order must not fill the disk."""
    outcomes = [acknowledged(str(seq), f"0035g00000{seq:08d}") for seq in range(1_000)]
    assert len(pack_outcomes(outcomes)) < 20 * len(outcomes)
    assert len(pack_seqs(range(1_000))) < 100


@given(st.lists(st.integers(0, 2**40), max_size=50))
def test_row_numbers_round_trip(seqs):
    """Any row numbers come back in their order."""
    assert list(unpack_seqs(pack_seqs(seqs))) == seqs


@given(OUTCOMES)
def test_outcomes_round_trip(outcomes):
    """Any texts of a vendor come back as they were."""
    assert [list(column) for column in unpack_outcomes(pack_outcomes(outcomes))] == list(columns_of(outcomes))


def test_a_newer_form_is_refused():
    """A blob of another version is an error that says to upgrade, not garbage."""
    with pytest.raises(StateError, match="form this version does not know"):
        unpack_seqs(b"\x05abc")


@pytest.mark.parametrize("form", [b"\x01", b"\x02"])
def test_older_forms_are_read(form):
    """A run that died under an older version is recovered by this one."""
    text = b'{"rows":{"first":7,"count":2},"columns":[{"all":"acknowledged"},["a,b","c"],[null,"X"],{"all":null}]}'
    blob = form + (zlib.compress(text) if form == b"\x01" else text)
    said = [[7, 8], ["acknowledged"] * 2, ["a,b", "c"], [None, "X"], [None, None]]
    assert [list(column) for column in unpack_outcomes(blob)] == said
    assert unpack_seqs(form + (zlib.compress(b'{"seqs":[3,1]}') if form == b"\x01" else b'{"seqs":[3,1]}')) == (3, 1)


def test_a_secret_that_an_answer_repeats_is_not_kept(state, start):
    """Neither in a message nor in a code, in whatever form the journal packs them."""
    redact.register("journal-canary")
    journal = Journal(state, "r1", start().token)
    journal.intend(1, "upsert", [0, 1, 2])
    refused = rejected("0", "no journal-canary", "you sent journal-canary")
    journal.settle(1, [refused, acknowledged("1", "id1"), rejected("2", "BAD", "plain")])
    assert journal.outcomes().select("code", "message").rows() == [
        ("no ***", "you sent ***"),
        (None, None),
        ("BAD", "plain"),
    ]
    journal.close()
    with state.reading() as connection:
        blob = connection.scalar(sa.text("select outcomes from batches"))
    assert b"canary" not in blob
