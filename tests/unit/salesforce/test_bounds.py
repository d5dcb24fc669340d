"""What fields take beyond their type: lengths, restricted picklists, record ids."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace.sandbox.salesforce import ids
from tailrace_destinations.plain import Unfit
from tailrace_destinations.salesforce.bounds import Bounds, bounds, cut, record_id, units
from tailrace_destinations.salesforce.config import SalesforceOptions

SHORT = st.text("ABCxyz019", min_size=15, max_size=15) | st.text(ids.DIGITS, min_size=15, max_size=15)
LETTERS = st.text() | st.text("a🙂é\u0301\u200d👩🏽\ufe0f", max_size=20)
FAMILY = "👩\u200d👩\u200d👧"
STAGES = [
    {"value": "new_1", "label": "New", "active": True},
    {"value": "won", "label": "Closed Won", "active": True},
    {"value": "lost", "label": "Lost", "active": False},
]


def kept(control, object="Contact"):
    """Read what the server keeps, by external id."""
    return {record["External_Id__c"]: record for record in control.records(object)}


@given(SHORT)
def test_ids_of_15_become_those_of_18(text):
    """The long form is the sandbox's, begins with the short one, and is its own long form."""
    long = record_id(text)
    assert long == ids.long_id(text)
    assert (long[:15], record_id(long), len(long)) == (text, long, 18)


@given(SHORT, st.data())
def test_long_ids_survive_the_loss_of_case(text, data):
    """Long forms of ids that differ in case alone differ in more; an id whose case was changed is refused."""
    other = "".join(data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in text)
    assert (record_id(other).lower() == record_id(text).lower()) == (other == text)
    if other != text:
        with pytest.raises(Unfit, match="case was changed"):
            record_id(other + record_id(text)[15:])


@pytest.mark.parametrize("text", ["1", "0" * 14, "0" * 16, "0" * 19, "0015g00000WaTr!", "0015g00000WaTrٱ", "0" * 18])
def test_what_is_no_id(text):
    """Length, letters and checksum are looked at, and the words do not show the text."""
    with pytest.raises(Unfit) as caught:
        record_id(text)
    assert caught.value.code == "MALFORMED_ID"
    assert len(text) < 3 or text not in str(caught.value)


@given(LETTERS, st.integers(1, 20))
@example("👩🏽x", 4)
@example("e\u0301", 1)
@example(FAMILY * 2, units(FAMILY) + 3)
def test_cutting(text, most):
    """What is left is a beginning that fits, in UTF-16 units, and nothing that would have fitted as well is lost."""
    left = cut(text, most)
    assert units(left) <= most
    assert units(left) == len(left.encode("utf-16-le", "surrogatepass")) // 2
    assert text.startswith(left)
    if units(text) <= most:
        assert left == text.rstrip()


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("abcdef", 3, "abc"),
        ("ab🙂", 3, "ab"),
        ("ab🙂", 4, "ab🙂"),
        ("abe\u0301", 3, "ab"),
        ("a👍🏽", 3, "a"),
        (FAMILY * 2, units(FAMILY) + 3, FAMILY),
        ("a  bc", 3, "a"),
        ("\u0301" * 4, 2, "\u0301" * 2),
    ],
)
def test_characters_are_not_parted(text, most, left):
    """Pairs of surrogates, accents, skin tones and joined emoji stay whole; white space at the end goes, as there."""
    assert cut(text, most) == left


def test_too_long_is_refused_before_it_is_sent(crm, batch, calls, control):
    """By default the row is rejected with Salesforce's code and both lengths, never the text."""
    rows = [{"id": "a", "LastName": "canary" * 20}, {"id": "b", "LastName": "Roe"}]
    outcomes = {outcome.marker: outcome for outcome in crm.push(batch("upsert", *rows))}
    assert outcomes["r0"].code == "STRING_TOO_LONG"
    assert "LastName: the text has 120 characters, and the field takes 80" in outcomes["r0"].message
    assert "too_long: truncate" in outcomes["r0"].message
    assert "canary" not in outcomes["r0"].message
    assert list(kept(control)) == ["b"]
    calls.spent.clear()
    crm.push(batch("upsert", rows[0]))
    assert calls.spent == []


def test_too_long_by_one_count_alone_is_left_to_salesforce(crm, batch):
    """80 emoji have 160 UTF-16 units: whether they fit 80 characters is Salesforce's word."""
    assert crm.push(batch("upsert", {"id": "a", "LastName": "🙂" * 80}))[0].status == "acknowledged"


def test_truncate(connect, batch, control):
    """Free text is cut to whole characters that fit by either count; the rest of the row is as it was."""
    crm = connect(SalesforceOptions(too_long="truncate"))
    row = {"id": "a", "LastName": "x" * 79 + "🙂", "FirstName": "Ann", "Title": "y" * 500}
    assert crm.push(batch("upsert", row))[0].status == "acknowledged"
    record = kept(control)["a"]
    assert (record["LastName"], record["FirstName"], record["Title"]) == ("x" * 79, "Ann", "y" * 128)


@pytest.mark.parametrize("field", ["Email", "Phone", "External_Id__c"])
def test_what_half_of_is_wrong_is_never_cut(connect, batch, field):
    """Addresses, numbers and keys are rejected whatever the setting, and the setting is not offered."""
    crm = connect(SalesforceOptions(too_long="truncate"))
    row = {"id": "k" * 300, "LastName": "Roe"} if field == "External_Id__c" else {"id": "a", field: "1" * 300}
    outcome = crm.push(batch("upsert", row))[0]
    assert (outcome.status, outcome.code) == ("rejected", "STRING_TOO_LONG")
    assert "truncate" not in outcome.message


def test_html_is_never_cut():
    """Half of it is none."""
    entry = {"name": "F__c", "type": "textarea", "length": 5, "htmlFormatted": True}
    assert not bounds(entry, cuts=True).cuts
    assert bounds(entry | {"htmlFormatted": False}, cuts=True).cuts


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Closed Won", "send 'won'"),
        ("closed won", "send 'won'"),
        ("wonn", "did you mean won?"),
        ("lost", "inactive in this restricted picklist"),
        ("canary", "has no such active value; it takes new_1, won"),
    ],
)
def test_restricted_picklists(crm, batch, control, calls, value, words):
    """What is no active value is refused before it is sent: with the value behind a label, or what is near."""
    field = {"name": "Stage__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": STAGES}
    control.declare({"Contact": {"fields": [field]}})
    assert crm.describe("Contact").get("Stage__c").options == ("new_1", "won")
    calls.spent.clear()
    outcome = crm.push(batch("upsert", {"id": "a", "LastName": "Roe", "Stage__c": value}))[0]
    assert (outcome.code, calls.spent) == ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", [])
    assert words in outcome.message
    assert value == "lost" or f"'{value}'" not in outcome.message
    good = batch(
        "upsert", {"id": "b", "LastName": "Roe", "Stage__c": " won "}, {"id": "c", "LastName": "x", "Stage__c": ""}
    )
    assert {outcome.status for outcome in crm.push(good)} == {"acknowledged"}
    assert [kept(control)[key]["Stage__c"] for key in "bc"] == ["won", None]


def test_the_sandbox_refuses_labels_and_inactive_values(crm, control):
    """As a restricted picklist does."""
    field = {"name": "Stage__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": STAGES}
    control.declare({"Contact": {"fields": [field]}})
    for value, fits in {"Closed Won": False, "lost": False, "won": True}.items():
        body = f'{{"records":[{{"attributes":{{"type":"Contact"}},"LastName":"x","Stage__c":"{value}"}}]}}'
        assert crm._client.write("POST", "composite/sobjects", body, {})[0]["success"] is fits


def test_several_choices(crm, batch):
    """Each of several choices is looked at; a free picklist takes what it is given."""
    rows = [
        {"id": "a", "LastName": "x", "Interests__c": ["Art", "Muzic"]},
        {"id": "b", "LastName": "x", "LeadSource": "New"},
    ]
    outcomes = {outcome.marker: outcome for outcome in crm.push(batch("upsert", *rows))}
    assert "did you mean Music?" in outcomes["r0"].message
    assert outcomes["r1"].status == "acknowledged"


def test_case_of_a_choice_is_left_to_salesforce(crm, batch, calls):
    """A value that differs from an active one in case alone is sent."""
    crm.push(batch("upsert", {"id": "a", "LastName": "x", "Tier__c": "gold"}))
    assert calls.writes == 1


def test_references_are_sent_in_the_long_form(crm, batch, control, calls):
    """A short id arrives as the long one; what is no id costs its row here."""
    account = crm.push(batch("create", {"id": "acme", "Name": "Acme"}, object="Account"))[0].record_id
    rows = [{"id": "a", "LastName": "x", "AccountId": account[:15]}, {"id": "b", "LastName": "x", "AccountId": "acme"}]
    outcomes = {outcome.marker: outcome for outcome in crm.push(batch("upsert", *rows))}
    assert outcomes["r1"].code == "MALFORMED_ID"
    assert kept(control)["a"]["AccountId"] == account


def test_digits_beyond_the_scale_are_sent_and_kept(crm, batch, control):
    """Nothing is rounded: the scale of a number field holds for what people type and see."""
    row = {"id": "a", "LastName": "x", "LTV__c": Decimal("1.23456")}
    assert crm.push(batch("upsert", row))[0].status == "acknowledged"
    assert kept(control)["a"]["LTV__c"] == 1.23456


def test_fields_without_bounds():
    """A describe answer that says nothing limits nothing."""
    assert bounds({"name": "F__c", "type": "string"}, cuts=True).fit("x" * 9999) == "x" * 9999
    assert bounds({"name": "F__c", "type": "picklist", "restrictedPicklist": True}, cuts=False).fit("any") == "any"
    assert bounds({"name": "F__c", "type": "double", "length": 2}, cuts=False) == Bounds()


@given(st.lists(st.none() | SHORT | SHORT.map(record_id) | SHORT.map(lambda text: text + "AAA") | st.text(max_size=19)))
@example(["0015g00000000001AAA\n", "0015g0000000001AAA", "ÀÀÀÀÀÀÀÀÀÀÀÀÀÀÀAAA", " 0015g0000000001AAA"])
def test_ids_that_need_no_second_look(texts):
    """Seen all at once, an id passes only if looking at it would change nothing."""
    limits = bounds({"name": "F__c", "type": "reference"}, cuts=False)
    for text, suspect in zip(texts, limits.suspects(pl.Series(texts, dtype=pl.String)), strict=True):
        try:
            same = text is None or record_id(text) == text
        except Unfit:
            same = False
        assert suspect is not same
