"""Rows of tables, of models of dbt, and of templates, by the real command line."""

import json

import duckdb
import pytest
from tests.e2e.served import served

SYNC = """\
{source}
destination: app
object: people
mode: mirror
match: {{id: id}}
fields: {{name: name}}
"""


@pytest.fixture
def warehouse(workspace):
    """A warehouse with one table in a schema."""
    with duckdb.connect(str(workspace.root / "w.duckdb")) as connection:
        connection.execute(
            "create schema marts; create table marts.people as select 1 as id, 'Ann' as name, 'DE' as land"
        )
        connection.execute("insert into marts.people values (2, 'Bo', 'FR')")
        connection.execute("create table marts.more as select * from marts.people union all select 3, 'Cy', 'DE'")
    workspace.write(
        "tailrace.yml",
        "warehouses:\n  main: {type: duckdb, path: w.duckdb}\nvars: {land: FR}\ndbt: {manifest: manifest.json}\n"
        'destinations:\n  app: {type: sql, url: "sqlite:///app.db", create_table: true}\n',
    )
    build(workspace, "people")
    return workspace


def build(workspace, table):
    """Write the manifest of a dbt whose model is that table."""
    node = {"resource_type": "model", "name": "people", "package_name": "shop", "unique_id": "model.shop.people"}
    node |= {"relation_name": f'"w"."marts"."{table}"', "primary_key": ["id"]}
    workspace.write("manifest.json", json.dumps({"nodes": {"model.shop.people": node}}))


@pytest.mark.parametrize("source", ["table: marts.people\nkey: id", "model: ref('people')"])
def test_rows_of_a_table_and_of_dbt(warehouse, source):
    """No model file is needed, and of dbt no key."""
    warehouse.write("syncs/people.yml", SYNC.format(source=source))
    assert "all that people uses are there" in warehouse.run("check").out
    warehouse.run("run", "people")
    assert warehouse.table() == [(1, "Ann"), (2, "Bo")]
    assert warehouse.run("plan", "people", "--exit-code").code == 0


def test_serve_takes_up_a_changed_manifest(warehouse):
    """What dbt built since, without a signal: runs read the new table as soon as the files were looked at."""
    warehouse.write("syncs/people.yml", SYNC.format(source="model: ref('people')"))
    with served(warehouse) as serve:
        for table, rows in (("people", 2), ("more", 3)):
            build(warehouse, table)
            found = 0
            while found != rows:  # the test's own timeout ends it
                asked = serve.post("/api/syncs/people/run")
                serve.until(f"/api/requests/{asked['request_id']}", lambda request: request["state"] == "done")
                found = len(warehouse.table())


def test_a_template_chooses_the_rows(warehouse):
    """By a variable; another value is another audience."""
    warehouse.write("syncs/people.yml", SYNC.format(source="model: people\nkey: id"))
    warehouse.write("models/people.sql", "select * from {{ ref('people') }} where land = '{{ var('land') }}'")
    warehouse.run("run", "people")
    assert warehouse.table() == [(2, "Bo")]


def test_a_table_that_is_not_there_is_told(warehouse):
    """By the name that the file has."""
    warehouse.write("syncs/people.yml", SYNC.format(source="table: marts.persons\nkey: id"))
    said = warehouse.run("run", "people", code=1).out
    assert "people (table marts.persons)" in said
