"""References as associations: found, made, moved and taken away, and what becomes of the row when that fails."""

import re
from dataclasses import replace

import httpx
import pytest

from tailrace.destination import Lookup, Operation
from tailrace.errors import AnswerLost, BatchRejected, Retriable, StopRun

COMPANY = Lookup("companies", "warehouse_id")
PRIMARY = Lookup("companies", "warehouse_id", primary=True)
PAYER = Lookup("companies", "warehouse_id", label="Payer")
FIELDS = {"boss": COMPANY}


class Portal:
    """A portal with companies and labels; pushes rows, and tells who is associated with whom."""

    def __init__(self, hub, control, server, batch):
        self.hub, self.control, self._batch = hub, control, batch
        self._site = f"{server.hubspot_url}/crm/v4/associations/contacts/companies"
        self.ids = {}

    def companies(self, *keys):
        """Make companies."""
        outcomes = self.hub.push(self._batch("upsert", *({"id": key} for key in keys), object="companies"))
        self.ids |= {key: outcome.record_id for key, outcome in zip(keys, outcomes, strict=True)}

    def post(self, path, body):
        """A request as some other program makes it; gives the answer's body."""
        answer = httpx.post(self._site + path, json=body, headers={"Authorization": "Bearer other"})
        return answer.json() if answer.content else {}

    def label(self, name):
        """Make a label; gives its number."""
        known = httpx.get(f"{self._site}/labels", headers={"Authorization": "Bearer other"}).json()["results"]
        found = [kind["typeId"] for kind in known if kind["label"] == name]
        return found[0] if found else self.post("/labels", {"label": name, "name": name})["results"][0]["typeId"]

    def employed(self, *keys):
        """Contacts of a company that nobody refers to; gives their ids by key."""
        self.companies("other")
        outcomes = self.push("upsert", *({"id": key, "boss": "other"} for key in keys))
        return {key: outcome.record_id for key, outcome in zip(keys, outcomes, strict=True)}

    def pair(self, record_id, company, label):
        """A contact and a company with a label, as requests name them."""
        types = [{"associationCategory": "USER_DEFINED", "associationTypeId": label}]
        return {"from": {"id": record_id}, "to": {"id": self.ids[company]}, "types": types}

    def push(self, operation, *rows, lookups=None, before=None):
        """Push contacts; `before` are the references' values so far, by the row's key."""
        made = self._batch(operation, *rows)
        held = [replace(row, before=(before or {}).get(row.match[0], {})) for row in made.rows]
        return self.hub.push(replace(made, rows=tuple(held), lookups=lookups or FIELDS))

    def links(self):
        """By contact and company the kinds that hold."""
        contacts = {r["id"]: r["properties"].get("warehouse_id") for r in self.control.records("contacts")}
        companies = {r["id"]: r["properties"].get("warehouse_id") for r in self.control.records("companies")}
        return {
            (contacts[link["from"][1]], companies[link["to"][1]]): set(link["types"])
            for link in self.control.records("associations")
            if link["from"][0] == "contacts"
        }


@pytest.fixture
def portal(hub, control, server, batch):
    """A portal with two companies."""
    made = Portal(hub, control, server, batch)
    made.companies("acme", "bolt")
    return made


def statuses(outcomes):
    """What became of each row."""
    return {outcome.marker: outcome.status for outcome in outcomes}


@pytest.mark.parametrize("operation", ["upsert", "create"])
def test_a_new_record_gets_its_association(portal, operation):
    """The reference is no property, also where one has its name; a null is associated with nothing."""
    rows = [{"id": "ann", "firstname": "Ann", "company": "acme"}, {"id": "bo", "company": None}]
    outcomes = portal.push(operation, *rows, lookups={"company": COMPANY})
    assert statuses(outcomes) == {"r0": "acknowledged", "r1": "acknowledged"}
    assert all(outcome.record_id for outcome in outcomes)
    assert portal.links() == {("ann", "acme"): {1, 279}}
    assert [record["properties"].get("company") for record in portal.control.records("contacts")] == [None, None]


def test_a_create_takes_one_request(portal, calls):
    """Record and association are there together, so that a lost answer leaves no half."""
    portal.push("create", {"id": "ann", "boss": "acme"})
    before = calls.writes
    portal.push("create", {"id": "bo", "boss": "acme"})
    assert calls.writes == before + 1


def test_a_changed_value_moves_the_association(portal):
    """What we made goes, the new one comes; what others made stays."""
    portal.companies("other")
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    portal.post("/batch/associate/default", {"inputs": [{"from": {"id": ann}, "to": {"id": portal.ids["other"]}}]})
    row = {"id": "ann", "record_id": ann, "boss": "bolt"}
    assert statuses(portal.push("update", row, before={"ann": {"boss": "acme"}})) == {"r0": "acknowledged"}
    assert portal.links().keys() == {("ann", "bolt"), ("ann", "other")}


def test_a_null_takes_the_association_away(portal):
    """And nothing comes in its place, also when there is no association left to take."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    for _ in range(2):
        row = {"id": "ann", "record_id": ann, "boss": None}
        assert statuses(portal.push("update", row, before={"ann": {"boss": "acme"}})) == {"r0": "acknowledged"}
    assert portal.links() == {}


def test_a_primary_company_moves(portal):
    """The old one is no longer associated at all."""
    lookups = {"boss": PRIMARY}
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"}, lookups=lookups)[0].record_id
    row = {"id": "ann", "record_id": ann, "boss": "bolt"}
    portal.push("update", row, lookups=lookups, before={"ann": {"boss": "acme"}})
    assert portal.links() == {("ann", "bolt"): {1, 279}}


def test_a_primary_company_is_set_beside_others(portal):
    """One that was primary before stays as an ordinary one, if it is not ours."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    portal.push("update", {"id": "ann", "record_id": ann, "main": "bolt"}, lookups={"main": PRIMARY})
    assert portal.links() == {("ann", "acme"): {279}, ("ann", "bolt"): {1, 279}}


def test_a_label_moves_and_leaves_what_others_said(portal):
    """A pair that has another label keeps it, and loses ours; one that had ours alone is taken apart."""
    payer, friend = portal.label("Payer"), portal.label("Friend")
    lookups, ids = {"boss": PAYER}, portal.employed("ann", "bo")
    rows = [{"id": key, "record_id": id_, "boss": "acme"} for key, id_ in ids.items()]
    portal.push("update", *rows, lookups=lookups)
    portal.post("/batch/create", {"inputs": [portal.pair(ids["ann"], "acme", friend)]})
    before = {key: {"boss": "acme"} for key in ids}
    portal.push("update", *(row | {"boss": "bolt"} for row in rows), lookups=lookups, before=before)
    assert portal.links() == {
        ("ann", "other"): {1, 279},
        ("ann", "acme"): {279, friend},
        ("ann", "bolt"): {279, payer},
        ("bo", "other"): {1, 279},
        ("bo", "bolt"): {279, payer},
    }


def test_a_label_leaves_the_primary_company_where_it_is(portal):
    """HubSpot made it so, or somebody did: who was labelled is no reason to let a company go."""
    portal.label("Payer")
    lookups = {"boss": PAYER}
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"}, lookups=lookups)[0].record_id
    row = {"id": "ann", "record_id": ann, "boss": None}
    portal.push("update", row, lookups=lookups, before={"ann": {"boss": "acme"}})
    assert portal.links() == {("ann", "acme"): {1, 279}}


def test_a_label_that_someone_took_away_is_not_ours_any_more(portal):
    """The association stays as they left it."""
    payer, (ann,) = portal.label("Payer"), portal.employed("ann").values()
    row = {"id": "ann", "record_id": ann, "boss": "acme"}
    portal.push("update", row, lookups={"boss": PAYER})
    portal.post("/batch/labels/archive", {"inputs": [portal.pair(ann, "acme", payer)]})
    portal.push("update", row | {"boss": None}, lookups={"boss": PAYER}, before={"ann": {"boss": "acme"}})
    assert portal.links()["ann", "acme"] == {279}


def test_the_primary_company_outlives_an_ordinary_reference_to_it(portal):
    """Where both are mapped, the one that moves leaves the other."""
    lookups = {"boss": COMPANY, "main": PRIMARY}
    ann = portal.push("upsert", {"id": "ann", "boss": "acme", "main": "acme"}, lookups=lookups)[0].record_id
    row = {"id": "ann", "record_id": ann, "boss": "bolt"}
    portal.push("update", row, lookups=lookups, before={"ann": {"boss": "acme"}})
    assert portal.links() == {("ann", "acme"): {1, 279}, ("ann", "bolt"): {279}}


def test_a_company_that_hubspot_made_primary_is_let_go_beside_a_label(portal):
    """No reference of the sync keeps it primary."""
    payer, lookups = portal.label("Payer"), {"boss": COMPANY, "payer": PAYER}
    ann = portal.push("upsert", {"id": "ann", "boss": "acme", "payer": "bolt"}, lookups=lookups)[0].record_id
    portal.companies("other")
    row = {"id": "ann", "record_id": ann, "boss": "other"}
    portal.push("update", row, lookups=lookups, before={"ann": {"boss": "acme"}})
    assert portal.links() == {("ann", "bolt"): {279, payer}, ("ann", "other"): {279}}


def test_the_old_goes_before_the_new_comes(portal, monkeypatch):
    """An account may permit one association only."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    paths, request = [], portal.hub.client.request
    monkeypatch.setattr(
        portal.hub.client,
        "request",
        lambda method, path, *a, **k: (paths.append(path), request(method, path, *a, **k))[1],
    )
    row = {"id": "ann", "record_id": ann, "boss": "bolt"}
    portal.push("update", row, before={"ann": {"boss": "acme"}})
    assert [path.partition("/batch/")[2] for path in paths if "associations" in path] == [
        "read",
        "archive",
        "associate/default",
    ]


def test_two_references_to_one_object_leave_each_other_alone(portal):
    """The payer moves on; the same company stays the primary one."""
    payer = portal.label("Payer")
    lookups = {"main": PRIMARY, "payer": PAYER}
    ann = portal.push("upsert", {"id": "ann", "main": "acme", "payer": "acme"}, lookups=lookups)[0].record_id
    row = {"id": "ann", "record_id": ann, "payer": "bolt"}
    portal.push("update", row, lookups=lookups, before={"ann": {"payer": "acme"}})
    links = portal.links()
    assert links["ann", "acme"] == {1, 279}
    assert links["ann", "bolt"] == {279, payer}
    back = {"id": "ann", "record_id": ann, "main": "bolt"}
    portal.push("update", back, lookups=lookups, before={"ann": {"main": "acme"}})
    assert portal.links() == {("ann", "bolt"): {1, 279, payer}}


def test_a_missing_parent_costs_its_row_and_nothing_of_it_is_written(portal):
    """The row is refused with a code; the message names the field and not the value."""
    outcomes = portal.push("upsert", {"id": "ann", "boss": "nobody-77"}, {"id": "bo", "boss": "bolt"})
    by_marker = {outcome.marker: outcome for outcome in outcomes}
    assert (by_marker["r0"].status, by_marker["r0"].code) == ("rejected", "PARENT_NOT_FOUND")
    assert not by_marker["r0"].partly
    assert "boss" in by_marker["r0"].message
    assert "nobody-77" not in by_marker["r0"].message
    assert portal.links().keys() == {("bo", "bolt")}
    assert [record["properties"]["warehouse_id"] for record in portal.control.records("contacts")] == ["bo"]


def test_a_parent_that_comes_later_is_found(portal):
    """That it was missing is not remembered."""
    portal.push("upsert", {"id": "ann", "boss": "late"})
    portal.companies("late")
    assert statuses(portal.push("upsert", {"id": "ann", "boss": "late"})) == {"r0": "acknowledged"}


def test_a_parent_that_is_gone_is_looked_up_anew(portal):
    """The id that was remembered is given up when an association with it is refused."""
    portal.push("upsert", {"id": "ann", "boss": "acme"})
    url = portal._site.replace("/crm/v4/associations/contacts/companies", "/crm/v3/objects/companies")
    httpx.delete(f"{url}/{portal.ids['acme']}", headers={"Authorization": "Bearer other"})
    first = portal.push("upsert", {"id": "bo", "boss": "acme"})[0]
    assert (first.status, first.code, first.partly) == ("rejected", "OBJECT_NOT_FOUND", True)
    assert portal.push("upsert", {"id": "bo", "boss": "acme"})[0].code == "PARENT_NOT_FOUND"


def test_parents_are_asked_for_once(portal, calls):
    """A second batch with the same parents asks nothing."""
    portal.push("upsert", {"id": "ann", "boss": "acme"})
    before = len(calls.spent)
    portal.push("upsert", {"id": "bo", "boss": "acme"})
    assert len(calls.spent) - before == 2


def test_a_refused_association_is_told_as_partly_written(portal):
    """The record is there, so the engine must not take the row for unwritten."""
    portal.control.fail_rows("associations", "ASSOCIATION_LIMIT", message="at most 1", times=1)
    outcomes = portal.push("upsert", {"id": "ann", "boss": "acme"})
    assert (outcomes[0].status, outcomes[0].code, outcomes[0].partly) == ("rejected", "ASSOCIATION_LIMIT", True)
    assert "at most 1" in outcomes[0].message
    assert outcomes[0].record_id


def test_one_refused_association_costs_one_row(portal):
    """Beside it the others are made."""
    portal.control.fail_rows("associations", "LIMIT", field="to", values=[portal.ids["bolt"]])
    rows = [{"id": f"c{n}", "boss": "bolt" if n == 3 else "acme"} for n in range(6)]
    outcomes = portal.push("upsert", *rows)
    assert [o.marker for o in outcomes if o.status != "acknowledged"] == ["r3"]
    assert len(portal.links()) == 5


@pytest.mark.parametrize("where", ["batch/upsert", "associate/default"])
def test_a_lost_answer_can_be_repeated(portal, where):
    """Whichever of the requests lost it."""
    portal.control.fail(where, drop=True, commit=True)
    with pytest.raises(AnswerLost) as lost:
        portal.push("upsert", {"id": "ann", "boss": "acme"})
    assert lost.value.partly == (where != "batch/upsert")
    assert statuses(portal.push("upsert", {"id": "ann", "boss": "acme"})) == {"r0": "acknowledged"}
    assert portal.links() == {("ann", "acme"): {1, 279}}
    assert len(portal.control.records("contacts")) == 1


@pytest.mark.parametrize("where", ["batch/read", "batch/archive", "associate/default"])
@pytest.mark.parametrize("commit", [True, False])
def test_a_move_can_be_repeated_from_anywhere(portal, where, commit):
    """In the end there is the new association, and only that."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    row = {"id": "ann", "record_id": ann, "boss": "bolt"}
    portal.control.fail(f"associations.*{where}", drop=True, commit=commit)
    with pytest.raises((AnswerLost, Retriable)):
        portal.push("update", row, before={"ann": {"boss": "acme"}})
    portal.push("update", row, before={"ann": {"boss": "acme"}})
    assert portal.links().keys() == {("ann", "bolt")}


@pytest.mark.parametrize(("status", "kind"), [(429, Retriable), (403, StopRun), (400, BatchRejected)])
def test_errors_after_the_records_tell_that_something_was_written(portal, status, kind):
    """So that the engine does not take the batch for unwritten when it gives up."""
    portal.control.fail("associate/default", status=status, body={"category": "X", "message": "no"})
    with pytest.raises(kind) as raised:
        portal.push("upsert", {"id": "ann", "boss": "acme"})
    assert raised.value.partly


def test_an_answer_that_leaves_pairs_out_is_checked(portal):
    """What is there can be read: nothing is guessed."""
    body = {"status": "COMPLETE", "results": []}
    portal.control.fail("associate/default", status=200, body=body, commit=True)
    assert statuses(portal.push("upsert", {"id": "ann", "boss": "acme"})) == {"r0": "acknowledged"}
    portal.control.fail("associate/default", status=200, body=body)
    assert statuses(portal.push("upsert", {"id": "bo", "boss": "acme"})) == {"r0": "rejected"}


def test_a_record_that_is_gone_is_missing(portal, batch):
    """Also when only its reference changes, for which no property is sent."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    portal.hub.push(batch("archive", {"id": "ann", "record_id": ann}))
    outcome = portal.push("update", {"id": "ann", "record_id": ann, "boss": "bolt"})[0]
    assert (outcome.status, outcome.recovery) == ("rejected", "missing")


def test_references_alone_send_no_properties(portal, calls):
    """An update of nothing else asks whether the record is there, and writes associations."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    before = portal.control.counters()["writes"]["contacts"]
    portal.push("update", {"id": "ann", "record_id": ann, "boss": "bolt"}, before={"ann": {"boss": "acme"}})
    assert portal.control.counters()["writes"]["contacts"] == before
    assert portal.links().keys() == {("ann", "bolt")}


def test_the_check_knows_references(hub, control):
    """A field of its own, of any name, that takes keys."""
    link = hub.describe_lookups("contacts", {"whatever": COMPANY})["whatever"]
    assert link.vendor_type == "association with companies"
    assert {"string", "int64"} <= link.accepts


@pytest.mark.parametrize(
    ("lookup", "words"),
    [
        (Lookup("companies", "domain"), "may have one domain.*there: .*warehouse_id.*Require unique values"),
        (Lookup("companies", "warehouse_ids"), "no property warehouse_ids; did you mean warehouse_id"),
        (Lookup("company_s", "x"), "no object 'company_s'"),
        (Lookup("companies", "warehouse_id", label="Boss"), "no label 'Boss'"),
        (Lookup("deals", "warehouse_id", primary=True), "no primary deals of contacts"),
    ],
)
def test_the_check_says_what_is_wrong_with_a_reference(hub, control, lookup, words):
    """And what to do."""
    assert re.search(words, hub.describe_lookups("contacts", {"boss": lookup})["boss"])


def test_one_association_has_one_field(hub, control):
    """Two fields would take it from each other."""
    found = hub.describe_lookups("contacts", {"a": COMPANY, "b": COMPANY, "c": PRIMARY})
    assert "same association as a" in found["b"]
    assert not isinstance(found["c"], str)


def test_a_label_that_is_gone_stops_the_run(portal):
    """The mapping is wrong, and no row is to blame."""
    with pytest.raises(StopRun, match="no association"):
        portal.push(
            "create", {"id": "ann", "boss": "acme"}, lookups={"boss": Lookup("companies", "warehouse_id", "Gone")}
        )


def test_removals_have_no_references(portal, batch):
    """An archived record loses its associations by itself."""
    ann = portal.push("upsert", {"id": "ann", "boss": "acme"})[0].record_id
    made = replace(batch("archive", {"id": "ann", "record_id": ann}), lookups=FIELDS)
    assert made.operation is Operation.ARCHIVE
    assert statuses(portal.hub.push(made)) == {"r0": "acknowledged"}
