"""What batches do to tables, on SQLite and PostgreSQL alike."""

import pytest

from tailrace.errors import BatchRejected, ObjectNotFound, StopRun

PEOPLE = "CREATE TABLE people (id INTEGER NOT NULL UNIQUE, name VARCHAR(50), note TEXT)"


def statuses(outcomes):
    """Status and recovery of each outcome."""
    return [(outcome.status, outcome.recovery) for outcome in outcomes]


def test_rows_with_different_fields_share_a_batch(database):
    """Each row writes its own fields, whatever its neighbours carry, and outcomes keep the rows' order."""
    database.run(PEOPLE)
    rows = [((1,), {"name": "a", "note": "n"}), ((2,), {"note": "m"}), ((3,), {}), ((4,), {"name": "d", "note": None})]
    outcomes = database.push("upsert", *rows)
    assert [outcome.marker for outcome in outcomes] == ["0", "1", "2", "3"]
    assert database.run("SELECT id, name, note FROM people ORDER BY id") == [
        (1, "a", "n"),
        (2, None, "m"),
        (3, None, None),
        (4, "d", None),
    ]


def test_upsert_with_match_only_leaves_the_record_alone(database):
    """An upsert that carries no field keeps what is there."""
    database.run(PEOPLE, "INSERT INTO people VALUES (1, 'a', 'n')")
    assert statuses(database.push("upsert", ((1,), {}))) == [("acknowledged", None)]
    assert database.run("SELECT name, note FROM people") == [("a", "n")]


def test_some_missing_records_are_found_out(database):
    """Of many updates, exactly those without a record are told as missing, and the others are written."""
    database.run(PEOPLE, "INSERT INTO people (id) VALUES (1), (3), (4), (6)")
    outcomes = database.push("update", *(((n,), {"name": "new"}) for n in range(8)))
    assert [outcome.recovery for outcome in outcomes] == [
        "missing",
        None,
        "missing",
        None,
        None,
        "missing",
        None,
        "missing",
    ]
    assert database.run("SELECT COUNT(*) FROM people WHERE name = 'new'") == [(4,)]


def test_some_existing_records_are_found_out(database):
    """Of many creates, exactly those that exist are told, and left alone."""
    database.run(PEOPLE, "INSERT INTO people (id, name) VALUES (1, 'old'), (2, 'old')")
    outcomes = database.push("create", *(((n,), {"name": "new"}) for n in range(5)))
    assert [outcome.recovery for outcome in outcomes] == [None, "exists", "exists", None, None]
    assert database.run("SELECT name FROM people ORDER BY id") == [("new",), ("old",), ("old",), ("new",), ("new",)]


def test_append_needs_no_match(database):
    """Creates without a match are plain inserts: the same row twice is two records."""
    database.run("CREATE TABLE log (line TEXT)")
    outcomes = database.push("create", ((), {"line": "x"}), ((), {"line": "x"}), table="log", match=())
    assert statuses(outcomes) == [("acknowledged", None)] * 2
    assert database.run("SELECT COUNT(*) FROM log") == [(2,)]


def test_a_changed_match_value_moves_the_record(database):
    """An update may write the match column itself; the outcome names the record's new id."""
    database.run(PEOPLE, "INSERT INTO people (id, name) VALUES (1, 'a')")
    outcomes = database.push("update", ((1,), {"id": 7, "note": "n"}, "1"))
    assert outcomes[0].record_id == "7"
    assert database.run("SELECT id, name, note FROM people") == [(7, "a", "n")]


def test_the_record_id_wins_over_the_match(database):
    """An update and a delete go to the record with the row's id, where that is another than the match says."""
    database.run(PEOPLE, "INSERT INTO people (id, name) VALUES (1, 'a'), (2, 'b')")
    database.push("update", ((9,), {"name": "x"}, "1"))
    database.push("delete", ((9,), {}, "2"))
    assert database.run("SELECT id, name FROM people") == [(1, "x")]


def test_composite_matches(database, batch):
    """Several match columns work together; the record id is a JSON list of their texts."""
    database.run("CREATE TABLE stock (shop TEXT, item INTEGER, n INTEGER, PRIMARY KEY (shop, item))")
    destination = database.open()
    match = ("shop", "item")
    rows = [(("a", 1), {"n": 1}), (("a", 2), {"n": 2}), (("b", 1), {"n": 3})]
    made = destination.push(batch("upsert", *rows, table="stock", match=match))
    assert [outcome.record_id for outcome in made] == ['["a", "1"]', '["a", "2"]', '["b", "1"]']
    destination.push(batch("delete", (("?", 0), {}, made[1].record_id), table="stock", match=match))
    found = list(destination.find("stock", match, [("a", 1), ("a", 2), ("b", 1), ("b", 2)], ["n"]))
    assert {(record.match, record.values["n"]) for record in found} == {(("a", 1), 1), (("b", 1), 3)}


def test_without_a_unique_index_nothing_is_written(database):
    """A match without a unique index stops the run, and the statement the error gives is the cure."""
    database.run("CREATE TABLE people (id INTEGER, name TEXT)")
    with pytest.raises(StopRun, match="no unique index on id") as caught:
        database.push("upsert", ((1,), {"name": "a"}))
    assert database.run("SELECT COUNT(*) FROM people") == [(0,)]
    database.run(caught.value.hint.partition(": ")[2].rstrip(";"))
    assert statuses(database.push("upsert", ((1,), {"name": "a"}))) == [("acknowledged", None)]


def test_a_partial_unique_index_is_not_enough(database):
    """An index that covers some rows only does not tell records apart."""
    database.run("CREATE TABLE people (id INTEGER, name TEXT)", "CREATE UNIQUE INDEX u ON people (id) WHERE id > 5")
    with pytest.raises(StopRun, match="no unique index"):
        database.push("upsert", ((1,), {"name": "a"}))


def test_an_upsert_need_not_repeat_required_columns(database):
    """A row that lacks a required column updates its record, and is refused only where it would have to create one."""
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT)")
    database.run("INSERT INTO people VALUES (1, 'a', NULL)")
    assert statuses(database.push("upsert", ((1,), {"note": "n"}, "99"))) == [("acknowledged", None)]
    assert database.run("SELECT name, note FROM people") == [("a", "n")]
    with pytest.raises(BatchRejected):
        database.push("upsert", ((2,), {"note": "n"}))


def test_a_failed_batch_leaves_nothing(database):
    """When one row breaks a constraint the whole batch is refused, and none of it stays."""
    database.run(PEOPLE.replace("note TEXT", "note TEXT NOT NULL"))
    with pytest.raises(BatchRejected) as caught:
        database.push("upsert", ((1,), {"note": "n"}), ((2,), {"note": None}))
    assert caught.value.code
    assert database.run("SELECT COUNT(*) FROM people") == [(0,)]


def test_refusals_do_not_quote_the_row(postgres):
    """The message of a refused row names the constraint, not the values of its columns."""
    postgres.run(PEOPLE.replace("note TEXT", "note TEXT NOT NULL"))
    with pytest.raises(BatchRejected) as caught:
        postgres.push("upsert", ((1,), {"name": "private", "note": None}))
    assert "private" not in str(caught.value)
    assert "note" in caught.value.message


@pytest.mark.parametrize("name", ["select", "Two Words", 'quo"te', "100% sure", "par(en)s", "c:olon", "Größe", "semi;"])
def test_odd_names_are_quoted(database, batch, name):
    """Any name a database allows works for tables and columns."""
    quoted = '"' + name.replace('"', '""') + '"'
    with database.engine.begin() as connection:
        statement = f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} TEXT)"
        connection.connection.cursor().execute(statement)
    destination = database.open()
    for operation, text in (("upsert", "a"), ("upsert", "b"), ("update", "c")):
        destination.push(batch(operation, ((1,), {name: text}), table=name))
    assert [record.values for record in destination.find(name, ["id"], [(1,)], [name])] == [{name: "c"}]


def test_tables_in_a_schema(postgres):
    """A table may be named with its schema, or be looked for in the destination's own."""
    postgres.run("CREATE SCHEMA crm", PEOPLE.replace("people", "crm.people"))
    postgres.push("upsert", ((1,), {"name": "a"}), table="crm.people")
    postgres.push("upsert", ((2,), {"name": "b"}), schema="crm")
    assert postgres.run("SELECT name FROM crm.people ORDER BY id") == [("a",), ("b",)]


def test_a_missing_table_is_named_with_its_neighbours(database):
    """The error for a table that is not there names those like it, and nothing is created."""
    database.run(PEOPLE)
    with pytest.raises(ObjectNotFound) as caught:
        database.push("upsert", ((1,), {"name": "a"}), table="People2")
    assert "people" in caught.value.hint
    assert database.tables() == ["people"]


def test_an_unknown_column_is_named_with_its_neighbours(database):
    """A field without a column stops the run before anything is written."""
    database.run(PEOPLE)
    with pytest.raises(StopRun, match="nmae") as caught:
        database.push("upsert", ((1,), {"nmae": "a"}))
    assert "name" in caught.value.hint
    assert database.run("SELECT COUNT(*) FROM people") == [(0,)]


def test_a_table_changed_meanwhile_is_looked_at_again(database, batch):
    """After an error about the table's shape the next push sees the table as it is now."""
    database.run(PEOPLE)
    destination = database.open()
    destination.push(batch("upsert", ((1,), {"name": "a"})))
    database.run("ALTER TABLE people RENAME COLUMN note TO remark")
    with pytest.raises(StopRun):
        destination.push(batch("upsert", ((1,), {"note": "n"})))
    outcomes = destination.push(batch("upsert", ((1,), {"remark": "n"})))
    assert statuses(outcomes) == [("acknowledged", None)]
