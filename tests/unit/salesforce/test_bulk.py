"""The bulk half of the seam, driven by hand against the simulator over HTTP."""

import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from tailrace.bulk import Order
from tailrace.canonical.types import dtype
from tailrace.destination import Lookup, Operation
from tailrace.errors import AccessDenied, AnswerLost, QuotaExhausted, Retriable, SessionExpired, StopRun, WriteForbidden
from tailrace.sandbox import SandboxServer
from tailrace.sandbox.options import SalesforceOptions as Org
from tailrace.values import LogicalType
from tailrace_destinations import salesforce
from tailrace_destinations.salesforce import csvfile, results
from tailrace_destinations.salesforce.config import SalesforceConfig, SalesforceOptions
from tailrace_destinations.salesforce.csvfile import Layout, Spooler
from tailrace_destinations.salesforce.errors import csv_error

TEXT = LogicalType("string")
KEY = "External_Id__c"
HOSTILE = "Zoë \"x\", 'y'\none\r\ntwo\u2028three"
NOWHERE = Path("/dev/null")
FRAME = ["mark", "status", "record_id", "code", "message", "recovery"]


def order(operation="upsert", match=(KEY,), lookups=None, object="Contact", **types):
    """An order whose fields are the keywords, each with its logical type."""
    by_column = {f"v:{name}": LogicalType.parse(kind) for name, kind in types.items()}
    by_column |= {f"m:{name}": TEXT for name in match}
    return Order("o1", object, Operation(operation), match, tuple(types), by_column, lookups or {})


def frame(made, *rows):
    """The rows as the engine gives them: `id` is the match value, a field that is absent is not written."""
    columns = {
        "seq": pl.Series([10 + n for n in range(len(rows))], dtype=pl.Int64),
        "record_id": pl.Series([row.get("record_id") for row in rows], dtype=pl.String),
    }
    for name in made.match:
        columns[f"m:{name}"] = pl.Series([row.get("id") for row in rows], dtype=dtype(made.types[f"m:{name}"]))
    for name in made.fields:
        physical = dtype(made.types[f"v:{name}"])
        columns[f"v:{name}"] = pl.Series([row.get(name) for row in rows], dtype=physical)
        columns[f"w:{name}"] = pl.Series([name in row for row in rows], dtype=pl.Boolean)
    return pl.DataFrame(columns)


@pytest.fixture
def control(control):
    """The server's control; jobs end with the first poll unless a test says otherwise."""
    control.limit(polls=0)
    return control


@pytest.fixture
def drive(tmp_path):
    """Spool, open, upload, start and poll; gives what was spooled, and the results by mark."""

    def drive(crm, made, rows):
        spooled = crm.spool(made, rows, tmp_path / "job.csv")
        receipt = crm.open_job(made)
        crm.upload_job(receipt, tmp_path / "job.csv")
        crm.start_job(receipt)
        for _ in range(100):
            if crm.job_state(receipt).phase == "ended":
                break
        return spooled, collected(crm, receipt, made, tmp_path), receipt

    return drive


def collected(crm, receipt, made, folder):
    """The results by mark; the seam's columns are checked on the way."""
    frames = list(crm.collect_job(receipt, made, folder))
    assert all(each.columns == FRAME and set(each.dtypes) == {pl.String} for each in frames)
    rows = [row for each in frames for row in each.iter_rows(named=True)]
    by_mark = {row["mark"]: row for row in rows}
    assert len(by_mark) == len(rows)
    return by_mark


@pytest.fixture
def spool(crm, tmp_path):
    """Write rows to a file; gives what was spooled and the file's lines."""

    def spool(made, *rows, to=crm):
        spooled = to.spool(made, frame(made, *rows), tmp_path / "spool.csv")
        with (tmp_path / "spool.csv").open(encoding="utf-8", newline="") as file:
            return spooled, list(csv.reader(file))

    return spool


def kept(control, object="Contact"):
    """Read what the server keeps, by external id."""
    return {record[KEY]: record for record in control.records(object)}


def refused(spooled):
    """Refusals by row number."""
    return {int(outcome.marker): (outcome.code, outcome.message) for outcome in spooled.refused}


def test_a_job_from_end_to_end(crm, drive, control, calls):
    """Rows are written, results find them by key in whatever order, and each request was spent."""
    control.limit(polls=2)
    made = order(LastName="string", LTV__c="decimal(2)", Active__c="bool", Notes__c="string")
    rows = [{"id": f"Key {n}", "LastName": f"N{n}", "LTV__c": Decimal("1.70"), "Active__c": True} for n in range(450)]
    rows[7]["Notes__c"] = HOSTILE
    control.fail_rows("Contact", "FIELD_CUSTOM_VALIDATION_EXCEPTION", field=KEY, values=["Key 8"])
    spooled, told_by, receipt = drive(crm, made, frame(made, *rows))
    assert (spooled.taken, spooled.refused, spooled.aside) == (450, [], [])
    assert spooled.marks.columns == ["seq", "mark"]
    assert set(spooled.marks["mark"]) == set(told_by)
    assert spooled.marks.row(7) == (17, "key 7")
    records = kept(control)
    assert len(records) == 449
    assert records["Key 7"]["Notes__c"] == HOSTILE
    assert told_by["key 7"]["record_id"] == records["Key 7"]["Id"]
    assert told_by["key 8"]["status"] == "rejected"
    assert (told_by["key 8"]["code"], told_by["key 8"]["recovery"]) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", None)
    assert crm.job_state(receipt).processed == 450
    assert calls.total == control.counters()["requests"]


def test_calls_of_a_job(crm, drive, calls, control):
    """A job takes as many calls as its capabilities say, and its polls; only changes count as writes."""
    made = order(LastName="string")
    crm.describe("Contact")
    before = len(calls.spent)
    drive(crm, made, frame(made, {"id": "a", "LastName": "Roe"}))
    assert len(calls.spent) - before == crm.capabilities.bulk.calls + 1
    assert [call.write for call in calls.spent[before:]] == [True] * 3 + [False] * 4


def test_values_arrive_exactly(crm, drive, control):
    """Cells say what a batch says: zones, decimals, dates, lists; null clears, what is not written stays."""
    made = order(
        LastName="string", LTV__c="decimal(2)", Orders__c="int64", Last_Order__c="date", Last_Seen__c="timestamptz",
        Active__c="bool", Interests__c="json", Title="string", Phone="string",
    )  # fmt: skip
    row = {
        "id": "x", "LastName": "Roe", "LTV__c": Decimal("12345678901.70"), "Orders__c": 7, "Title": "boss",
        "Last_Order__c": date(2026, 2, 28), "Last_Seen__c": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        "Active__c": True, "Interests__c": '["Music","Art"]', "Phone": "1",
    }  # fmt: skip
    drive(crm, made, frame(made, row))
    _, told_by, _ = drive(crm, made, frame(made, {"id": "x", "Title": None, "Phone": "  "}))
    record = kept(control)["x"]
    assert told_by["x"]["status"] == "acknowledged"
    assert Decimal(str(record["LTV__c"])) == Decimal("12345678901.70")
    assert (record["Orders__c"], record["Last_Order__c"], record["Active__c"]) == (7, "2026-02-28", True)
    assert record["Last_Seen__c"].startswith("2026-01-02T03:04:05.678")
    assert (record["Interests__c"], record["Title"], record["Phone"]) == ("Art;Music", None, None)


def test_cells_of_a_file(spool):
    """Empty is not written, #N/A clears; quotes only where needed; the key is trimmed and comes last."""
    made = order(LastName="string", Phone="string", Title="string")
    rows = [
        {"id": " a ", "LastName": "Roe, Ann", "Phone": None, "Title": ""},
        {"id": "e\u0301", "LastName": "x"},
    ]
    spooled, lines = spool(made, *rows)
    assert lines == [["LastName", "Phone", "Title", KEY], ["Roe, Ann", "#N/A", "#N/A", "a"], ["x", "", "", "é"]]
    assert spooled.marks["mark"].to_list() == ["a", "é"]


def test_the_file_is_plain(spool, tmp_path):
    """UTF-8 without a mark, line feeds, quotes only where needed."""
    spool(order(LastName="string"), {"id": "a", "LastName": "Zoë"}, {"id": "b", "LastName": 'a"b\n'})
    assert (tmp_path / "spool.csv").read_bytes() == f'LastName,{KEY}\nZoë,a\n"a""b\n",b\n'.encode()


def test_refusals_are_those_of_a_batch(crm, spool, batch):
    """A value that does not fit costs its row, with the code and the words that a batch gives."""
    made = order(LTV__c="float64", Active__c="bool", Orders__c="decimal(1)", LastName="binary")
    rows = [
        {"id": "a", "LTV__c": float("inf")},
        {"id": "b", "Active__c": None},
        {"id": " "},
        {"id": None},
        {"id": "e", "LastName": b"x"},
        {"id": "f", "LTV__c": float("nan"), "Active__c": None},
        {"id": "g", "Orders__c": Decimal("1.5")},
    ]
    spooled, lines = spool(made, *rows)
    outcomes = crm.push(batch("upsert", *rows[:6]))
    assert refused(spooled) == {
        10 + int(outcome.marker[1:]): (outcome.code, outcome.message)
        for outcome in outcomes
        if outcome.status == "rejected"
    }
    assert len(spooled.refused) == 6
    assert [line[-1] for line in lines[1:]] == ["g"]
    assert spooled.taken == 7


def test_values_that_are_not_written_cannot_be_wrong(crm, tmp_path):
    """A value that does not fit is no matter where its field is not written."""
    made = order(LTV__c="float64")
    rows = frame(made, {"id": "a", "LTV__c": float("inf")}).with_columns(pl.lit(value=False).alias("w:LTV__c"))
    spooled = crm.spool(made, rows, tmp_path / "x.csv")
    assert (spooled.refused, spooled.marks.height) == ([], 1)


def test_rows_a_job_cannot_carry(spool, monkeypatch):
    """The literal #N/A, and what is too long for a cell or a record, are left to batches."""
    monkeypatch.setattr(csvfile, "MOST_IN_ROW", 32_010)
    made = order(LastName="string", Notes__c="string")
    rows = [
        {"id": "a", "LastName": "#N/A"},
        {"id": "#N/A", "LastName": "x"},
        {"id": "c", "Notes__c": "é" * 32_001},
        {"id": "d", "Notes__c": "é" * 32_000},
        {"id": "e", "Notes__c": "x" * 32_000, "LastName": "y" * 11},
        {"id": "f", "LastName": None},
    ]
    spooled, lines = spool(made, *rows)
    assert spooled.aside == [10, 11, 12, 14]
    assert [line[-1] for line in lines[1:]] == ["d", "f"]
    assert spooled.marks["seq"].to_list() == [13, 15]


@pytest.mark.parametrize("at_once", [200, 1 << 20])
def test_a_full_file(crm, tmp_path, monkeypatch, at_once):
    """A file ends before the row that does not fit; the rest is for the next one, and nothing is lost or doubled."""
    monkeypatch.setattr(csvfile, "SLICE_BYTES", at_once)
    made = order(LastName="string", Active__c="bool")
    rows = frame(
        made,
        *[
            {"id": f"k{n}", "LastName": "#N/A" if n == 5 else "x" * n} | ({"Active__c": None} if n == 9 else {})
            for n in range(40)
        ],
    )
    spooler = Spooler(Layout(made, crm._known("Contact"), {}), None, most_bytes=150)
    seen, starts = [], []
    while rows.height:
        spooled = spooler.write(rows, tmp_path / "x.csv")
        assert (tmp_path / "x.csv").stat().st_size <= 150
        seen += [*spooled.marks["seq"], *spooled.aside, *(int(outcome.marker) for outcome in spooled.refused)]
        starts.append(spooled.taken)
        rows = rows.slice(spooled.taken)
    assert sorted(seen) == list(range(10, 50))
    assert len(starts) > 4
    assert min(starts) > 0


def test_no_rows_at_all(spool):
    """An order without rows makes a file of its header."""
    spooled, lines = spool(order(LastName="string"))
    assert (lines, spooled.marks.height, spooled.taken) == ([["LastName", KEY]], 0, 0)


def test_lookups(crm, drive, spool, batch, control):
    """Parents are named by their key; a missing one costs its row; null goes into a column of its own."""
    crm.push(batch("upsert", {"id": "acme", "Name": "Acme"}, object="Account"))
    made = order(LastName="string", AccountId="string", lookups={"AccountId": Lookup("Account", KEY)})
    rows = [{"id": "a", "LastName": "x", "AccountId": "acme"}, {"id": "b", "LastName": "x", "AccountId": "none"}]
    _, lines = spool(made, *rows)
    assert lines[0] == ["LastName", f"Account.{KEY}", KEY]
    _, told_by, _ = drive(crm, made, frame(made, *rows))
    assert (told_by["a"]["status"], told_by["b"]["status"]) == ("acknowledged", "rejected")
    assert "Foreign key external ID" in told_by["b"]["message"]
    assert kept(control)["a"]["AccountId"] == kept(control, "Account")["acme"]["Id"]
    clearing = [{"id": "a", "AccountId": None}, {"id": "c", "LastName": "x", "AccountId": "acme"}, {"id": "d"}]
    _, lines = spool(made, *clearing)
    assert lines == [
        ["LastName", f"Account.{KEY}", "AccountId", KEY],
        ["", "", "#N/A", "a"],
        ["x", "acme", "", "c"],
        ["", "", "", "d"],
    ]
    drive(crm, made, frame(made, *clearing))
    assert kept(control)["a"]["AccountId"] is None
    assert kept(control)["c"]["AccountId"] is not None


def test_lookup_of_the_wrong_object(crm, spool):
    """A reference to another object than the field's is a fault of the mapping."""
    made = order(AccountId="string", lookups={"AccountId": Lookup("Lead", KEY)})
    with pytest.raises(StopRun, match="refers to Account"):
        spool(made, {"id": "a", "AccountId": "x"})


def test_polymorphic_references(connect, control, drive, batch):
    """A reference to one of several objects states which in its header."""
    owner = {"name": "Boss__c", "type": "reference", "relationshipName": "Boss__r", "referenceTo": ["Account", "Lead"]}
    control.declare({"Contact": {"fields": [owner]}})
    crm = connect()
    crm.push(batch("upsert", {"id": "l", "LastName": "Lee", "Company": "x"}, object="Lead"))
    made = order(LastName="string", Boss__c="string", lookups={"Boss__c": Lookup("Lead", KEY)})
    _, told_by, _ = drive(crm, made, frame(made, {"id": "a", "LastName": "x", "Boss__c": "l"}))
    assert told_by["a"]["status"] == "acknowledged"
    assert kept(control)["a"]["Boss__c"] == kept(control, "Lead")["l"]["Id"]


def test_update(crm, drive, batch, control):
    """An update goes by id of either length; what is gone is missing; only written fields change."""
    ids = [outcome.record_id for outcome in crm.push(batch("create", *[{"id": k, "LastName": k} for k in "abg"]))]
    crm.push(batch("delete", {"id": "g", "record_id": ids[2]}))
    made = order("update", FirstName="string", Title="string")
    rows = frame(
        made,
        {"record_id": ids[0][:15], "FirstName": "Ann"},
        {"record_id": ids[1], "Title": "boss"},
        {"record_id": ids[2], "FirstName": "x"},
        {"record_id": "003A0000006Vm9rIAC", "FirstName": "y"},
        {"FirstName": "nobody"},
        {"record_id": ids[0], "FirstName": "twice"},
    )
    spooled, told_by, _ = drive(crm, made, rows)
    assert refused(spooled) == {14: ("NO_RECORD_ID", "the record id is not known")}
    assert spooled.aside == [15]
    assert spooled.marks["mark"].to_list() == [*ids, "003A0000006Vm9rIAC"]
    assert [told_by[mark]["recovery"] for mark in (*ids, "003A0000006Vm9rIAC")] == [None, None, "missing", "missing"]
    assert told_by[ids[0]]["record_id"] == ids[0]
    records = kept(control)
    assert (records["a"]["FirstName"], records["a"]["LastName"]) == ("Ann", "a")
    assert (records["b"]["FirstName"], records["b"]["Title"]) == (None, "boss")


def test_a_bad_reference_is_not_a_missing_record(crm, drive, batch):
    """An update that writes a record id may fail for that one; one that writes none misses its own record."""
    made_id = crm.push(batch("create", {"id": "a", "LastName": "a"}))[0].record_id
    made = order("update", AccountId="string", FirstName="string")
    rows = [
        {"record_id": made_id, "AccountId": "001A0000006Vm9rIAC"},
        {"record_id": "003A0000006Vm9rIAC", "AccountId": "001A0000006Vm9rIAC"},
        {"record_id": "003B0000006Vm9rIAC"[:15], "FirstName": "x"},
    ]
    spooled, told_by, _ = drive(crm, made, frame(made, *rows))
    told = [told_by[mark] for mark in spooled.marks["mark"]]
    assert {row["code"] for row in told} == {"INVALID_CROSS_REFERENCE_KEY"}
    assert [row["recovery"] for row in told] == [None, None, "missing"]


def test_delete(crm, drive, batch, control):
    """What was deleted before counts as deleted; a record named twice is deleted once, the other row set aside."""
    ids = [outcome.record_id for outcome in crm.push(batch("create", *[{"id": k, "LastName": k} for k in "ab"]))]
    crm.push(batch("delete", {"id": "b", "record_id": ids[1]}))
    made = order("delete")
    rows = frame(made, *[{"record_id": each} for each in (ids[0], ids[1], ids[0][:15])])
    spooled, told_by, _ = drive(crm, made, rows)
    assert spooled.aside == [12]
    assert {mark: row["status"] for mark, row in told_by.items()} == dict.fromkeys(ids, "acknowledged")
    assert told_by[ids[1]]["record_id"] == ids[1]
    assert control.records("Contact") == []


def test_create(crm, drive, control, batch):
    """Creates are told by all their cells; rows alike share a mark; a taken key is said to exist, with its record."""
    taken = crm.push(batch("create", {"id": "a", "LastName": "Roe"}))[0].record_id
    made = order("create", LastName="string", Notes__c="string", Active__c="bool")
    rows = [
        {"id": "a", "LastName": "Roe"},
        {"id": None, "LastName": HOSTILE, "Notes__c": " x ", "Active__c": True},
        {"id": "c", "LastName": HOSTILE},
        {"id": None, "Notes__c": "no name"},
    ]
    spooled, told_by, _ = drive(crm, made, frame(made, *rows))
    told = [told_by[mark] for mark in spooled.marks["mark"]]
    assert [row["status"] for row in told] == ["rejected", "acknowledged", "acknowledged", "rejected"]
    assert (told[0]["recovery"], told[0]["record_id"]) == ("exists", taken)
    assert told[3]["code"] == "REQUIRED_FIELD_MISSING"
    assert kept(control)["c"]["LastName"] == HOSTILE
    twins = order("create", match=(), LastName="string")
    spooled = crm.spool(twins, frame(twins, {"LastName": "x"}, {"LastName": "x"}), NOWHERE)
    assert spooled.marks["mark"].n_unique() == 1


def test_the_same_rows_have_the_same_marks(crm, tmp_path):
    """A run that resumes finds its rows: marks depend on nothing but the rows."""
    for operation in ("upsert", "create"):
        made = order(operation, LastName="string")
        rows = frame(made, *[{"id": f"K{n}", "LastName": f"Zoë {n}"} for n in range(10)])
        first = crm.spool(made, rows, tmp_path / "a.csv").marks
        assert first.equals(crm.spool(made, rows, tmp_path / "b.csv").marks)
    assert first["mark"][0] == "2f755ac18cce310eb8bb4d6bdc3eb4cd"


def test_keys_that_are_one_to_salesforce(crm, drive, control):
    """Keys that differ in case or outer spaces share a mark; the vendor refuses both."""
    made = order(LastName="string")
    rows = frame(
        made, {"id": "Straße", "LastName": "x"}, {"id": " STRASSE", "LastName": "y"}, {"id": "b", "LastName": "z"}
    )
    spooled = crm.spool(made, rows, NOWHERE)
    assert spooled.marks["mark"].to_list() == ["strasse", "strasse", "b"]


def test_a_poll_that_fails_leaves_the_job(crm, tmp_path, control):
    """503 while polling is Retriable, with the wait that was asked for; the job goes on."""
    made = order(LastName="string")
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), tmp_path / "a.csv")
    receipt = crm.open_job(made)
    assert crm.job_state(receipt).phase == "open"
    crm.upload_job(receipt, tmp_path / "a.csv")
    crm.start_job(receipt)
    control.limit(polls=1)
    control.fail("jobs/ingest", method="GET", status=503, headers={"Retry-After": "7"})
    with pytest.raises(Retriable) as raised:
        crm.job_state(receipt)
    assert raised.value.retry_after == 7
    assert [crm.job_state(receipt).phase for _ in range(2)] == ["working", "ended"]
    assert list(kept(control)) == ["a"]


@pytest.mark.parametrize("step", ["open_job", "upload_job", "start_job", "job_state", "collect_job", "abort_job"])
def test_a_session_that_ends(crm, tmp_path, control, step):
    """Each step reports an ended session once, and works when it is repeated."""
    made = order(LastName="string")
    path = tmp_path / "a.csv"
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), path)
    receipt = crm.open_job(made)
    if step not in {"open_job", "upload_job", "abort_job"}:
        crm.upload_job(receipt, path)
    if step == "collect_job":
        crm.start_job(receipt)
        assert crm.job_state(receipt).phase == "ended"
    call = {
        "open_job": partial(crm.open_job, made),
        "upload_job": partial(crm.upload_job, receipt, path),
        "collect_job": lambda: list(crm.collect_job(receipt, made, tmp_path)),
    }.get(step, lambda: getattr(crm, step)(receipt))
    control.expire_sessions()
    with pytest.raises(SessionExpired):
        call()
    call()


def test_a_lost_answer_to_the_upload(crm, tmp_path, control):
    """An upload without an answer is AnswerLost; the job is given up and the file goes into another."""
    made = order(LastName="string")
    path = tmp_path / "a.csv"
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), path)
    receipt = crm.open_job(made)
    control.fail("batches", method="PUT", drop=True, commit=True)
    with pytest.raises(AnswerLost):
        crm.upload_job(receipt, path)
    with pytest.raises(StopRun, match="takes no data"):
        crm.upload_job(receipt, path)
    crm.abort_job(receipt)
    with pytest.raises(AnswerLost):
        crm.upload_job(receipt, path)
    crm.abort_job(receipt)
    assert crm.job_state(receipt).phase == "ended"
    assert kept(control) == {}


def test_lost_answers_that_harm_nobody(crm, tmp_path, control):
    """Opening, starting and giving up may be repeated after a lost answer."""
    made = order(LastName="string")
    path = tmp_path / "a.csv"
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), path)
    control.fail("jobs/ingest", method="POST", drop=True, commit=True)
    with pytest.raises(Retriable):
        crm.open_job(made)
    receipt = crm.open_job(made)
    crm.upload_job(receipt, path)
    control.fail("jobs/ingest", method="PATCH", drop=True, commit=True)
    with pytest.raises(Retriable):
        crm.start_job(receipt)
    crm.start_job(receipt)
    assert crm.job_state(receipt).phase == "ended"
    crm.start_job(receipt)
    crm.abort_job(receipt)
    assert collected(crm, receipt, made, tmp_path)["a"]["status"] == "acknowledged"


def test_start_without_data(crm):
    """A job that takes no start is told as it is."""
    with pytest.raises(StopRun, match="No data was uploaded"):
        crm.start_job(crm.open_job(order(LastName="string")))


def test_a_job_that_is_gone(crm, drive, control, calls, tmp_path):
    """A job that nobody knows any more is gone; starting it or giving it up changes nothing."""
    made = order(LastName="string")
    _, _, receipt = drive(crm, made, frame(made, {"id": "a", "LastName": "Roe"}))
    crm._client.ask("GET", f"jobs/ingest/{receipt}")
    crm._client._transport.request(
        "DELETE", f"{crm._client._sign_in().base_url}jobs/ingest/{receipt}", headers=crm._client._sign_in().headers
    )
    assert crm.job_state(receipt).phase == "gone"
    crm.start_job(receipt)
    crm.abort_job(receipt)
    with pytest.raises(AnswerLost):
        crm.upload_job(receipt, tmp_path / "job.csv")


def test_an_aborted_job(crm, tmp_path, control):
    """An open job that is given up carries out nothing; its rows are to be sent again."""
    made = order(LastName="string")
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), tmp_path / "a.csv")
    receipt = crm.open_job(made)
    crm.upload_job(receipt, tmp_path / "a.csv")
    crm.abort_job(receipt)
    state = crm.job_state(receipt)
    assert (state.phase, state.message) == ("ended", "The job was aborted")
    row = collected(crm, receipt, made, tmp_path)["a"]
    assert (row["status"], row["code"], row["recovery"]) == ("rejected", "UNPROCESSED", "retry")
    assert kept(control) == {}


def test_a_job_that_fails_half_way(crm, drive, control):
    """A failed job has results: what it came to, and what it did not."""
    control.fail_jobs("Contact", rows=200, message="InternalServerError : sorry")
    made = order(LastName="string")
    rows = frame(made, *[{"id": f"k{n}", "LastName": "x"} for n in range(300)])
    _, told_by, receipt = drive(crm, made, rows)
    statuses = [(row["status"], row["recovery"]) for row in told_by.values()]
    assert statuses.count(("acknowledged", None)) == 200
    assert statuses.count(("rejected", "retry")) == 100
    assert crm.job_state(receipt).message == "InternalServerError : sorry"
    assert len(kept(control)) == 200


def test_a_file_whose_header_is_not_understood(crm, tmp_path, control):
    """A job that fails for its header as a whole says why; its rows come back unprocessed."""
    made = order(LastName="string")
    receipt = crm.open_job(made)
    (tmp_path / "a.csv").write_text(f"Nope__c,{KEY}\nx,a\n")
    crm.upload_job(receipt, tmp_path / "a.csv")
    crm.start_job(receipt)
    assert "Field name not found : Nope__c" in crm.job_state(receipt).message
    assert collected(crm, receipt, made, tmp_path)["a"]["code"] == "UNPROCESSED"
    receipt = crm.open_job(made)
    (tmp_path / "a.csv").write_text("Nope__c\nx\n")
    crm.upload_job(receipt, tmp_path / "a.csv")
    crm.start_job(receipt)
    assert crm.job_state(receipt).phase == "ended"
    assert collected(crm, receipt, made, tmp_path) == {}


def test_rows_that_may_be_tried_again(crm, drive, control):
    """A lock is retried, a rule is not."""
    control.fail_rows("Contact", "UNABLE_TO_LOCK_ROW", field=KEY, values=["a"])
    control.fail_rows(
        "Contact", "FIELD_CUSTOM_VALIDATION_EXCEPTION", field=KEY, values=["b"], message="not: on Mondays"
    )
    made = order(LastName="string")
    _, told_by, _ = drive(crm, made, frame(made, *[{"id": k, "LastName": "x"} for k in "abc"]))
    assert [(told_by[k]["status"], told_by[k]["recovery"]) for k in "abc"] == [
        ("rejected", "retry"), ("rejected", None), ("acknowledged", None),
    ]  # fmt: skip
    assert (told_by["b"]["code"], told_by["b"]["message"]) == (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION", f"not: on Mondays ({KEY})",
    )  # fmt: skip


def test_results_in_pages(calls, drive, auth, tmp_path):
    """A result that comes in pages is read to its end, and leaves no file behind."""
    with SandboxServer(salesforce=Org(result_rows=7, job_polls=0), hubspot=False, run_in="thread") as server:
        config = SalesforceConfig(type="salesforce", auth=auth | {"login_url": server.salesforce_url})
        crm = salesforce.plugin.open(config, salesforce.Context("crm", calls, "."))
        made = order(LastName="string")
        _, told_by, _ = drive(crm, made, frame(made, *[{"id": f"k{n}", "LastName": "x"} for n in range(30)]))
        crm.close()
    assert len(told_by) == 30
    assert [path.name for path in tmp_path.iterdir()] == ["job.csv"]


def test_a_result_that_breaks_off(crm, drive, control, tmp_path):
    """A result that cannot be fetched gives nothing at all, so that it can be asked for again."""
    made = order(LastName="string")
    _, told_by, receipt = drive(crm, made, frame(made, {"id": "a", "LastName": "x"}))
    control.fail("unprocessedrecords", drop=True)
    with pytest.raises(Retriable):
        next(crm.collect_job(receipt, made, tmp_path))
    control.fail("failedResults", status=200, body=b"\xff\xfe".decode("latin1"))
    assert collected(crm, receipt, made, tmp_path) == told_by


def test_results_are_read_piece_by_piece(crm, drive, control, monkeypatch):
    """Rows whose line breaks fall on the border of what is read at once are neither lost nor cut."""
    monkeypatch.setattr(results, "_BLOCK", 5_000)
    monkeypatch.setattr(results, "FRAME_ROWS", 7)
    made = order("create", match=(), LastName="string", Notes__c="string")
    rows = [{"LastName": f"N{n}", "Notes__c": f"{HOSTILE}\n" * (n % 20) + "."} for n in range(300)]
    spooled, told, _ = drive(crm, made, frame(made, *rows))
    assert set(spooled.marks["mark"]) == set(told)
    assert {row["status"] for row in told.values()} == {"acknowledged"}


@pytest.mark.parametrize("body", ["", '"sf__Id"', f'"{KEY}"\n"a"\n'])
def test_results_in_another_form(crm, drive, control, tmp_path, body):
    """A result without any row is empty; one that cannot be made sense of is asked for again."""
    made = order(LastName="string")
    _, _, receipt = drive(crm, made, frame(made, {"id": "a", "LastName": "x"}))
    control.fail("successfulResults", status=200, body=body)
    again = {"status": 200, "body": body, "headers": {"Sforce-Locator": "x/y"}, "times": 2}
    control.fail("failedResults", **again)
    with pytest.raises(Retriable, match="circle"):
        list(crm.collect_job(receipt, made, tmp_path))
    control.fail("successfulResults", status=200, body=body)
    if KEY in body:
        with pytest.raises(Retriable, match="no column sf__Id"):
            list(crm.collect_job(receipt, made, tmp_path))
    else:
        assert list(crm.collect_job(receipt, made, tmp_path)) == []


@pytest.mark.parametrize("data", [b'"sf__Id","External_Id__c"\n"x","\xff"\n', b'"sf__Id"\n"' + b"x" * 140_000 + b'"\n'])
def test_results_that_are_no_csv(tmp_path, crm, data):
    """Bytes that are no UTF-8, and cells beyond all measure, are no result: it is asked for again."""
    (tmp_path / "x.csv").write_bytes(data)
    layout = Layout(order(LastName="string"), crm._known("Contact"), {})
    with pytest.raises(Retriable):
        list(results.Results(layout).read("successfulResults", tmp_path / "x.csv"))


def test_a_rule_that_cannot_be_read(crm, control):
    """Without access to assignment rules a job on leads stops, and says how to go on; a spent quota says so itself."""
    body = [{"errorCode": "INVALID_TYPE", "message": "sObject type 'AssignmentRule' is not supported."}]
    control.fail("query", status=400, body=body)
    made = order(object="Lead", LastName="string")
    with pytest.raises(StopRun, match="View Setup"):
        crm.open_job(made)
    crm.describe("Lead")
    control.limit(daily=0)
    with pytest.raises(QuotaExhausted):
        crm.open_job(made)


def test_a_refusal_that_is_no_400(crm, tmp_path, control):
    """A start refused with another status is asked about all the same; one for want of rights is told as that."""
    made = order(LastName="string")
    crm.spool(made, frame(made, {"id": "a", "LastName": "Roe"}), tmp_path / "a.csv")
    receipt = crm.open_job(made)
    crm.upload_job(receipt, tmp_path / "a.csv")
    control.fail("jobs/ingest", method="PATCH", status=409, body=[{"errorCode": "X", "message": "y"}])
    with pytest.raises(StopRun, match="409"):
        crm.start_job(receipt)
    control.fail("jobs/ingest", method="PATCH", status=409, commit=True, body=[{"errorCode": "X", "message": "y"}])
    crm.start_job(receipt)
    control.fail("jobs/ingest", method="PATCH", status=403, body=[{"errorCode": "X", "message": "y"}])
    with pytest.raises(AccessDenied):
        crm.start_job(receipt)


def test_quota_and_dry_runs(crm, tmp_path, control, calls):
    """A spent quota stops the run; a dry run opens, uploads and starts nothing."""
    made = order(LastName="string")
    receipt = crm.open_job(made)
    control.limit(daily=1)
    crm.job_state(receipt)
    with pytest.raises(QuotaExhausted):
        crm.job_state(receipt)
    control.limit(daily=None)
    calls.read_only = True
    (tmp_path / "a.csv").write_text("x\n")
    steps = [partial(crm.open_job, made), partial(crm.upload_job, receipt, tmp_path / "a.csv")]
    for step in (*steps, partial(crm.start_job, receipt), partial(crm.abort_job, receipt)):
        with pytest.raises(WriteForbidden):
            step()


def test_orders_that_cannot_be(crm, tmp_path):
    """An upsert goes by one external id; an object the vendor does not know is told."""
    two = order(match=(KEY, "LastName"))
    with pytest.raises(StopRun, match="exactly one"):
        crm.open_job(two)
    with pytest.raises(StopRun, match="bulk: never"):
        crm.open_job(order("create", match=(), object="User", Username="string"))


@pytest.mark.parametrize("object", ["Lead", "Contact"])
def test_assignment_rules(calls, auth, object):
    """A job names the active rule of leads, as batches run it; other objects have none."""
    org = Org(assignment_rules={"Lead": "Round robin"})
    with SandboxServer(salesforce=org, hubspot=False, run_in="thread") as server:
        config = SalesforceConfig(type="salesforce", auth=auth | {"login_url": server.salesforce_url})
        crm = salesforce.plugin.open(config, salesforce.Context("crm", calls, "."))
        receipts = [crm.open_job(order(object=object, LastName="string")) for _ in range(2)]
        receipts.append(crm.open_job(order("delete", object=object)))
        told = [
            crm._client.ask("GET", f"jobs/ingest/{receipt}").get("assignmentRuleId", "")[:3] for receipt in receipts
        ]
        crm.close()
    assert told == (["01Q", "01Q", ""] if object == "Lead" else ["", "", ""])
    assert len([call for call in calls.spent if not call.write]) <= 6


def test_when_jobs_are_used(connect):
    """The sync's options decide, and the opened destination says the same as the plugin."""
    config = SalesforceConfig(
        type="salesforce",
        auth={
            "flow": "client_credentials",
            "login_url": "https://a.com",
            "client_id": "x",
            "client_secret": "${env:X}",
        },
        job_rows=5,
    )
    bulk = salesforce.plugin.bulk
    auto = bulk(config, None)
    assert (auto.from_rows, auto.rows, auto.calls) == (2_000, 5, 6)
    assert auto == bulk(config, SalesforceOptions())
    written = {Operation.UPSERT, Operation.UPDATE, Operation.DELETE, Operation.CREATE}
    assert auto.operations == written | {Operation.HARD_DELETE}
    assert bulk(config, SalesforceOptions(bulk="always")).from_rows == 1
    for off in ({"bulk": "never"}, {"allow_duplicates": True}, {"assignment_rules": False}):
        # No batch deletes for good, and no header says anything of that.
        left = set() if "bulk" in off else {Operation.HARD_DELETE}
        assert bulk(config, SalesforceOptions(**off)).operations == left
        assert connect(SalesforceOptions(**off)).capabilities.bulk.operations == left
        assert bulk(config, SalesforceOptions(**off)).why_not.startswith(next(iter(off)))
    assert connect(SalesforceOptions(bulk="always")).capabilities.bulk.from_rows == 1
    with pytest.raises(ValidationError, match="exclude each other"):
        SalesforceOptions(bulk="always", allow_duplicates=True)


@pytest.mark.parametrize(
    ("text", "code", "message", "fields"),
    [
        ("REQUIRED_FIELD_MISSING:Required: [A]:A --", "REQUIRED_FIELD_MISSING", "Required: [A]", ("A",)),
        ("X_Y:a: b:--", "X_Y", "a: b", ()),
        ("X:a:B C__c --", "X", "a", ("B", "C__c")),
        ("X:a:B, C --Y:b:D --", "X", "a", ("B", "C")),
        ("X:a -- b\nc:D --", "X", "a -- b\nc", ("D",)),
        ("X:duplicate on record with id: 003A0000006Vm9r:--", "X", "duplicate on record with id: 003A0000006Vm9r", ()),
        ("something else", "UNKNOWN", "something else", ()),
        ("", "UNKNOWN", "Salesforce gave no reason", ()),
    ],
)
def test_errors_in_results(text, code, message, fields):
    """Code, message and fields are told apart, whatever else the message holds."""
    error = csv_error(text)
    assert (error.code, error.message, error.fields) == (code, message, fields)
    assert json.dumps(error.text)
