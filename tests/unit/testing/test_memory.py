"""The reference adapter: what its store keeps, refuses and forgets."""

import pytest

from tailrace.destination import Batch, Context, Field, Lookup, ObjectSchema, Operation, Row
from tailrace.errors import AnswerLost, BatchRejected, ObjectNotFound, WriteForbidden
from tailrace.testing import MemoryDestination, MemoryStore, RecordingCalls


def opened(store, *, read_only=False):
    """The adapter over a store."""
    calls = RecordingCalls(read_only=read_only)
    return MemoryDestination(store, Context("memory", calls, "."))


def batch(operation, *rows, match=("id",), lookups=None):
    """A batch of (match, values, record id)."""
    made = tuple(Row(str(n), (n,), tuple(m), values, record_id) for n, (m, values, record_id) in enumerate(rows))
    return Batch("b", "people", Operation(operation), match, made, lookups or {})


def push(store, *args, **kwargs):
    """Send a batch and collect its outcomes."""
    return list(opened(store).push(batch(*args, **kwargs)))


def test_upsert_twice_keeps_one_record():
    """The same upsert sent twice makes one record, created the first time only."""
    store = MemoryStore()
    first = push(store, "upsert", ([1], {"name": "Ann"}, None))
    second = push(store, "upsert", ([1], {"name": "Ann"}, None))
    assert (first[0].created, second[0].created) == (True, False)
    assert store.records("people") == {"m1": {"name": "Ann", "id": 1}}


def test_update_by_record_id_moves_the_match():
    """A record whose match value changed is found under the new value only."""
    store = MemoryStore()
    made = push(store, "upsert", ([1], {"name": "Ann"}, None))
    push(store, "update", ([1], {"id": 2}, made[0].record_id))
    found = list(opened(store).find("people", ["id"], [(1,), (2,)], ["name"]))
    assert [(record.match, record.values) for record in found] == [((2,), {"name": "Ann"})]


def test_update_onto_another_record_is_refused():
    """A match value that another record holds is not taken over."""
    store = MemoryStore()
    push(store, "upsert", ([1], {}, None), ([2], {}, None))
    assert push(store, "update", ([1], {"id": 2}, None))[0].code == "DUPLICATE"


def test_missing_and_existing_records_are_told():
    """Updating what is not there and creating what is carry the recovery the engine acts on."""
    store = MemoryStore()
    assert push(store, "update", ([1], {"a": 1}, None))[0].recovery == "missing"
    push(store, "create", ([1], {"a": 1}, None))
    assert push(store, "create", ([1], {"a": 1}, None))[0].recovery == "exists"


def test_archive_keeps_what_delete_drops():
    """An archived record can be read back from the archive; a deleted one is gone."""
    store = MemoryStore()
    push(store, "upsert", ([1], {}, None), ([2], {}, None))
    push(store, "archive", ([1], {}, None))
    push(store, "delete", ([2], {}, None))
    assert store.records("people") == {}
    assert list(store.archived("people").values()) == [{"id": 1}]


def test_answer_lost_after_commit_writes():
    """A fault after the commit loses the answer, not the rows."""
    store = MemoryStore()
    store.fail(AnswerLost("gone"), after_commit=True)
    with pytest.raises(AnswerLost):
        push(store, "upsert", ([1], {}, None))
    assert len(store.records("people")) == 1
    assert push(store, "upsert", ([1], {}, None))[0].status == "acknowledged"


def test_a_whole_batch_is_refused_for_one_row():
    """With `whole_batch`, one bad row spoils the batch and nothing is written."""
    store = MemoryStore()
    store.refuse(lambda row: row.match == (2,), whole_batch=True)
    with pytest.raises(BatchRejected):
        push(store, "upsert", ([1], {}, None), ([2], {}, None))
    assert store.records("people") == {}


def test_schema_refuses_row_by_row():
    """A declared object checks names, required values and lengths, and takes the good row beside."""
    schema = ObjectSchema(
        "people",
        {
            "id": Field("id", "int", frozenset({"int64"}), unique=True),
            "name": Field("name", "text", frozenset({"string"}), required=True, length=3),
        },
    )
    store = MemoryStore([schema], open=False)
    rows = [([1], {"name": "Ann"}, None), ([2], {"nam": "x"}, None), ([3], {}, None), ([4], {"name": "Anna"}, None)]
    assert [o.code for o in push(store, "upsert", *rows)] == [None, "UNKNOWN_FIELD", "REQUIRED", "TOO_LONG"]
    with pytest.raises(ObjectNotFound, match="peeple"):
        opened(store).describe("peeple")


def test_lookups_resolve_to_record_ids():
    """A reference becomes the other record's id, and waits for it when it is not there yet."""
    store = MemoryStore()
    lookups = {"team": Lookup("teams", "code")}
    row = ([1], {"team": "x"}, None)
    assert push(store, "upsert", row, lookups=lookups)[0].recovery == "retry"
    team = store.put("teams", {"code": "x"})
    push(store, "upsert", row, lookups=lookups)
    assert next(iter(store.records("people").values()))["team"] == team


def test_folded_match_is_one_record():
    """Under a vendor that ignores case and outer spaces, two spellings are one record."""
    store = MemoryStore(fold=frozenset({"id"}))
    push(store, "upsert", (["A@x"], {}, None))
    push(store, "upsert", ([" a@X "], {}, None))
    assert len(store.records("people")) == 1


def test_dry_run_reaches_no_store():
    """With a read-only budget a push is refused before it leaves."""
    store = MemoryStore()
    with pytest.raises(WriteForbidden):
        list(opened(store, read_only=True).push(batch("upsert", ([1], {}, None))))
    assert store.requests == []
