"""Reference fields, by batch and by job alike: external ids, record types, and fields that are asked for beforehand."""

import polars as pl
import pytest

from tailrace.bulk import Order
from tailrace.destination import Lookup, Operation
from tailrace.errors import Retriable, StopRun
from tailrace.values import LogicalType

KEY = "External_Id__c"
TYPES = [
    {"developerName": "Business", "name": "Business Account"},
    {"developerName": "Old", "active": False},
    {"developerName": "Secret", "available": False},
]
OWNER = {"OwnerId": Lookup("User", "Email")}
NUMBERED = {"AccountId": Lookup("Account", "AccountNumber")}


def kept(control, object="Contact"):
    """Read what the server keeps, by external id."""
    return {record[KEY]: record for record in control.records(object)}


@pytest.fixture(params=["batch", "job"])
def send(request, crm, batch, tmp_path, control):
    """Upsert rows of one shape, by a batch or by a job; gives code and message by external id, None if written."""
    control.limit(polls=0)

    def by_batch(rows, lookups, object):
        outcomes = crm.push(batch("upsert", *rows, lookups=lookups, object=object))
        told = {int(outcome.marker[1:]): outcome for outcome in outcomes}
        return {row["id"]: told[number] for number, row in enumerate(rows)}

    def by_job(rows, lookups, object):
        names = tuple(name for name in rows[0] if name != "id")
        text = LogicalType("string")
        types = {f"v:{name}": text for name in names} | {f"m:{KEY}": text}
        order = Order("o1", object, Operation.UPSERT, (KEY,), names, types, lookups)
        columns = {"seq": range(len(rows)), "record_id": [None] * len(rows), f"m:{KEY}": [row["id"] for row in rows]}
        for name in names:
            columns[f"v:{name}"] = pl.Series([row[name] for row in rows], dtype=pl.String)
            columns[f"w:{name}"] = [True] * len(rows)
        frame = pl.DataFrame(columns, schema_overrides={"record_id": pl.String, "seq": pl.Int64})
        spooled = crm.spool(order, frame, tmp_path / "job.csv")
        told = {rows[int(outcome.marker)]["id"]: outcome for outcome in spooled.refused}
        receipt = crm.open_job(order)
        crm.upload_job(receipt, tmp_path / "job.csv")
        crm.start_job(receipt)
        assert crm.job_state(receipt).phase == "ended"
        by_mark = dict(zip(spooled.marks["mark"], spooled.marks["seq"], strict=True))
        for found in crm.collect_job(receipt, order, tmp_path):
            for row in found.iter_rows(named=True):
                told[rows[by_mark[row["mark"]]]["id"]] = type("Outcome", (), row)
        assert len(told) == len(rows)
        return told

    way = {"batch": by_batch, "job": by_job}[request.param]

    def send(*rows, lookups, object="Contact"):
        told = way(rows, lookups, object)
        return {key: told[key].code and (told[key].code, told[key].message) for key in told}

    return send


def accounts(crm, batch, **by_id):
    """Make accounts: number by external id. Gives record ids by external id."""
    rows = [{"id": key, "Name": key, "AccountNumber": number} for key, number in by_id.items()]
    return {
        row["id"]: outcome.record_id
        for row, outcome in zip(rows, crm.push(batch("upsert", *rows, object="Account")), strict=True)
    }


def test_custom_relationships(send, crm, batch, control):
    """A custom reference goes out under its relationship's name, as describe has it."""
    parent = {"name": "Parent__c", "type": "reference", "referenceTo": ["Account"]}
    control.declare({"Contact": {"fields": [parent]}})
    made = accounts(crm, batch, acme="1")
    lookups = {"Parent__c": Lookup("Account", KEY)}
    rows = [{"id": "a", "LastName": "x", "Parent__c": "acme"}, {"id": "b", "LastName": "x", "Parent__c": "none"}]
    told = send(*rows, lookups=lookups)
    assert told["a"] is None
    assert told["b"][0] == "INVALID_FIELD"
    assert "not found" in told["b"][1]
    assert kept(control)["a"]["Parent__c"] == made["acme"]
    send({"id": "a", "LastName": "x", "Parent__c": None}, lookups=lookups)
    assert kept(control)["a"]["Parent__c"] is None


def test_references_to_one_of_several(send, crm, batch, control):
    """WhoId of a task: the parent's object is stated, also where Salesforce lists another first."""
    crm.push(batch("upsert", {"id": "l", "LastName": "x", "Company": "Acme"}, object="Lead"))
    crm.push(batch("upsert", {"id": "c", "LastName": "x"}))
    made = accounts(crm, batch, acme="1")
    for key, parent in (("1", "Lead"), ("2", "Contact")):
        lookups = {"WhoId": Lookup(parent, KEY), "WhatId": Lookup("Account", KEY)}
        row = {"id": key, "WhoId": parent[0].lower(), "WhatId": "acme"}
        assert send(row, lookups=lookups, object="Task") == {key: None}
    tasks = kept(control, "Task")
    assert [tasks[key]["WhoId"][:3] for key in "12"] == ["00Q", "003"]
    assert tasks["1"]["WhatId"] == made["acme"]
    send({"id": "1", "WhoId": None, "WhatId": "acme"}, lookups=lookups, object="Task")
    assert kept(control, "Task")["1"]["WhoId"] is None


def test_record_types(send, control):
    """By developer name, whatever its case; what is unknown, inactive or another profile's costs its row."""
    control.declare({"Account": {"recordTypeInfos": TYPES}})
    lookups = {"RecordTypeId": Lookup("RecordType", "DeveloperName")}
    names = ["business", "Busines", "Old", "Secret", "canary", None]
    rows = [{"id": f"a{number}", "Name": "x", "RecordTypeId": name} for number, name in enumerate(names)]
    told = send(*rows, lookups=lookups, object="Account")
    assert (told["a0"], told["a5"]) == (None, None)
    assert {told[f"a{number}"][0] for number in (1, 2, 3, 4)} == {"RECORD_TYPE_NOT_FOUND"}
    assert told["a1"][1] == ("RecordTypeId: Account has no record type with this DeveloperName; did you mean Business?")
    assert "inactive" in told["a2"][1]
    assert "may not use the record type Secret" in told["a3"][1]
    assert told["a4"][1].endswith("; it has Business")
    assert kept(control, "Account")["a0"]["RecordTypeId"].startswith("012")


def test_record_types_take_no_request(crm, batch, calls, control):
    """The describe of the object has them."""
    control.declare({"Account": {"recordTypeInfos": TYPES}})
    crm.describe("Account")
    calls.spent.clear()
    lookups = {"RecordTypeId": Lookup("RecordType", "Name")}
    row = {"id": "a", "Name": "x", "RecordTypeId": "Business Account"}
    assert crm.push(batch("upsert", row, object="Account", lookups=lookups))[0].status == "acknowledged"
    assert len(calls.spent) == 1
    with pytest.raises(StopRun, match="cannot be looked up by 'Color'"):
        crm.push(batch("upsert", row, object="Account", lookups={"RecordTypeId": Lookup("RecordType", "Color")}))


def test_fields_that_are_no_external_ids(send, crm, batch, control):
    """The parent is asked for by SOQL: case does not count, and null clears."""
    made = accounts(crm, batch, acme="No-1", other="No-2")
    rows = [
        {"id": "a", "LastName": "x", "AccountId": "no-1"},
        {"id": "b", "LastName": "x", "AccountId": " No-2 "},
        {"id": "c", "LastName": "x", "AccountId": None},
    ]
    assert set(send(*rows, lookups=NUMBERED).values()) == {None}
    assert [kept(control)[key]["AccountId"] for key in "abc"] == [made["acme"], made["other"], None]
    send({"id": "a", "LastName": "x", "AccountId": None}, lookups=NUMBERED)
    assert kept(control)["a"]["AccountId"] is None


def test_missing_and_ambiguous_parents(send, crm, batch, control):
    """Each costs its row, with a code, and what was asked for where nothing has it; the others are written."""
    accounts(crm, batch, acme="1", twin="2", twin2="2")
    values = {"a": "1", "b": "canary", "c": "2", "d": "  ", "e": "canary" * 20}
    told = send(*({"id": key, "LastName": "x", "AccountId": value} for key, value in values.items()), lookups=NUMBERED)
    assert told == {
        "a": None,
        "b": ("LOOKUP_NOT_FOUND", "AccountId: no Account has this AccountNumber: canary"),
        "c": (
            "LOOKUP_AMBIGUOUS",
            "AccountId: 2 records of Account have this AccountNumber; look up by a field that is unique",
        ),
        "d": ("LOOKUP_NOT_FOUND", 'AccountId: no Account has this AccountNumber: "  "'),
        "e": ("LOOKUP_NOT_FOUND", f"AccountId: no Account has this AccountNumber: {('canary' * 20)[:79]}…"),
    }
    assert set(kept(control)) == {"a"}


def test_owners_by_mail(send, control):
    """A field that may hold users or groups gets the user's id."""
    told = send(
        {"id": "l", "LastName": "x", "Company": "y", "OwnerId": "Sandbox@example.com"}, lookups=OWNER, object="Lead"
    )
    assert told == {"l": None}
    assert kept(control, "Lead")["l"]["OwnerId"].startswith("005")


def test_ids_need_no_question(crm, batch, calls, control):
    """A lookup by Id writes the id."""
    made = accounts(crm, batch, acme="1")
    crm.describe("Contact")
    calls.spent.clear()
    row = {"id": "a", "LastName": "x", "AccountId": made["acme"][:15]}
    assert crm.push(batch("upsert", row, lookups={"AccountId": Lookup("Account", "Id")}))[0].status == "acknowledged"
    assert kept(control)["a"]["AccountId"] == made["acme"]
    assert len(calls.spent) == 1


def test_each_value_is_asked_for_once_in_a_run(crm, batch, calls):
    """Known, missing and ambiguous ones alike; and the parent's object is described once."""
    accounts(crm, batch, acme="1", twin="2", twin2="2")
    rows = [{"id": str(n), "LastName": "x", "AccountId": str(n)} for n in range(1, 4)]
    crm.push(batch("upsert", *rows, lookups=NUMBERED))
    calls.spent.clear()
    crm.push(batch("upsert", *rows, lookups=NUMBERED))
    assert [call.write for call in calls.spent] == [True]


def test_many_values_are_asked_for_in_portions(crm, batch, calls):
    """At most 200 in a query, and no longer than a URL may be."""
    names = [f"{n} {'x' * 60}" for n in range(150)]
    accounts(crm, batch, **dict.fromkeys(names, "1"))
    crm.describe("Contact")
    calls.spent.clear()
    rows = [{"id": str(n), "LastName": "x", "AccountId": name} for n, name in enumerate(names)]
    outcomes = crm.push(batch("upsert", *rows, lookups={"AccountId": Lookup("Account", "Name")}))
    assert {outcome.status for outcome in outcomes} == {"acknowledged"}
    assert len(calls.spent) == 3


def test_parents_of_the_same_object_are_asked_for_again(crm, batch, control):
    """A contact that another batch of the run has written meanwhile is found."""
    lookups = {"ReportsToId": Lookup("Contact", "Department")}
    row = {"id": "b", "LastName": "x", "ReportsToId": "Boss"}
    assert crm.push(batch("upsert", row, lookups=lookups))[0].code == "LOOKUP_NOT_FOUND"
    crm.push(batch("upsert", {"id": "a", "LastName": "x", "Department": "Boss"}))
    assert crm.push(batch("upsert", row, lookups=lookups))[0].status == "acknowledged"
    assert kept(control)["b"]["ReportsToId"] == kept(control)["a"]["Id"]


def test_of_several_the_active_one_is_meant(crm, batch, control):
    """An object that has IsActive: what is inactive can own nothing."""
    fields = [{"name": "IsActive", "type": "boolean"}, {"name": "Mail__c", "type": "email"}]
    control.declare({"Rep__c": {"fields": fields}})
    control.declare({"Contact": {"fields": [{"name": "Rep__c", "type": "reference", "referenceTo": ["Rep__c"]}]}})
    rows = [
        {"id": "old", "IsActive": False, "Mail__c": "a@x.io"},
        {"id": "new", "IsActive": True, "Mail__c": "a@x.io"},
        {"id": "gone", "IsActive": False, "Mail__c": "b@x.io"},
        {"id": "one", "IsActive": True, "Mail__c": "c@x.io"},
        {"id": "two", "IsActive": True, "Mail__c": "c@x.io"},
    ]
    crm.push(batch("upsert", *rows, object="Rep__c"))
    lookups = {"Rep__c": Lookup("Rep__c", "Mail__c")}
    contacts = [{"id": name, "LastName": "x", "Rep__c": f"{name}@x.io"} for name in "abc"]
    outcomes = {o.marker: o for o in crm.push(batch("upsert", *contacts, lookups=lookups))}
    assert outcomes["r2"].code == "LOOKUP_AMBIGUOUS"
    ids = {key: record["Id"] for key, record in kept(control, "Rep__c").items()}
    assert [kept(control)[name]["Rep__c"] for name in "ab"] == [ids["new"], ids["gone"]]


def test_a_failed_question_may_be_repeated(crm, batch, control):
    """Nothing was sent, and nothing wrong is remembered."""
    accounts(crm, batch, acme="1")
    row = batch("upsert", {"id": "a", "LastName": "x", "AccountId": "1"}, lookups=NUMBERED)
    control.fail("/query", status=503)
    with pytest.raises(Retriable):
        crm.push(row)
    assert crm.push(row)[0].status == "acknowledged"


def test_a_value_that_looks_like_an_id_is_asked_for_all_the_same(send, crm, batch, control):
    """Where another field names the parent, nothing of a value is taken for granted."""
    made = accounts(crm, batch, acme="0015g00000000zzAAA")
    assert send({"id": "a", "LastName": "x", "AccountId": "0015g00000000zzAAA"}, lookups=NUMBERED) == {"a": None}
    assert kept(control)["a"]["AccountId"] == made["acme"]
