"""Columns and mappings that change, through the command line: what is said of it, and what is sent."""

import sqlite3

import pytest

SYNC = """\
model: people
destination: app
object: people
mode: mirror
key: id
match: {id: id}
fields: {name: name, value: value}
guards: {max_deletes: off}
"""
TO_DO = "cast it back in the model, or let the field be sent once more where it differs"
KEY_TO_DO = "cast it back in the model: rows with another key are new ones, and the old ones count as gone"


def model(workspace, *rows, key="bigint", value="varchar"):
    """Rows of SQL: id, name, value; the columns are cast to those types."""
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    workspace.write(
        "models/people.sql",
        f"select id::{key} as id, name, value::{value} as value from (values {values}) t(id, name, value)",
    )


def rows(*values):
    """Ann, Bob and Cid with these values."""
    return [
        (str(number), name, value)
        for number, (name, value) in enumerate(zip(("'Ann'", "'Bob'", "'Cid'"), values, strict=True), 1)
    ]


@pytest.fixture
def typed(workspace):
    """A sync into a table that takes values of any type."""
    workspace.write("syncs/people.yml", SYNC)
    with sqlite3.connect(workspace.root / "app.db") as table:
        table.execute("create table people (id text primary key, name text, value text)")
    return workspace


def edit(workspace, old, new):
    path = workspace.root / "syncs/people.yml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def planned(workspace):
    """A plan's changes by key with the fields that they write, and its events."""
    (plan,) = workspace.run("plan", "people", "--json").json["plans"]
    changes = {(change["op"], change["key"]["id"]): set(change["fields"]) for change in plan["changes"]}
    return changes, [(event["kind"], event["column"], event["message"]) for event in plan["events"]]


def shown(workspace):
    """The lines on columns in a plan for people."""
    return [line.strip() for line in workspace.run("plan", "people").out.splitlines() if line.startswith("  schema:")]


def ran(workspace):
    (run,) = workspace.run("run", "people", "--json").json["runs"]
    return run


def quiet(workspace):
    """Nothing is left to send or to say."""
    return planned(workspace) == ({}, []) and ran(workspace)["status"] == "nothing_to_do" and shown(workspace) == []


SAME = [
    ("integer", "bigint", ("1", "null", "-3")),
    ("bigint", "hugeint", ("1", "null", "-3")),
    ("decimal(10, 2)", "decimal(38, 2)", ("1.50", "null", "-3")),
    ("decimal(10, 2)", "double", ("1.50", "null", "-3")),
    ("decimal(10, 2)", "decimal(12, 4)", ("1.50", "null", "-3")),
    ("float", "double", ("1.5", "null", "-0.25")),
    ("timestamp_s", "timestamp", ("'2026-01-01 12:00:00'", "null", "'1969-12-31 23:59:59'")),
    ("timestamp_ms", "timestamp", ("'2026-01-01 12:00:00.25'", "null", "'1969-12-31 23:59:59'")),
    ("date", "timestamp", ("'2026-01-01'", "null", "'1969-12-31'")),
    ("varchar", "enum('a', 'b', 'ä')", ("'a'", "null", "'ä'")),
    ("bigint", "varchar", ("1", "null", "-3")),
    ("varchar[]", "varchar[3]", ("['a', 'b', null]", "null", "['', 'ä', 'x']")),
]
"""Types whose values are the same, before and after."""


def test_a_driver_that_says_the_same_otherwise_says_nothing(typed):
    """Another width, scale, unit or encoding of the same values: nothing is sent, and nothing said."""
    names = [f"f{number}" for number in range(len(SAME))]
    edit(typed, "{name: name, value: value}", f"{{{', '.join(f'{name}: {name}' for name in names)}}}")
    with sqlite3.connect(typed.root / "app.db") as table:
        for name in names:
            table.execute(f"alter table people add column {name} text")
    for number, which in enumerate((0, 1, 0)):
        columns = ", ".join(
            f"unnest([{', '.join(values)}])::{types[which]} as {name}"
            for name, (*types, values) in zip(names, SAME, strict=True)
        )
        typed.write("models/people.sql", f"select unnest([1, 2, 3]) as id, {columns}")
        if number == 0:
            assert ran(typed)["acknowledged"] == 3
        assert quiet(typed)


@pytest.mark.parametrize(
    ("before", "after", "old", "new", "types"),
    [
        (
            "decimal(10, 2)",
            "decimal(10, 3)",
            ("1.50", "2.25", "null"),
            ("1.50", "2.255", "null"),
            "decimal(2) and is now decimal(3)",
        ),
        ("bigint", "varchar", ("1", "2", "null"), ("'1'", "'n/a'", "null"), "int64 and is now string"),
        ("bigint", "double", ("1", "2", "null"), ("1", "2.5", "null"), "int64 and is now float64"),
        (
            "date",
            "timestamp",
            ("'2026-01-01'", "'2026-01-02'", "null"),
            ("'2026-01-01'", "'2026-01-02 12:00:00'", "null"),
            "date and is now timestamp",
        ),
    ],
)
def test_values_that_do_not_fit_are_told_and_only_they_are_sent(typed, before, after, old, new, types):
    """The event names the column, both types and what to do; values that are the same are not sent again."""
    model(typed, *rows(*old), value=before)
    ran(typed)
    model(typed, *rows(*new), value=after)
    message = f"value was {types}: not every value fits the old type; {TO_DO}"
    assert planned(typed) == ({("update", 2): {"value"}}, [("retyped", "value", message)])
    assert shown(typed) == [f"schema: {message}"]
    run = ran(typed)
    assert (run["status"], run["acknowledged"], run["notes"]) == ("succeeded", 1, [message])
    assert quiet(typed)


def test_values_that_cannot_be_compared_are_sent_once_more(typed):
    """A time without a zone is no moment: that field goes out again for whoever has one, and then no more."""
    model(typed, *rows("'2026-01-01 12:00:00'", "'2026-01-02 12:00:00'", "null"), value="timestamp")
    ran(typed)
    model(typed, *rows("'2026-01-01 12:00:00+00'", "'2026-01-02 12:00:00+00'", "null"), value="timestamptz")
    message = f"value was timestamp and is now timestamptz: its values cannot be compared with the old ones; {TO_DO}"
    assert planned(typed) == ({("update", 1): {"value"}, ("update", 2): {"value"}}, [("retyped", "value", message)])
    run = typed.run("run", "people")
    assert f"  note: {message}\n" in run.out
    assert quiet(typed)


def test_a_column_without_a_value_pins_nothing(typed):
    """NULL has no type: what comes later is sent where it is, and nothing is said."""
    model(typed, *rows("null", "null", "null"), value="integer")
    ran(typed)
    model(typed, *rows("null", "'2026-01-01'", "null"), value="date")
    assert planned(typed) == ({("update", 2): {"value"}}, [])
    ran(typed)
    assert quiet(typed)


def test_an_added_field_is_sent_alone(typed):
    """It is named, and goes out for every row, without the other fields."""
    model(typed, *rows("'a'", "'b'", "null"))
    ran(typed)
    edit(typed, "fields: {", "fields: {shout: {sql: 'upper(name)'}, ")
    with sqlite3.connect(typed.root / "app.db") as table:
        table.execute("alter table people add column shout text")
        table.execute("update people set name = 'kept'")
    changes = {("update", number): {"shout"} for number in (1, 2, 3)}
    assert planned(typed) == (changes, [("added", "shout", "shout is new to the mapping")])
    assert shown(typed) == ["schema: shout is new to the mapping"]
    assert ran(typed)["acknowledged"] == 3
    assert [row[1:] for row in typed.table()] == [("kept", "a", "ANN"), ("kept", "b", "BOB"), ("kept", None, "CID")]
    assert quiet(typed)


def test_a_removed_field_is_left_alone_and_costs_nothing_to_put_back(typed):
    """Nothing is sent for it, then or when it comes back, but for rows that came or changed meanwhile."""
    model(typed, *rows("'a'", "'b'", "null"))
    ran(typed)
    edit(typed, ", value: value", "")
    message = "value is no longer mapped; the destination keeps its values"
    assert planned(typed) == ({}, [("removed", "value", message)])
    assert shown(typed) == [f"schema: {message}"]
    model(typed, *rows("'x'", "'b'", "null"), ("4", "'Dee'", "'d'"))
    assert planned(typed)[0] == {("insert", 4): {"name"}}
    assert ran(typed)["notes"] == []
    assert [row[2] for row in typed.table()] == ["a", "b", None, None]
    edit(typed, "{name: name", "{name: name, value: value")
    assert planned(typed) == ({("update", 1): {"value"}, ("update", 4): {"value"}}, [])
    ran(typed)
    assert quiet(typed)


def test_a_field_from_another_column_is_sent_where_it_differs(typed):
    """Where a value comes from does not matter: the same one is not sent again."""
    model(typed, *rows("'Ann'", "'b'", "'Cid'"))
    ran(typed)
    edit(typed, "{name: name", "{name: value")
    assert planned(typed) == ({("update", 2): {"name"}}, [])
    ran(typed)
    assert quiet(typed)


def test_a_key_in_another_form_is_the_same_key(typed):
    """Numbers that come as text find their rows; a key that no number can be is a new row, and the change is told."""
    model(typed, *rows("'a'", "'b'", "null"))
    ran(typed)
    model(typed, *(("'" + number + "'", *rest) for number, *rest in rows("'a'", "'b'", "null")), key="varchar")
    assert quiet(typed)
    model(
        typed,
        ("'1'", "'Ann'", "'a'"),
        ("'2'", "'Bob'", "'x'"),
        ("'3'", "'Cid'", "null"),
        ("'A4'", "'Dee'", "'d'"),
        key="varchar",
    )
    changes, events = planned(typed)
    assert changes == {("update", "2"): {"value"}, ("insert", "A4"): {"name", "value"}}
    told = f"id was int64 and is now string: not every value fits the old type; {KEY_TO_DO}"
    assert events == [("retyped", "id", told)]
    assert ran(typed)["acknowledged"] == 2
    assert quiet(typed)


def test_a_key_that_cannot_be_compared_is_refused(typed):
    """Every row would look new: nothing is planned or sent, and the error says what changed and what to do."""
    model(typed, *rows("'a'", "'b'", "null"))
    ran(typed)
    before = typed.table()
    model(typed, ("'2026-01-01'", "'Ann'", "'a'"), key="date")
    for command in ("plan", "run"):
        answer = typed.run(command, "people", code=1)
        text = answer.out + answer.err
        assert "the key column cannot be matched with the snapshot: id was int64 and is now date" in text
        assert "Cast the column to its old type in the model" in text
        assert "`tailrace reset SYNC`, then `tailrace adopt SYNC`" in text
    assert typed.table() == before
