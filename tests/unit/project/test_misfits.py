"""What the keys of a sync mean together, where it is not known what its destination can do."""

import pytest

from tailrace.project.config import SyncConfig


def misfits(able, **keys):
    """The words for a sync without fields."""
    common = {"model": "people", "destination": "hub", "mode": "mirror", "key": ("id",), "match": {"email": "email"}}
    return [words for _, words in SyncConfig.model_validate({**common, **keys}).misfits(fields=able)]


@pytest.mark.parametrize(
    ("object", "fields", "fault"),
    [
        ("contacts", True, True),
        ("contacts", None, True),
        ("list:VIP", None, False),
        ("list:VIP", False, False),
        ("event:order", True, True),
    ],
)
def test_a_mistake_in_the_destination_is_not_told_of_its_syncs(object, fields, fault):
    """An object of a special kind may have no fields: only where that is known are they missing."""
    assert misfits(fields, object=object) == (["must map at least one field with mode mirror"] if fault else [])


def test_fields_of_an_object_that_may_have_none_are_not_refused_unseen():
    """Nor are those that are there too many, before it is known."""
    assert misfits(None, object="list:VIP", fields={"a": "b"}) == []
    assert misfits(False, object="list:VIP", fields={"a": "b"}) != []


@pytest.mark.parametrize("mode", ["mirror", "delete", "update", "insert", "append"])
def test_a_cursor_goes_with_upsert_alone(mode):
    """Each other mode says why it must read all, and what to do."""
    fields = {} if mode == "delete" else {"fields": {"a": "b"}}
    (words,) = misfits(True, object="contacts", cursor="updated_at", mode=mode, **fields)
    assert words.startswith(f"cannot go with mode {mode}")
    assert "leave cursor out" in words
    assert misfits(True, object="contacts", cursor="updated_at", mode="upsert", fields={"a": "b"}) == []
