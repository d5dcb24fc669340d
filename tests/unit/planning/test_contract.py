"""The contract guard."""

import pytest

from tailrace.destination import Field, ObjectSchema
from tailrace.planning import faults, missing_required
from tailrace.project.config import SyncConfig
from tailrace.values import LogicalType

TEXT = frozenset({"string"})
SCHEMA = ObjectSchema(
    "Contact",
    {
        "Ext": Field("Ext", "string", TEXT, unique=True),
        "LastName": Field("LastName", "string", TEXT, required=True),
        "Email": Field("Email", "email", TEXT),
        "Total": Field("Total", "double", frozenset({"decimal"}), createable=False, updateable=False),
        "Stage": Field("Stage", "picklist", TEXT, options=("new", "old")),
        "Birth": Field("Birth", "date", frozenset({"date"}), updateable=False),
    },
    case_insensitive=True,
)


def config(fields, **changes):
    base = {
        "model": "m",
        "destination": "d",
        "object": "Contact",
        "key": "id",
        "match": {"Ext": "id"},
        "mode": "upsert",
    }
    return SyncConfig.model_validate({**base, "fields": fields, **changes})


@pytest.mark.parametrize(
    ("fields", "field", "word"),
    [
        ({"Emial": "email"}, "Emial", "did you mean Email"),
        ({"Total": "total"}, "Total", "read-only"),
        ({"Stage": {"value": "gone"}}, "Stage", "'gone' is not among its choices: new, old"),
        ({"Birth": "birth"}, "Birth", "only when a record is created"),
    ],
)
def test_a_field_that_cannot_be_written_is_named_with_the_reason(fields, field, word):
    """Each fault says what is wrong with which field."""
    found = faults(config(fields), SCHEMA)
    assert word in found[field]


def test_a_good_mapping_has_no_faults():
    """Names compare as the destination compares them."""
    assert faults(config({"email": "email", "LastName": "name"}), SCHEMA) == {}


def test_a_type_that_does_not_fit_is_a_fault():
    """Types are judged once the model's are known."""
    found = faults(config({"Email": "email"}), SCHEMA, {"f:Email": LogicalType("binary")})
    assert "binary does not fit its type email" in found["Email"]


def test_a_field_that_cannot_be_empty_cannot_be_cleared():
    """on_delete: clear over a field without an empty value is found before the first row."""
    schema = ObjectSchema(
        "o", {"id": Field("id", "int", TEXT, unique=True), "on": Field("on", "bool", TEXT, nullable=False)}
    )
    mirror = config({"on": "flag"}, match={"id": "id"}, mode="mirror", on_delete="clear")
    assert "cannot be empty" in faults(mirror, schema)["on"]
    assert faults(config({"on": "flag"}, match={"id": "id"}, mode="mirror"), schema) == {}


NULL = {"value": None}


def test_a_constant_null_fits_every_type_that_can_be_empty():
    """The column of a constant null may have any type, or none yet; fields and references beside the object take it."""
    fields = {"Birth": {**NULL, "write": "create"}, "boss": {"lookup": "Account", "by": "No", **NULL}}
    types = {"f:Birth": LogicalType("string"), "f:boss": LogicalType("bool")}
    assert faults(config(fields), SCHEMA, types, {"boss": Field("boss", "association", TEXT)}) == {}


@pytest.mark.parametrize("types", [None, {}, {"f:on": LogicalType("string")}])
def test_a_constant_null_needs_a_field_that_can_be_empty(types):
    """`check`, which may not know types, and the guard say the same; what skips nulls sends none."""
    schema = ObjectSchema(
        "o", {"id": Field("id", "int", TEXT, unique=True), "on": Field("on", "boolean", TEXT, nullable=False)}
    )
    found = faults(config({"on": NULL}, match={"id": "id"}), schema, types)
    assert found == {"on": "it cannot be empty (boolean), so value: null would be refused"}
    assert faults(config({"on": {**NULL, "nulls": "skip"}}, match={"id": "id"}), schema, types) == {}


def test_match_must_identify():
    """A match field that is not unique cannot name one record."""
    found = faults(config({"LastName": "name"}, match={"Email": "email"}), SCHEMA)
    assert "cannot be matched by it" in found["Email"]


def test_required_fields_the_mapping_lacks_are_told_not_refused():
    """Records may all exist already, so a missing required field is a note."""
    assert missing_required(config({"Email": "email"}), SCHEMA) == ("LastName",)
    assert missing_required(config({"Email": "email"}, mode="update"), SCHEMA) == ()


def test_a_missing_field_has_all_that_is_near_and_why_it_may_be_unseen():
    """Names are near whatever their case, and the destination says how a field can hide."""
    fields = {name: Field(name, "string", TEXT, unique=name == "Ext") for name in ("Ext", "Tier__c", "Tier2__c")}
    schema = ObjectSchema("X", fields, unseen="nobody may see it")
    assert faults(config({"TIER_c": "x"}), schema)["TIER_c"] == (
        "X has no such field, or nobody may see it; did you mean Tier__c or Tier2__c?"
    )


LOOKUP = {"boss": {"lookup": "Account", "by": "No", "column": "b"}}


def test_references_beside_the_object_are_judged_by_what_the_adapter_says_of_them():
    """Their names are no fields; their keys must fit, and what cannot be is told in the adapter's words."""
    link = Field("boss", "association", TEXT)
    assert faults(config(LOOKUP), SCHEMA, {"f:boss": LogicalType("string")}, {"boss": link}) == {}
    assert "association" in faults(config(LOOKUP), SCHEMA, {"f:boss": LogicalType("bool")}, {"boss": link})["boss"]
    assert faults(config(LOOKUP), SCHEMA, None, {"boss": "not like this"}) == {"boss": "not like this"}
    assert "no such field" in faults(config(LOOKUP), SCHEMA)["boss"]


def test_whether_a_reference_beside_the_object_is_empty_cannot_be_told():
    """So it cannot be written only where it is."""
    fields = {"boss": {**LOOKUP["boss"], "write": "empty"}}
    assert "write: empty" in faults(config(fields), SCHEMA, None, {"boss": Field("boss", "association", TEXT)})["boss"]
