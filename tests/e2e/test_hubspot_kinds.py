"""Lists and events of the HubSpot-like server, by the real command line."""

import httpx
import pytest
from tests.e2e.labs import on_hubspot

VIPS = """\
model: vips
destination: hub
object: list:VIP
mode: {mode}
key: id
match: {{email: email}}
"""
ORDERS = """\
model: orders
destination: hub
object: event:order_paid
mode: append
key: id
fields:
  email: email
  occurredAt: paid_at
  amount: amount
"""
HEADERS = {"Authorization": "Bearer other"}


@pytest.fixture
def lab(workspace, hubspot_server, monkeypatch):
    """A project that writes to the server, in which a list and an event are known."""
    hubspot_server.control.reset()
    (workspace.root / "syncs/people.yml").unlink()
    on_hubspot(workspace, hubspot_server, monkeypatch, concurrency=2)
    return Lab(workspace, hubspot_server)


class Lab:
    """Writes syncs and models, runs them, and looks into the portal."""

    def __init__(self, workspace, hubspot_server):
        self.workspace, self.hub, self._url = workspace, hubspot_server.control.hubspot, hubspot_server.hubspot_url
        properties = [{"name": "amount", "label": "Amount", "type": "number"}]
        self.make_list("VIP")
        self.post("/events/v3/event-definitions", {"name": "order_paid", "propertyDefinitions": properties}, expect=409)

    def post(self, path, body, *, expect=201):
        """A request as some other program makes it."""
        answer = httpx.post(self._url + path, json=body, headers=HEADERS)
        assert answer.status_code in {200, 201, 204, expect}, answer.text
        return answer.json() if answer.content else None

    def make_list(self, name, processing="MANUAL"):
        """Make a list of contacts."""
        self.post("/crm/v3/lists/", {"name": name, "processingType": processing, "objectTypeId": "0-1"})

    def contacts(self, *names):
        """Make contacts."""
        inputs = [
            {"id": name, "idProperty": "warehouse_id", "properties": {"email": f"{name}@example.com"}} for name in names
        ]
        self.post("/crm/v3/objects/contacts/batch/upsert", {"inputs": inputs})

    def take_out(self, name):
        """Take a contact out of the list, as people do."""
        (kept,) = [each for each in self.hub.records("lists") if each["name"] == "VIP"]
        body = {"recordIdsToAdd": [], "recordIdsToRemove": [self._id(name)]}
        path = f"/crm/v3/lists/{kept['listId']}/memberships/add-and-remove"
        assert httpx.put(self._url + path, json=body, headers=HEADERS).status_code == 200

    def archive(self, name):
        """Archive a contact."""
        body = {"inputs": [{"id": self._id(name)}]}
        self.post("/crm/v3/objects/contacts/batch/archive", body, expect=204)

    def _id(self, name):
        records = self.hub.records("contacts")
        return next(record["id"] for record in records if record["properties"]["warehouse_id"] == name)

    def vips(self, *names, mode="mirror", sync=None):
        """Write the model of a list's members, and its sync."""
        rows = ", ".join(f"({number}, '{name}@example.com')" for number, name in enumerate(names))
        values = f"values {rows}" if rows else "select 0, '' where false"
        self.workspace.write("models/vips.sql", f"select * from ({values}) as t(id, email)")
        self.workspace.write("syncs/vips.yml", sync or VIPS.format(mode=mode))

    def orders(self, *rows, sync=ORDERS):
        """Write the model of events, and its sync."""
        made = ", ".join(
            f"({id_}, {email!r}, timestamptz '2026-01-0{id_} 12:00:00+00', {amount})" for id_, email, amount in rows
        )
        self.workspace.write("models/orders.sql", f"select * from (values {made}) as t(id, email, paid_at, amount)")
        self.workspace.write("syncs/orders.yml", sync)

    def run(self, *arguments, code=0):
        """Run; gives the one result."""
        (run,) = self.workspace.run("run", *arguments, "--json", code=code).json["runs"]
        return run

    @property
    def members(self):
        """Names of those who are in the list."""
        names = {record["id"]: record["properties"]["warehouse_id"] for record in self.hub.records("contacts")}
        (kept,) = [each for each in self.hub.records("lists") if each["name"] == "VIP"]
        return sorted(names[member] for member in kept["members"])

    @property
    def events(self):
        """Whose events there are, and their amounts."""
        return sorted((event["email"], event["properties"]["amount"]) for event in self.hub.records("events"))


def test_a_list_is_kept_equal_to_the_model(lab):
    """Who comes is put in, who leaves is taken out, no contact is touched, and nothing is sent twice."""
    lab.contacts("ann", "bo", "cy")
    written = lab.hub.counters()["writes"]["contacts"]
    lab.vips("ann", "bo")
    assert lab.run("vips")["acknowledged"] == 2
    lab.vips("ann", "bo", "cy")
    assert lab.run("vips")["inserts"] == 1
    lab.vips("ann")
    assert (lab.run("vips")["deletes"], lab.members) == (2, ["ann"])
    assert lab.run("vips")["status"] == "nothing_to_do"
    assert lab.hub.counters()["writes"]["contacts"] == written


def test_a_full_run_puts_back_whom_others_took_out(lab):
    """And whose record was archived and came back as another one; nobody is put in twice."""
    lab.contacts("ann", "bo", "cy")
    lab.vips("ann", "bo", "cy")
    lab.run("vips")
    lab.take_out("ann")
    lab.archive("bo")
    lab.contacts("bo")
    assert (lab.run("vips")["status"], lab.members) == ("nothing_to_do", ["cy"])
    full = lab.run("vips", "--full")
    assert (full["updates"], full["acknowledged"]) == (3, 3)
    assert lab.members == ["ann", "bo", "cy"]
    assert lab.run("vips")["status"] == "nothing_to_do"


def test_who_has_no_record_is_skipped_and_asked_for_again(lab):
    """No error: the contact comes one day, and then is put in."""
    lab.contacts("ann")
    lab.vips("ann", "late")
    first = lab.run("vips")
    assert (first["acknowledged"], first["skipped"], first["rejected"]) == (1, 1, 0)
    lab.contacts("late")
    assert lab.run("vips")["acknowledged"] == 1
    assert lab.members == ["ann", "late"]


def test_mode_upsert_only_adds(lab):
    """Who leaves the model stays in the list."""
    lab.contacts("ann", "bo")
    lab.vips("ann", "bo", mode="upsert")
    lab.run("vips")
    lab.vips("bo", mode="upsert")
    lab.run("vips")
    assert lab.members == ["ann", "bo"]


def test_a_row_that_means_another_contact_takes_its_place(lab):
    """The key is the same, the address is not."""
    lab.contacts("ann", "bo")
    lab.vips("ann")
    lab.run("vips")
    lab.vips("bo")
    assert lab.run("vips")["updates"] == 1
    assert lab.members == ["bo"]


@pytest.mark.parametrize("commit", [True, False])
def test_a_lost_answer_puts_nobody_in_twice_and_leaves_nobody_out(lab, commit):
    """It is repeated."""
    lab.contacts("ann", "bo")
    lab.vips("ann", "bo")
    lab.hub.fail("memberships", drop=True, commit=commit, times=2)
    assert lab.run("vips")["acknowledged"] == 2
    assert lab.members == ["ann", "bo"]


def test_a_plan_says_what_it_is_about(lab):
    """That rows are members, and, once the destination was asked, which list it is; nothing is written."""
    lab.contacts("ann")
    lab.vips("ann")
    said = lab.workspace.run("plan", "vips").out
    assert "members of the list VIP" in said
    assert "2 API calls" in said
    assert "of contacts, MANUAL" in lab.workspace.run("plan", "vips", "--check").out
    assert lab.members == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("list:VIP", "list:Active", "static list of contacts"),
        ("list:VIP", "list:VIPP", "did you mean VIP"),
        ("email: email", "firstname: email", "cannot be matched by it"),
    ],
)
def test_lists_that_cannot_be_written_are_refused_with_what_to_do(lab, old, new, words):
    """By `check` and before anything is sent."""
    lab.make_list("Active", "DYNAMIC")
    lab.contacts("ann")
    lab.vips("ann", sync=VIPS.format(mode="mirror").replace(old, new))
    assert words in lab.workspace.run("check", "vips", code=2).out
    answer = lab.workspace.run("run", "vips", code=None)
    assert answer.code != 0
    assert words in answer.out + answer.err
    assert all(not kept["members"] for kept in lab.hub.records("lists"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mode: mirror", "mode: insert", "it takes mirror or upsert"),
        ("key: id", "key: id\non_delete: clear", "takes delete or keep"),
        ("key: id", "key: id\non_delete: archive", "cannot archive"),
        ("key: id", "key: id\nfields: {firstname: email}", "mean nothing for list:VIP"),
        ("match: {email: email}", "", "`match` is missing"),
    ],
)
def test_what_means_nothing_for_a_list_is_told(lab, old, new, words):
    """Without asking the destination."""
    lab.vips("ann", sync=VIPS.format(mode="mirror").replace(old, new))
    assert words in lab.workspace.run("plan", "vips", code=2).err


def test_adopt_takes_who_is_in_the_list(lab):
    """And not who is a contact only."""
    lab.contacts("ann", "bo")
    lab.vips("ann", mode="upsert")
    lab.run("vips")
    lab.workspace.run("reset", "vips", "--yes")
    lab.vips("ann", "bo")
    lab.workspace.run("adopt", "vips")
    assert lab.run("vips")["inserts"] == 1
    assert lab.members == ["ann", "bo"]


def test_events_are_sent_once(lab):
    """New rows only; a second run has nothing to do."""
    lab.orders((1, "ann@example.com", 10), (2, "bo@example.com", 20))
    assert lab.run("orders")["acknowledged"] == 2
    assert lab.run("orders")["status"] == "nothing_to_do"
    lab.orders((1, "ann@example.com", 99), (2, "bo@example.com", 20), (3, "ann@example.com", 5))
    assert lab.run("orders")["acknowledged"] == 1
    assert lab.events == [("ann@example.com", "10"), ("ann@example.com", "5"), ("bo@example.com", "20")]
    assert "neither changed nor taken back" in lab.workspace.run("plan", "orders").out


def test_an_event_that_nobody_answered_is_held(lab):
    """As `on_unknown` says; what is sent again counts once, as HubSpot tells it by its id."""
    lab.orders((1, "ann@example.com", 10))
    lab.hub.fail("send/batch", drop=True, commit=True)
    assert lab.run("orders", code=4)["unknown"] == 1
    assert lab.run("orders", code=None)["acknowledged"] == 0
    assert "1 rows resolved" in lab.workspace.run("resolve", "orders", "--resend").out
    assert lab.run("orders")["acknowledged"] == 1
    assert lab.events == [("ann@example.com", "10")]


@pytest.mark.parametrize("commit", [True, False])
def test_on_unknown_resend_sends_again_at_once(lab, commit):
    """With one event in the end, whether or not the first got through."""
    lab.orders((1, "ann@example.com", 10), sync=f"{ORDERS}on_unknown: resend\n")
    lab.hub.fail("send/batch", drop=True, commit=commit)
    assert lab.run("orders")["acknowledged"] == 1
    assert lab.events == [("ann@example.com", "10")]


def test_one_event_that_is_refused_costs_one_row(lab):
    """The others are sent, each once."""
    lab.orders(*((number, f"p{number}@example.com", number) for number in range(1, 8)))
    lab.hub.fail_rows("events", "ODD", field="amount", values=["3"], times=20)
    run = lab.run("orders", code=4)
    assert (run["acknowledged"], run["rejected"], run["errors"][0]["code"]) == (6, 1, "ODD")
    assert len(lab.events) == 6


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  email: email\n", "", "at least one of email, objectId, utk"),
        ("amount: amount", "amont: amount", "did you mean amount"),
        ("event:order_paid", "event:order_payed", "did you mean order_paid"),
        ("occurredAt: paid_at", "occurredAt: email", "does not fit"),
    ],
)
def test_mappings_that_fit_no_event_are_refused(lab, old, new, words):
    """Before anything is sent."""
    lab.orders((1, "ann@example.com", 10), sync=ORDERS.replace(old, new))
    assert words in lab.workspace.run("check", "orders", code=2).out
    assert lab.workspace.run("run", "orders", code=None).code != 0
    assert lab.hub.records("events") == []


def test_an_event_is_appended_and_nothing_else(lab):
    """Other modes are told so."""
    sync = ORDERS.replace("mode: append", "mode: upsert\nmatch: {x: id}")
    lab.orders((1, "ann@example.com", 10), sync=sync)
    assert "it takes append" in lab.workspace.run("plan", "orders", code=2).err
