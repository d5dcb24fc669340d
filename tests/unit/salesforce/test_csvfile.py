"""A job's file says of every row what the JSON of a batch says of it."""

import csv
import json
import tempfile
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.bulk import Order
from tailrace.canonical.nested import encode as canonical
from tailrace.canonical.types import dtype
from tailrace.destination import Batch, Lookup, Operation, Row
from tailrace.values import LogicalType
from tailrace_destinations.plain import Unfit, clean_text
from tailrace_destinations.salesforce.csvfile import Layout, Spooler
from tailrace_destinations.salesforce.links import Links
from tailrace_destinations.salesforce.records import RecordWriter
from tailrace_destinations.salesforce.schema import read_describe

TEXT = st.text(max_size=5) | st.sampled_from(
    ["", " ", "#N/A", " #N/A", "a;b", ";a", "\x00", "Zoë", 'a "b"\r\nc', "a,b"]
)
MOMENTS = st.datetimes().map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
FIELDS = {
    "Name": ("string", "string", TEXT),
    "Tags__c": ("multipicklist", "string", TEXT),
    "Active__c": ("boolean", "bool", st.booleans()),
    "Score__c": ("double", "float64", st.floats()),
    "Count__c": ("int", "decimal(1)", st.decimals(-99, 99, places=1)),
    "Day__c": ("date", "date", st.dates()),
    "Seen__c": ("datetime", "timestamptz", MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    "Photo__c": ("base64", "binary", st.binary(max_size=3)),
    "Wrong__c": ("date", "string", TEXT),
    "ParentId": ("reference", "string", TEXT),
    "Short__c": ("string", "string", TEXT | st.text("aé🙂\u0301", max_size=6)),
    "Tier__c": ("picklist", "string", TEXT | st.sampled_from(["Gold", " gold", "Or", "Old", "Golf"])),
    "Tastes__c": ("multipicklist", "json", st.lists(st.sampled_from(["Gold", "Or", "x"]), max_size=3)),
    "Other__c": ("reference", "string", TEXT | st.sampled_from(["001A0000006Vm9r", "001A0000006Vm9rIAC", "0" * 18])),
}
CHOICES = {
    "restrictedPicklist": True,
    "picklistValues": [
        {"value": "Gold", "label": "Or", "active": True}, {"value": "Old", "label": "Old", "active": False},
    ],
}  # fmt: skip
BOUNDS = {"Short__c": {"length": 3}, "Tier__c": CHOICES | {"length": 40}, "Tastes__c": CHOICES}
PARENT = {"name": "ParentId", "type": "reference", "relationshipName": "Parent", "referenceTo": ["Account"]}
KEY = {"name": "Key__c", "type": "string", "unique": True, "externalId": True}
DESCRIBED = {
    "name": "Account",
    "fields": [
        {"name": name, "type": vendors} | BOUNDS.get(name, {})
        for name, (vendors, _, _) in FIELDS.items()
        if name != "ParentId"
    ]
    + [PARENT, KEY],
}
ACCOUNTS = {cuts: read_describe(DESCRIBED, None, cuts=cuts) for cuts in (False, True)}
LOOKUPS = {"ParentId": Lookup("Account", "Key__c")}
ROWS = st.lists(
    st.fixed_dictionaries(
        {"Key__c": st.none() | TEXT, "record_id": st.sampled_from([None, "001A0000006Vm9r", "001B0000006Vm9rIAC"])},
        optional={name: st.none() | values for name, (_, _, values) in FIELDS.items()},
    ),
    max_size=5,
)


def links(account):
    """How the parent is written."""
    found = Links(None, lambda _: account, None)
    return {name: found.link(account, name, lookup) for name, lookup in LOOKUPS.items()}


def written(operation, rows, *, cuts=False):
    """The job's file and what was said of it: by row number what the row became."""
    account = ACCOUNTS[cuts]
    types = {f"v:{name}": LogicalType.parse(ours) for name, (_, ours, _) in FIELDS.items()}
    types["m:Key__c"] = LogicalType("string")
    order = Order("o", "Account", operation, ("Key__c",), tuple(FIELDS), types, LOOKUPS)
    columns = {"seq": pl.int_range(len(rows), eager=True)}
    columns["record_id"] = pl.Series([row["record_id"] for row in rows], dtype=pl.String)
    columns["m:Key__c"] = pl.Series([row["Key__c"] for row in rows], dtype=pl.String)
    for name in FIELDS:
        values = [canonical(row[name]) if isinstance(row.get(name), list) else row.get(name) for row in rows]
        columns[f"v:{name}"] = pl.Series(values, dtype=dtype(types[f"v:{name}"]))
        columns[f"w:{name}"] = pl.Series([name in row for row in rows], dtype=pl.Boolean)
    layout = Layout(order, account, links(account))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.csv")
        spooled = Spooler(layout, None).write(pl.DataFrame(columns), path)
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    assert spooled.taken == len(rows)
    found = {int(outcome.marker): (outcome.code, outcome.message) for outcome in spooled.refused}
    found |= dict.fromkeys(spooled.aside, "aside")
    found |= dict(zip(spooled.marks["seq"], lines, strict=True))
    assert len(found) == len(rows)
    return found


def said(operation, row, *, cuts):
    """What a batch's JSON says of a row, in the words of a job: text by column; or why it is refused."""
    account = ACCOUNTS[cuts]
    values = {name: row[name] for name in FIELDS if name in row}
    batch = Batch("b", "Account", operation, ("Key__c",), (), LOOKUPS)
    made = Row("r", (row["Key__c"],), (row["Key__c"],), values, row["record_id"])
    try:
        record = json.loads(RecordWriter(batch, account, links(account)).write(made), parse_float=str, parse_int=str)
    except Unfit as unfit:
        return unfit.code, str(unfit)
    del record["attributes"]
    if "Parent" in record:
        record["Parent.Key__c"] = record.pop("Parent")["Key__c"]
    if "id" in record:
        record["Id"] = record.pop("id")
    return {name: cell(value) for name, value in record.items()}


def cell(value):
    """A JSON value as a cell: nothing, and text that is nothing, clear."""
    if isinstance(value, bool):
        return str(value).lower()
    return "#N/A" if value is None or not value.strip() else value


@pytest.mark.parametrize("operation", [Operation.UPSERT, Operation.CREATE, Operation.UPDATE])
@settings(deadline=None)
@given(rows=ROWS, cuts=st.booleans())
def test_files_say_what_batches_say(operation, rows, cuts):
    """Row by row: the same values, the same refusals; aside is only what a cell cannot say."""
    found = written(operation, rows, cuts=cuts)
    ids = [row["record_id"] for row in rows]
    for number, row in enumerate(rows):
        expected, got = said(operation, row, cuts=cuts), found[number]
        if got == "aside":
            texts = [row.get(name) for name in (*FIELDS, "Key__c") if isinstance(row.get(name), str)]
            blank = row.get("ParentId") is not None and not clean_text(row["ParentId"]).strip()
            twice = operation is Operation.UPDATE and row["record_id"] in ids[:number]
            assert blank or twice or any(clean_text(text).strip() == "#N/A" for text in texts)
        elif isinstance(expected, tuple):
            assert got == expected
        else:
            got = {name: text for name, text in got.items() if text}
            if "Id" in got:
                assert got.pop("Id")[:15] == expected.pop("Id")[:15]
            assert got == expected


def test_decimals_keep_their_digits():
    """A number that no float holds arrives digit for digit."""
    row = {"Key__c": "a", "record_id": None, "Count__c": Decimal("12345678901234567890123456789.0")}
    assert written(Operation.UPSERT, [row])[0]["Count__c"] == "12345678901234567890123456789"
