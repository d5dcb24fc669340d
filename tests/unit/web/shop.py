"""A small shop's project with a past: two syncs, runs that went well and in part, rejected rows."""

import sqlite3

from tailrace import Project

CONFIG = """\
warehouses:
  main: {type: duckdb, path: ":memory:"}
destinations:
  app: {type: sql, url: "sqlite:///app.db"}
triggers:
  shop: {type: hmac, secret: "${env:SHOP_SECRET}", syncs: [people]}
  warehouse: {type: dbt_cloud, secret: "${env:DBT_SECRET}", syncs: [people, copies], jobs: [7]}
"""
PEOPLE = """\
description: People as the app shows them.
model: people
destination: app
object: people
mode: mirror
key: id
match: {id: id}
fields:
  name: name
  email: {column: email, nulls: skip}
guards: {max_deletes: 50%}
schedule: {every: 1h}
freshness: 2h
"""
COPIES = """\
model: people
destination: app
object: copies
mode: upsert
key: id
match: {id: id}
fields: {name: name}
schedule: {after: [people]}
"""
MODEL = """\
select id, name, email
from read_csv('people.csv', header = true, columns = {'id': 'bigint', 'name': 'varchar', 'email': 'varchar'})
"""
TABLES = """\
create table people (id integer primary key, name text not null check (length(name) < 12), email text);
create table copies (id integer primary key, name text);
"""
ROWS = [(1, "Ann", "ann@x.io"), (2, "Bob", "bob@x.io"), (3, "Much too long a name", ""), (4, "Also far too long", "")]


def write_people(root, rows):
    """The model's rows: id, name, email."""
    lines = ["id,name,email", *(",".join(map(str, row)) for row in rows)]
    (root / "people.csv").write_text("\n".join(lines) + "\n")


def make_past(root):
    """Write the project to a folder, and give it its past."""
    (root / "models").mkdir()
    (root / "syncs").mkdir()
    (root / "tailrace.yml").write_text(CONFIG)
    (root / "models/people.sql").write_text(MODEL)
    (root / "syncs/people.yml").write_text(PEOPLE)
    (root / "syncs/copies.yml").write_text(COPIES)
    write_people(root, ROWS)
    database = sqlite3.connect(root / "app.db")
    database.executescript(TABLES)
    database.close()
    with Project.load(root) as project:
        project.run("people")
        project.run("copies")
        write_people(root, [(1, "Anne", "ann@x.io"), *ROWS[1:], (5, "Eve", "eve@x.io")])
        project.release_warehouses()
        project.run("people")
