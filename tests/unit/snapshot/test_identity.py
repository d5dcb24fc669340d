"""Whose snapshot it is, and that old ones keep their place."""

from dataclasses import replace

import pytest

from tailrace.snapshot.identity import Identity

USUAL = Identity("contacts", "crm", "00D1", "Contact", ("customer_id",), ("External_Id__c",))
OLD = {
    "sync": "contacts",
    "destination": "crm",
    "account": "00D1",
    "object": "Contact",
    "key": ["customer_id"],
    "match": ["External_Id__c"],
}
"""An identity as manifests had it before there were snapshots of deletions."""


def test_old_manifests_are_of_payloads_and_keep_their_folder():
    """The digest of what was written before is what it was then."""
    assert Identity.from_dict(OLD) == USUAL
    assert USUAL.as_dict() == OLD
    assert USUAL.digest == "be2b0d13f489d48c"


def test_deletions_have_a_place_of_their_own():
    """The same records, told apart by what a row says of them; each knows the other."""
    deletions = replace(USUAL, holds="deletions")
    assert deletions.digest != USUAL.digest
    assert Identity.from_dict(deletions.as_dict()) == deletions
    assert (USUAL.twin, deletions.twin) == (deletions, USUAL)


def test_an_identity_of_something_else_is_refused():
    """A manifest that says what no version wrote is damaged."""
    with pytest.raises(ValueError, match="holds 'dreams'"):
        Identity.from_dict({**OLD, "holds": "dreams"})
