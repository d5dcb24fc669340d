"""The table of modes."""

import polars as pl
import pytest

from tailrace.destination import Capabilities, Operation
from tailrace.planning import actions, refusals
from tailrace.planning.modes import shown_op, with_actions
from tailrace.project.config import SyncConfig
from tailrace.rowset import Rows

BASE = {
    "model": "m",
    "destination": "d",
    "object": "o",
    "key": "id",
    "match": {"ext": "id"},
    "fields": {"name": "name"},
}

RETIRING = {"mode": "mirror", "on_delete": {"archive": {"a": 1}}}


def config(**changes):
    return SyncConfig.model_validate({**BASE, "mode": "upsert", **changes})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": "upsert"}, {"insert": "upsert", "update": "update"}),
        ({"mode": "update"}, {"insert": "update", "update": "update"}),
        ({"mode": "insert"}, {"insert": "create"}),
        ({"mode": "mirror"}, {"insert": "upsert", "update": "update", "delete": "delete"}),
        ({"mode": "mirror", "on_delete": "archive"}, {"insert": "upsert", "update": "update", "delete": "archive"}),
        (
            {"mode": "mirror", "on_delete": {"archive": {"a": 1}}},
            {"insert": "upsert", "update": "update", "delete": "retire"},
        ),
        ({"mode": "mirror", "on_delete": "clear"}, {"insert": "upsert", "update": "update", "delete": "clear"}),
        ({"mode": "mirror", "on_delete": "keep"}, {"insert": "upsert", "update": "update"}),
        ({"mode": "append"}, {"insert": "create"}),
        ({"mode": "append", "append": "changes"}, {"insert": "create", "update": "create"}),
        ({"mode": "delete"}, {"insert": "delete"}),
    ],
)
def test_every_mode_does_what_the_table_says(settings, expected):
    """Each mode maps the three kinds of change to the actions its row of the table names."""
    assert actions(config(**settings)) == expected


@pytest.mark.parametrize("can_update", [True, False])
def test_a_destination_that_cannot_archive_is_told_the_way_by_a_field(can_update):
    """Where records can be updated, fields that archive do for an inactive state."""
    operations = {Operation.UPSERT, Operation.CREATE, *([Operation.UPDATE] if can_update else [])}
    found = refusals(config(mode="mirror", on_delete="archive"), able(operations=frozenset(operations)))
    (line,) = [line for line in found if "cannot archive records, which on_delete: archive needs" in line]
    assert ("write on_delete: {archive: {FIELD: VALUE}}" in line) is can_update
    bare = able(operations=frozenset(operations), fields=False)
    assert not any("FIELD" in line for line in refusals(config(mode="mirror", on_delete="archive"), bare))


def test_rows_without_an_action_are_left_out():
    """An upsert sync leaves records alone whose rows left the model."""
    changes = pl.DataFrame({"seq": [0, 1, 2], "op": ["insert", "update", "delete"]})
    kept = with_actions(Rows.of_frame(changes), config(), {}).collect()
    assert kept.select("seq", "action").rows() == [(0, "upsert"), (1, "update")]


def test_people_see_what_happens_not_how():
    """A delete sync shows its new rows as deletes, an update sync as updates."""
    frame = pl.DataFrame(
        {"op": ["insert", "insert", "insert", "delete"], "action": ["delete", "update", "upsert", "clear"]}
    )
    assert frame.select(shown_op()).to_series().to_list() == ["delete", "update", "insert", "delete"]


def able(**changes):
    defaults = {"operations": frozenset(Operation), "idempotent": frozenset(), "batch_size": 10}
    return Capabilities(**{**defaults, **changes})


@pytest.mark.parametrize(
    ("settings", "capabilities", "word"),
    [
        (
            {"mode": "mirror", "on_delete": "archive"},
            able(operations=frozenset({Operation.UPSERT, Operation.UPDATE})),
            "on_delete: archive",
        ),
        ({"mode": "insert"}, able(find=False), "mode insert"),
        ({"match": {}}, able(), "needs match"),
        ({"fields": {"a": {"column": "c", "lookup": "O", "by": "x"}}}, able(lookups=False), "lookup"),
        ({"fields": {"a": {"column": "c", "lookup": "O", "by": "x", "label": "L"}}}, able(lookups=True), "label"),
        ({"fields": {"a": {"column": "c", "lookup": "O", "by": "x", "primary": True}}}, able(lookups=True), "label"),
        ({"fields": {"a": {"column": "c", "write": "empty"}}}, able(find=False), "write: empty"),
        ({"fields": {"a": {"column": "c", "write": "create"}}}, able(find=False), "write: create"),
    ],
)
def test_what_an_adapter_cannot_do_is_refused_with_the_cause(settings, capabilities, word):
    """The refusal names the setting that asks for too much."""
    found = refusals(config(**settings), capabilities)
    assert len(found) == 1
    assert word in found[0]


def test_an_able_adapter_is_not_refused():
    """An adapter with every capability carries out every mode."""
    for mode in ("upsert", "update", "insert", "mirror", "append", "delete"):
        assert refusals(config(mode=mode), able(lookups=True)) == []


@pytest.mark.parametrize("settings", [{"mode": "append"}, {"mode": "update"}, {"match": {}}])
def test_fields_for_new_records_need_no_look_up_where_nothing_can_be_found(settings):
    """Append always creates, update never does, and without match there is nothing to look up by."""
    fields = {"a": {"column": "c", "write": "create"}}
    assert refusals(config(fields=fields, **settings), able(find=False, match="optional")) == []


def test_fields_for_new_records_are_marked():
    """An upsert may make the record, and says so; an update never does, and does not write them."""
    changes = pl.DataFrame(
        {"seq": [0, 1], "op": ["insert", "update"], "c:name": [True, True], "c:welcome": [True, True]}
    )
    fields = {"name": "name", "welcome": {"column": "w", "write": "create"}}
    shown = ["action", "c:name", "c:welcome", "w:welcome"]
    marked = with_actions(Rows.of_frame(changes), config(fields=fields), {}).collect()
    assert marked.select(shown).rows() == [("upsert", True, True, True), ("update", True, False, False)]
    assert "w:name" not in marked.columns
    updating = with_actions(Rows.of_frame(changes), config(mode="update", fields=fields), {}).collect()
    assert updating.select(shown).rows() == [("update", True, False, False)] * 2
