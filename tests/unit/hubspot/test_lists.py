"""Members of lists: who is meant, who is put in and taken out, and which lists cannot be written."""

import httpx
import pytest

from tailrace.destination import Context
from tailrace.errors import AnswerLost, ObjectNotFound, StopRun, WriteForbidden
from tailrace.project.types import Secret
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.hubspot import kinds, plugin
from tailrace_destinations.hubspot.config import HubSpotConfig

NAME = "list:VIP"


class Club:
    """A portal with a list; pushes rows to it, and tells who is in."""

    def __init__(self, server, control, calls, batch):
        self.url, self.control, self._calls, self._batch = server.hubspot_url, control, calls, batch
        self.opened = []
        self.id = self.make("VIP")

    def post(self, path, body, method="POST"):
        """A request as some other program makes it."""
        answer = httpx.request(method, self.url + path, json=body, headers={"Authorization": "Bearer other"})
        answer.raise_for_status()
        return answer.json()

    def make(self, name, processing="MANUAL", type_id="0-1"):
        """Make a list; gives its id."""
        body = {"name": name, "processingType": processing, "objectTypeId": type_id}
        return self.post("/crm/v3/lists/", body)["list"]["listId"]

    def people(self, *keys):
        """Make contacts; gives their ids by key."""
        inputs = [
            {"id": key, "idProperty": "warehouse_id", "properties": {"email": f"{key}@example.com"}} for key in keys
        ]
        made = self.post("/crm/v3/objects/contacts/batch/upsert", {"inputs": inputs})["results"]
        return {row["properties"]["email"].partition("@")[0]: row["id"] for row in made}

    def open(self, name=NAME, *, mode="mirror", calls=None):
        """The list, open."""
        config = HubSpotConfig(
            type="hubspot", access_token=Secret.literal("pat-eu1-sandbox"), base_url=self.url, timeout=10.0
        )
        context = Context("hub", calls or self._calls, ".", sync="vips", object=name, mode=mode)
        self.opened.append(plugin.open(config, context))
        return self.opened[-1]

    def batch(self, operation, *rows, match="warehouse_id", name=NAME):
        """A batch of rows."""
        return self._batch(operation, *rows, match=(match,), object=name)

    def members(self):
        """Keys of those who are in the list."""
        keys = {record["id"]: record["properties"]["warehouse_id"] for record in self.control.records("contacts")}
        (kept,) = [each for each in self.control.records("lists") if each["listId"] == self.id]
        return {keys[member] for member in kept["members"]}


@pytest.fixture
def club(server, control, calls, batch):
    """A portal with one list and nobody in it."""
    made = Club(server, control, calls, batch)
    yield made
    for each in made.opened:
        each.close()


def told(outcomes):
    """Status and code by marker."""
    return {outcome.marker: (outcome.status, outcome.code) for outcome in outcomes}


@pytest.mark.parametrize(("match", "key"), [("warehouse_id", "ann"), ("email", "ANN@example.com")])
def test_records_are_put_in_by_match(club, match, key):
    """Found by a unique property or by e-mail address; those without a record are skipped, and named so."""
    ids = club.people("ann")
    outcomes = club.open().push(club.batch("upsert", {"id": key}, {"id": "nobody"}, match=match))
    assert told(outcomes) == {"r0": ("acknowledged", None), "r1": ("skipped", "not_found")}
    assert outcomes[0].record_id == ids["ann"]
    assert club.members() == {"ann"}


def test_putting_in_twice_is_fine(club):
    """Who is in already is in."""
    club.people("ann", "bo")
    vip = club.open()
    vip.push(club.batch("upsert", {"id": "ann"}))
    outcomes = vip.push(club.batch("upsert", {"id": "ann"}, {"id": "bo"}))
    assert [(outcome.status, outcome.created) for outcome in outcomes] == [
        ("acknowledged", False),
        ("acknowledged", True),
    ]


def test_taking_out_leaves_the_record(club):
    """Twice is fine, and so is a record that was never in."""
    ids = club.people("ann", "bo")
    vip = club.open()
    vip.push(club.batch("upsert", {"id": "ann"}))
    rows = [{"id": key, "record_id": ids[key]} for key in ("ann", "bo")]
    for _ in range(2):
        assert set(told(vip.push(club.batch("delete", *rows))).values()) == {("acknowledged", None)}
    assert club.members() == set()
    assert len(club.control.records("contacts")) == 2
    assert told(vip.push(club.batch("delete", {"id": "ann"})))["r0"] == ("rejected", "NO_RECORD_ID")


@pytest.mark.parametrize(("mode", "left"), [("mirror", {"bo"}), ("upsert", {"ann", "bo"})])
def test_a_row_that_means_another_record_takes_its_place(club, mode, left):
    """With mirror the old one goes out; with upsert nobody ever does."""
    ids = club.people("ann", "bo")
    vip = club.open(mode=mode)
    vip.push(club.batch("upsert", {"id": "ann"}))
    moved = {"id": "ann", "warehouse_id": "bo", "record_id": ids["ann"]}
    outcome = vip.push(club.batch("update", moved))[0]
    assert (outcome.status, outcome.record_id) == ("acknowledged", ids["bo"])
    assert club.members() == left


def test_a_moved_row_whose_record_stays_the_same_stays_in(club):
    """The contact has its new address already."""
    ids = club.people("ann")
    vip = club.open()
    vip.push(club.batch("upsert", {"id": "ann"}))
    again = {"id": "old", "warehouse_id": "ann", "record_id": ids["ann"]}
    assert vip.push(club.batch("update", again))[0].record_id == ids["ann"]
    assert club.members() == {"ann"}


@pytest.mark.parametrize("together", [True, False])
def test_rows_that_swap_records_leave_both_in(club, together):
    """In one batch or in two."""
    ids = club.people("ann", "bo")
    vip = club.open()
    vip.push(club.batch("upsert", {"id": "ann"}, {"id": "bo"}))
    rows = [
        {"id": "ann", "warehouse_id": "bo", "record_id": ids["ann"]},
        {"id": "bo", "warehouse_id": "ann", "record_id": ids["bo"]},
    ]
    for some in [rows] if together else [rows[:1], rows[1:]]:
        vip.push(club.batch("update", *some))
    assert club.members() == {"ann", "bo"}


@pytest.mark.parametrize("spelling", [("recordsIdsAdded", "recordIdsMissing"), ("recordIdsAdded", "recordsIdsMissing")])
def test_answers_are_read_in_either_spelling(club, spelling):
    """Those who are missing are skipped, those who are not named were in before."""
    ids = club.people("ann", "bo", "cy")
    added, missing = spelling
    body = {added: [ids["ann"]], missing: [int(ids["bo"])], "recordIdsRemoved": []}
    club.control.fail("memberships", status=200, body=body)
    outcomes = club.open().push(club.batch("upsert", {"id": "ann"}, {"id": "bo"}, {"id": "cy"}))
    assert told(outcomes) == {
        "r0": ("acknowledged", None),
        "r1": ("skipped", "not_found"),
        "r2": ("acknowledged", None),
    }
    assert [outcome.created for outcome in outcomes] == [True, None, False]


def test_an_answer_that_tells_nothing_is_a_lost_one(club):
    """Nobody is taken for put in."""
    club.people("ann")
    club.control.fail("memberships", status=200, body={})
    with pytest.raises(AnswerLost):
        club.open().push(club.batch("upsert", {"id": "ann"}))


def test_a_lost_answer_can_be_repeated(club):
    """It was carried out, and is so again."""
    club.people("ann")
    vip = club.open()
    club.control.fail("memberships", drop=True, commit=True)
    with pytest.raises(AnswerLost):
        vip.push(club.batch("upsert", {"id": "ann"}))
    assert told(vip.push(club.batch("upsert", {"id": "ann"}))) == {"r0": ("acknowledged", None)}
    assert club.members() == {"ann"}


def test_a_list_that_became_active_stops_the_run(club):
    """No row is to blame."""
    club.people("ann")
    club.control.fail("memberships", status=400, body={"category": "VALIDATION_ERROR", "message": "is DYNAMIC"})
    with pytest.raises(StopRun, match="DYNAMIC"):
        club.open().push(club.batch("upsert", {"id": "ann"}))


def test_a_dry_run_writes_nothing(club):
    """Records may be looked for."""
    club.people("ann")
    with pytest.raises(WriteForbidden):
        club.open(calls=RecordingCalls(read_only=True)).push(club.batch("upsert", {"id": "ann"}))
    assert club.members() == set()


def test_a_batch_takes_as_many_requests_as_estimated(club, calls):
    """One to find records, one to put them in."""
    club.people("ann", "bo")
    vip = club.open()
    vip.describe(NAME)
    before = len(calls.spent)
    vip.push(club.batch("upsert", {"id": "ann"}, {"id": "bo"}))
    assert len(calls.spent) - before == vip.capabilities.batch_calls


def test_only_members_are_found(club):
    """A contact that is not in the list is not there, as far as the list goes; all pages are looked at."""
    keys = [f"p{number}" for number in range(300)]
    ids = {key: id_ for start in range(0, 300, 100) for key, id_ in club.people(*keys[start : start + 100]).items()}
    members = {key: ids[key] for key in keys[:260]}
    club.post(f"/crm/v3/lists/{club.id}/memberships/add", list(members.values()), "PUT")
    found = club.open().find(NAME, ("warehouse_id",), [(key,) for key in keys])
    assert {record.match[0]: record.id for record in found} == members


def test_a_list_is_described_by_what_its_members_are_found_by(club):
    """Its fields are read-only, and the note says which list it is."""
    schema = club.open().describe(NAME)
    assert schema.get("email").unique
    assert not schema.get("firstname").updateable
    assert (schema.fault, schema.note) == ("", f"VIP is list {club.id}, of contacts, MANUAL")


def test_a_list_may_be_named_by_its_id(club):
    """A name of digits is an id first, and a name when there is no such id."""
    club.make("2026")
    assert f"list {club.id}" in club.open().describe(f"list:{club.id}").note
    assert "2026 is list" in club.open("list:2026").describe("list:2026").note


def test_an_active_list_is_refused_with_what_to_do(club):
    """The contract tells it, so nothing is sent."""
    club.make("Fresh leads", "DYNAMIC")
    assert "static list of contacts" in club.open().describe("list:Fresh leads").fault


@pytest.mark.parametrize(
    ("name", "words"),
    [("list:VIPP", "no list 'VIPP'; did you mean VIP"), ("list:77", "no list '77'"), ("list:", "no list ''")],
)
def test_an_unknown_list_is_named_with_close_ones(club, name, words):
    """Also when a search for its whole name finds nothing."""
    with pytest.raises(ObjectNotFound, match=words):
        club.open().describe(name)


def test_a_name_that_tells_several_lists_wants_an_id(club):
    """Lists of different objects may have one name; case tells lists apart only where it must."""
    other = club.make("VIP", type_id="0-2")
    with pytest.raises(ObjectNotFound, match=f"list:{other} \\(of companies\\)"):
        club.open().describe(NAME)
    club.make("Gold")
    assert "Gold is list" in club.open().describe("list:gold").note


def test_a_list_of_companies_has_companies_in_it(club):
    """What its members are is read from the list."""
    list_id = club.make("Firms", type_id="0-2")
    inputs = [{"id": "acme", "idProperty": "warehouse_id", "properties": {}}]
    club.post("/crm/v3/objects/companies/batch/upsert", {"inputs": inputs})
    club.open("list:Firms").push(club.batch("upsert", {"id": "acme"}, name="list:Firms"))
    (kept,) = [each for each in club.control.records("lists") if each["listId"] == list_id]
    assert len(kept["members"]) == 1


def test_what_can_be_done_with_a_list():
    """No fields, two modes."""
    able = kinds(HubSpotConfig(type="hubspot", access_token=Secret.literal("x"), batch_size=50), NAME)
    assert (able.fields, able.modes, able.batch_size) == (False, {"mirror", "upsert"}, 50)
    assert "members of the list VIP" in able.about
