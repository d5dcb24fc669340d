"""The rules of associations: kinds, labels, primary companies, and records created with their associations."""

import pytest

from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.options import HubSpotOptions

BASE = "/crm/v4/associations/contacts/companies"
DEFINED = "HUBSPOT_DEFINED"


def spec(type_id, category=DEFINED):
    """A kind as requests name it."""
    return {"associationCategory": category, "associationTypeId": type_id}


@pytest.fixture
def site(hub, hub_upsert):
    """Ann, two companies, and short ways to associate them."""
    return Site(hub, hub_upsert)


class Site:
    """Requests about one contact and its companies."""

    def __init__(self, hub, hub_upsert):
        self.hub = hub
        made = {"contacts": ["ann"], "companies": ["acme", "bolt"]}
        self.ids = {
            key: hub_upsert([(key, {})], object=name).json()["results"][0]["id"]
            for name, keys in made.items()
            for key in keys
        }

    def pair(self, company, **more):
        """Ann and a company."""
        return {"from": {"id": self.ids["ann"]}, "to": {"id": self.ids[company]}, **more}

    def create(self, company, *specs):
        """Associate them."""
        return self.hub.post(f"{BASE}/batch/create", json={"inputs": [self.pair(company, types=list(specs))]})

    def kinds(self):
        """Ids of the kinds that hold, by company."""
        read = self.hub.post(f"{BASE}/batch/read", json={"inputs": [{"id": self.ids["ann"]}]}).json()
        names = {int(record_id): key for key, record_id in self.ids.items()}
        found = [target for result in read["results"] for target in result["to"]]
        return {names[t["toObjectId"]]: {k["typeId"] for k in t["associationTypes"]} for t in found}

    def label(self, name):
        """Make a label of the account's own; gives its id."""
        return self.hub.post(f"{BASE}/labels", json={"label": name, "name": name.lower()}).json()["results"][0][
            "typeId"
        ]


def test_the_first_company_becomes_the_primary_one(site):
    """Later ones do not."""
    pairs = [site.pair("acme"), site.pair("bolt")]
    answer = site.hub.post(f"{BASE}/batch/associate/default", json={"inputs": pairs})
    assert [result["associationSpec"]["associationTypeId"] for result in answer.json()["results"]] == [279, 280] * 2
    assert site.kinds() == {"acme": {1, 279}, "bolt": {279}}


def test_a_new_primary_company_takes_the_place_of_the_old(site):
    """Which stays associated."""
    site.create("acme", spec(1))
    site.create("bolt", spec(1))
    assert site.kinds() == {"acme": {279}, "bolt": {1, 279}}


def test_a_primary_company_is_told_from_the_other_side_too(site):
    """The reverse of the kind has the same effect."""
    site.create("acme", spec(1))
    back = {"from": {"id": site.ids["bolt"]}, "to": {"id": site.ids["ann"]}, "types": [spec(2)]}
    site.hub.post("/crm/v4/associations/companies/contacts/batch/create", json={"inputs": [back]})
    assert site.kinds() == {"acme": {279}, "bolt": {1, 279}}


def test_labels_are_listed_made_and_taken_away(site):
    """A label comes with the unlabelled kind, which stays when the label goes."""
    billing = site.label("Billing contact")
    shown = site.hub.get(f"{BASE}/labels").json()["results"]
    assert [(kind["category"], kind["label"]) for kind in shown] == [
        (DEFINED, None),
        (DEFINED, "Primary"),
        ("USER_DEFINED", "Billing contact"),
    ]
    site.create("bolt", spec(279))
    answer = site.create("acme", spec(billing, "USER_DEFINED"))
    assert answer.json()["results"][0]["labels"] == ["Billing contact"]
    assert site.kinds()["acme"] == {279, billing}
    gone = site.pair("acme", types=[spec(billing, "USER_DEFINED")])
    assert site.hub.post(f"{BASE}/batch/labels/archive", json={"inputs": [gone]}).status_code == 204
    assert site.kinds()["acme"] == {279}
    assert site.hub.post(f"{BASE}/labels", json={"label": "Billing contact", "name": "b"}).status_code == 409


def test_without_the_unlabelled_kind_nothing_is_left(site):
    """To take it away takes labels with it."""
    site.create("acme", spec(site.label("Payer"), "USER_DEFINED"))
    gone = site.pair("acme", types=[spec(279)])
    site.hub.post(f"{BASE}/batch/labels/archive", json={"inputs": [gone]})
    assert site.kinds() == {}


@pytest.mark.parametrize("specs", [[], [spec(280)], [spec(279, "USER_DEFINED")], [{}], ["x"]])
def test_kinds_that_are_none_refuse_the_request(site, specs):
    """Of the other direction, of another category, or no kind at all."""
    assert site.create("acme", *specs).status_code == 400
    assert site.kinds() == {}


def test_a_record_is_created_with_its_associations(site, server):
    """Those that cannot be cost the record."""
    wanted = {"to": {"id": site.ids["acme"]}, "types": [spec(279)]}
    rows = [
        {"properties": {"warehouse_id": key}, "objectWriteTraceId": key, "associations": [row]}
        for key, row in {
            "good": wanted,
            "gone": wanted | {"to": {"id": "1"}},
            "odd": wanted | {"types": [spec(7)]},
        }.items()
    ]
    answer = site.hub.post("/crm/v3/objects/contacts/batch/create", json={"inputs": rows}).json()
    assert [result["properties"]["warehouse_id"] for result in server.control.hubspot.records("contacts")] == [
        "ann",
        "good",
    ]
    assert {error["context"]["objectWriteTraceId"][0] for error in answer["errors"]} == {"gone", "odd"}
    made = [link for link in server.control.hubspot.records("associations") if link["from"][0] == "contacts"]
    assert [link["types"] for link in made] == [[1, 279]]


def test_an_archived_record_is_associated_with_nothing(site):
    """Neither seen from it nor from the other side."""
    site.create("acme", spec(279))
    site.hub.delete(f"/crm/v3/objects/companies/{site.ids['acme']}")
    assert site.kinds() == {}


def test_a_single_association_can_be_refused(site, server):
    """The others of the request are made."""
    server.control.hubspot.fail_rows("associations", "LIMIT", field="to", values=[site.ids["acme"]])
    inputs = [site.pair(key, types=[spec(279)]) for key in ("acme", "bolt")]
    answer = site.hub.post(f"{BASE}/batch/create", json={"inputs": inputs})
    assert (answer.status_code, answer.json()["errors"][0]["category"]) == (207, "LIMIT")
    assert site.kinds().keys() == {"bolt"}


def test_kinds_and_associations_outlive_a_restart():
    """Also those of custom objects, whose numbers are the portal's own."""
    portal = Portal(HubSpotOptions())
    portal.declare({"pets": {}})
    types = portal.links.types
    label = types.add("contacts", "pets", {"label": "Owner"})[0]
    pair = next(pair for pair in types.kinds("contacts", "pets") if pair[0] == label)
    portal.links.add(("contacts", "pets", "1", "2"), [pair])
    again = Portal(HubSpotOptions())
    again.declare({"pets": {}})
    again.restore(portal.dump())
    assert again.links.shown() == portal.links.shown()
    assert again.links.types.kinds("pets", "contacts") == types.kinds("pets", "contacts")
    assert again.links.types.add("contacts", "pets", {"label": "Sitter"})[0].type_id > label.type_id
