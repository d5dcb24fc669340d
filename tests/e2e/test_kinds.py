"""Keys and values of every kind from a DuckDB warehouse, through the command line: one change is one change."""

import duckdb
import pytest

CONFIG = """\
warehouses:
  main: {type: duckdb, path: warehouse.duckdb}
destinations:
  mem: {type: memory}
"""
SYNC = """\
model: things
destination: mem
object: things
mode: mirror
key: [KEYS]
match: {MATCH}
fields: {FIELDS}
guards: {max_deletes: off}
"""
KEYS = {
    "whole numbers": ("bigint", ["1", "-9223372036854775808", "0"]),
    "numbers of 128 bits": ("hugeint", ["1", "9" * 38, "-3"]),
    "texts": ("varchar", ["'a'", "'Zoë \"x\" \\ 😀'", "' a'"]),
    "uuids": ("uuid", [f"'{n * 11111111:08d}-0000-4000-8000-000000000000'" for n in (1, 2, 3)]),
    "dates": ("date", ["'2026-01-01'", "'1899-12-31'", "'0001-01-01'"]),
    "moments": (
        "timestamptz",
        ["'2026-01-01 00:00:00+00'", "'2026-01-01 00:00:00.000001+00'", "'1969-01-01 00:00:00+01'"],
    ),
    "decimals": ("decimal(12, 2)", ["1.00", "1.01", "-3.50"]),
    "booleans and a number": ("boolean, b integer", ["true, 1", "true, 2", "false, 1"]),
    "a text, a date and a number": (
        "varchar, b date, c integer",
        ["'a', '2026-01-01', 1", "'a', '2026-01-01', 2", "'a', '2026-01-02', 1"],
    ),
    "a uuid and a text": (
        "uuid, b varchar",
        [f"'00000000-0000-4000-8000-00000000000{n % 2}', '{n}'" for n in (1, 2, 3)],
    ),
}
FIELDS = {
    "a list": ("varchar[]", "['a', null, 'ö']", "['a', null, 'o']", ["a", None, "o"]),
    "an empty list": ("integer[]", "null", "[]", []),
    "a list of lists": ("integer[][]", "[[1], [], null]", "[[1], [2], null]", [[1], [2], None]),
    "a struct": ("struct(a integer, b varchar)", "{'a': 1, 'b': 'x'}", "{'a': 1, 'b': null}", {"a": 1, "b": None}),
    "a list of structs": (
        "struct(a date)[]",
        "[{'a': date '2026-01-01'}]",
        "[{'a': date '2026-01-02'}]",
        [{"a": "2026-01-02"}],
    ),
    "a map": ("map(varchar, integer)", "map {'a': 1}", "map {'a': 2}", {"a": 2}),
    "JSON": ("json", """'{"a": [1, 2]}'""", """'{"a": [1, 3]}'""", '{"a": [1, 3]}'),
    "a blob": ("blob", "'\\x00\\xFF'", "'\\x00\\xFE'", "AP4="),
    "a time": ("time", "'12:00:00'", "'12:00:00.000001'", "12:00:00.000001"),
    "a float": ("double", "0.1", "'nan'", "nan"),
    "an interval": ("interval", "interval 1 day", "interval 2 days", "P0M2DT0S"),
}


@pytest.fixture
def things(workspace, memory_store):
    """A project over a DuckDB file, whose records go to a store in this process."""
    (workspace.root / "syncs/people.yml").unlink()
    (workspace.root / "models/people.sql").unlink()
    workspace.write("tailrace.yml", CONFIG)
    workspace.write("models/things.sql", "select * from things")
    return workspace


def sync(workspace, fields, key=("id",), match="a: id"):
    text = SYNC.replace("KEYS", ", ".join(key)).replace("MATCH", match)
    workspace.write("syncs/things.yml", text.replace("FIELDS", ", ".join(f"{name}: {name}" for name in fields)))


def warehouse(workspace, *statements):
    """Write to the warehouse, as its owner does."""
    with duckdb.connect(workspace.root / "warehouse.duckdb") as connection:
        for statement in statements:
            connection.execute(statement)


def changes(workspace):
    (plan,) = workspace.run("plan", "things", "--json").json["plans"]
    return plan["changes"]


def ran(workspace):
    (run,) = workspace.run("run", "things", "--json").json["runs"]
    return run


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_any_kind_tell_rows_apart(things, memory_store, kind):
    """All go out; one value changes, and just that row's field is planned and sent; its key finds its story."""
    columns, keys = KEYS[kind]
    names = ["a", "b", "c"][: columns.count(",") + 1 if not columns.startswith("decimal") else 1]
    values = ", ".join(f"({key}, 'n{number}', {number}, {number})" for number, key in enumerate(keys))
    warehouse(
        things,
        f"create table things (a {columns}, name varchar, other integer, number integer)",
        f"insert into things values {values}",
    )
    sync(things, ["name", "other"], names, "number: number")
    first = changes(things)
    assert [change["op"] for change in first] == ["insert"] * 3
    assert ran(things)["acknowledged"] == 3
    warehouse(things, "update things set name = 'changed' where number = 1")
    (change,) = changes(things)
    assert (change["op"], change["fields"]) == ("update", {"name": {"old": "n1", "new": "changed"}})
    assert change["key"] in [each["key"] for each in first]
    assert change["key"].keys() == set(names)
    assert ran(things)["acknowledged"] == 1
    assert sorted(record["name"] for record in memory_store().records("things").values()) == ["changed", "n0", "n2"]
    typed = [f"{name}={text(value)}" for name, value in change["key"].items()]
    story = things.run("explain", "things", *(part for each in typed for part in ("--key", each)), "--json").json
    assert [(event["op"], set(event["fields"])) for event in story["events"]] == [
        ("insert", {"name", "other"}),
        ("update", {"name"}),
    ]
    warehouse(things, "delete from things where number = 1")
    assert [(each["op"], each["key"]) for each in changes(things)] == [("delete", change["key"])]


def text(value):
    """A key's value as somebody types it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def test_values_of_any_kind_are_compared_exactly(things, memory_store):
    """In each row one value, of another kind, changes a little: just that is planned, with its new value, and sent."""
    fields = {f"f{number}": FIELDS[kind] for number, kind in enumerate(FIELDS)}
    columns = ", ".join(f"{name} {columns}" for name, (columns, *_) in fields.items())
    old = ", ".join(old for _, old, *_ in fields.values())
    rows = ", ".join(f"({number}, {old})" for number in range(len(fields)))
    warehouse(things, f"create table things (id integer, {columns})", f"insert into things values {rows}")
    sync(things, fields)
    assert ran(things)["acknowledged"] == len(fields)
    assert ran(things)["status"] == "nothing_to_do"
    updates = [
        f"update things set {name} = {fields[name][2]} where id = {number}" for number, name in enumerate(fields)
    ]
    warehouse(things, *updates)
    planned = {change["key"]["id"]: change["fields"] for change in changes(things)}
    assert {key: set(written) for key, written in planned.items()} == {n: {f"f{n}"} for n in range(len(fields))}
    new = {kind: planned[number][f"f{number}"]["new"] for number, kind in enumerate(FIELDS)}
    assert new == {kind: shown for kind, (*_, shown) in FIELDS.items()}
    assert "  ~ id=3    f3 " in things.run("plan", "things").out
    assert ran(things)["acknowledged"] == len(fields)
    assert ran(things)["status"] == "nothing_to_do"


def test_two_hundred_columns(things, memory_store):
    """One field of one row out of thousands of values is found and sent."""
    fields = [f"f{number}" for number in range(200)]
    sources = [
        f"(id * {number} + {number})::{('integer', 'varchar', 'double')[number % 3]} as {name}"
        for number, name in enumerate(fields)
    ]
    warehouse(
        things, f"create table things as select id, {', '.join(sources)} from (select range as id from range(300))"
    )
    sync(things, fields)
    assert ran(things)["acknowledged"] == 300
    assert ran(things)["status"] == "nothing_to_do"
    warehouse(things, "update things set f123 = f123 + 1 where id = 77")
    (change,) = changes(things)
    assert change["key"] == {"id": 77}
    assert change["fields"] == {"f123": {"old": 9594, "new": 9595}}
    assert ran(things)["acknowledged"] == 1
    records = {
        record["id"] if "id" in record else record["a"]: record for record in memory_store().records("things").values()
    }
    assert records[77]["f123"] == 9595


def test_texts_of_a_megabyte(things, memory_store):
    """Their last letter counts; a plan for people is still to be read."""
    warehouse(things, "create table things as select range as id, repeat('ä', 500000) || range as long from range(20)")
    sync(things, ["long"])
    assert ran(things)["acknowledged"] == 20
    assert ran(things)["status"] == "nothing_to_do"
    warehouse(things, "update things set long = long || '!' where id = 7")
    (change,) = changes(things)
    assert change["key"] == {"id": 7}
    old, new = change["fields"]["long"]["old"], change["fields"]["long"]["new"]
    assert (len(old), old[-2:], new[-3:]) == (500_001, "ä7", "ä7!")
    assert len(things.run("plan", "things").out) < 1000
    assert ran(things)["acknowledged"] == 1
    assert ran(things)["status"] == "nothing_to_do"
    assert max(len(record["long"]) for record in memory_store().records("things").values()) == 500_002


def test_a_number_that_is_too_long_is_refused_before_anything_is_sent(things, memory_store):
    """A HUGEINT may have 39 digits, which no decimal has: the column is named, and what to do."""
    warehouse(
        things, "create table things as select (170141183460469231731687303715884105727)::hugeint as id, 'a' as name"
    )
    sync(things, ["name"])
    for command in ("plan", "run"):
        answer = things.run(command, "things", code=1)
        assert "column 'k:id' holds 1 number(s) of more than 38 digits" in answer.out + answer.err
        assert "Cast the column to text in the model." in answer.out + answer.err
    assert memory_store().writes == 0
    things.write("models/things.sql", "select id::varchar as id, name from things")
    assert ran(things)["acknowledged"] == 1
    assert ran(things)["status"] == "nothing_to_do"
