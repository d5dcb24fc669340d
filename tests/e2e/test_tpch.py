"""Real input: TPC-H customers and orders into PostgreSQL and the HubSpot simulator, then 1% of changes.

The expected values are computed by DuckDB from the model's SQL alone; what arrived is read back from the
database by SQL and from the simulator by its control API. Scale 0.01 (1,500 customers) unless
TAILRACE_TPCH_SCALE says otherwise; scale 1 has 150,000 customers and 1,500,000 orders.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tailrace import Project
from tailrace.sandbox import SandboxServer

psycopg = pytest.importorskip("psycopg")

TEMPLATE = Path(__file__).parents[2] / "benchmarks" / "tpch"
SCALE = os.environ.get("TAILRACE_TPCH_SCALE", "0.01")
COLUMNS = ("name", "phone", "segment", "balance", "lifetime_value", "orders", "last_order")
HUBSPOT = {
    "firstname": "name",
    "phone": "phone",
    "jobtitle": "segment",
    "lifetime_value": "lifetime_value",
    "n_orders": "orders",
    "last_order": "last_order",
}
# The log of writes is kept by the database itself, so that it shows what was sent and not what was meant.
TABLE = """
CREATE TABLE customers (
    customer_id bigint PRIMARY KEY, name text NOT NULL, phone text, segment text, balance numeric(15, 2),
    lifetime_value numeric(18, 2), orders bigint, last_order date);
CREATE TABLE writes (op text, customer_id bigint);
CREATE FUNCTION log_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO writes VALUES (TG_OP, coalesce(NEW.customer_id, OLD.customer_id)); RETURN NULL; END $$;
CREATE TRIGGER log_writes AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION log_write()
"""

Table = dict[int, dict[str, Any]]


@dataclass
class Day:
    """What the model said after one day's load, what the runs reported, and what the destinations held."""

    model: Table
    results: dict[str, Any]
    postgres: Table
    writes: set[tuple[str, int]]
    hubspot: Table
    hubspot_writes: int


@dataclass
class Story:
    """Three days: everything is new, 1% changes, nothing changes."""

    days: list[Day] = field(default_factory=list)

    @property
    def changes(self) -> dict[str, set[int]]:
        """Customers that came, left, and changed between the first two days."""
        before, after = (day.model for day in self.days[:2])
        return {
            "INSERT": after.keys() - before.keys(),
            "DELETE": before.keys() - after.keys(),
            "UPDATE": {key for key in before.keys() & after.keys() if before[key] != after[key]},
        }


@pytest.fixture(scope="module")
def database(postgres_url):
    """Make an empty table in a database of its own; gives the database's address."""
    address = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE tpch")
    address = address.replace("/postgres?", "/tpch?")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(TABLE)
    return address


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Copy the project, generate its data and load them into its warehouse."""
    folder = tmp_path_factory.mktemp("tpch")
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True)
    generator = Path(sys.executable).with_name("tpchgen-cli")
    options = ["parquet", "-s", SCALE, "--tables", "customer,orders", "--output-dir", str(folder)]
    subprocess.run([str(generator), *options], check=True, capture_output=True)
    with duckdb.connect(folder / "tpch.duckdb") as connection:
        for table in ("customer", "orders"):
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM '{folder / table}.parquet'")
    return folder


@pytest.fixture(scope="module")
def story(folder, database):
    """Live through three days, and keep what was seen."""
    story = Story()
    with SandboxServer(salesforce=False) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "TPCH_HUBSPOT_URL": sandbox.hubspot_url,
            "TPCH_SALESFORCE_URL": sandbox.hubspot_url,
            "TPCH_POSTGRES_URL": database,
            "TPCH_WEBHOOK_URL": sandbox.hubspot_url,
            "TPCH_TOKEN": "rehearsal",
        }.items():
            patch.setenv(name, value)
        for number in range(3):
            if number == 1:
                change(folder)
            story.days.append(live(folder, database, sandbox.control.hubspot))
    return story


def change(folder: Path) -> None:
    """Change the warehouse as one day of business would."""
    with duckdb.connect(folder / "tpch.duckdb") as connection:
        connection.execute((folder / "change.sql").read_text(encoding="utf-8"))


def live(folder: Path, database: str, hubspot: Any) -> Day:
    """Run both syncs and look at everything."""
    sent = hubspot.counters()["writes"].get("contacts", 0)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE writes")
    with Project.load(folder) as project:
        results = {name: project.run(name) for name in ("postgres", "hubspot")}
    with psycopg.connect(database) as connection:
        rows = connection.execute(f"SELECT customer_id, {', '.join(COLUMNS)} FROM customers").fetchall()
        writes = connection.execute("SELECT op, customer_id FROM writes").fetchall()
    assert len(writes) == len(set(writes)), "a row was written twice"
    return Day(
        model(folder),
        results,
        table(rows),
        set(writes),
        {int(record["properties"]["warehouse_id"]): record["properties"] for record in hubspot.records("contacts")},
        hubspot.counters()["writes"].get("contacts", 0) - sent,
    )


def model(folder: Path) -> Table:
    """What the model's SQL says, asked of DuckDB directly."""
    with duckdb.connect(folder / "tpch.duckdb", read_only=True) as connection:
        return table(connection.sql((folder / "models" / "customers.sql").read_text(encoding="utf-8")).fetchall())


def table(rows: list[tuple[Any, ...]]) -> Table:
    """Rows by key; a key that comes twice is a fault."""
    found = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows}
    assert len(found) == len(rows)
    return found


def as_hubspot(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the model as its HubSpot properties."""
    return {name: row[column] for name, column in HUBSPOT.items()}


def from_hubspot(properties: dict[str, Any]) -> dict[str, Any]:
    """HubSpot's texts as values: numbers by value, an empty text as nothing."""
    values = {name: properties.get(name) or None for name in HUBSPOT}
    for name in ("lifetime_value", "n_orders"):
        values[name] = None if values[name] is None else Decimal(values[name])
    return values


def hubspot_form(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the model in the form of `from_hubspot`."""
    values = as_hubspot(row)
    values["last_order"] = None if row["last_order"] is None else row["last_order"].isoformat()
    return values


@pytest.mark.parametrize("day", [0, 1, 2], ids=["all_new", "one_percent", "unchanged"])
def test_postgres_holds_every_value_of_the_model(story, day):
    """After each run the table equals the model, row by row and value by value."""
    assert story.days[day].postgres == story.days[day].model


@pytest.mark.parametrize("day", [0, 1, 2], ids=["all_new", "one_percent", "unchanged"])
def test_hubspot_holds_every_value_of_the_model(story, day):
    """After each run the contacts equal the model, and those that left are gone."""
    held = {key: from_hubspot(properties) for key, properties in story.days[day].hubspot.items()}
    assert held == {key: hubspot_form(row) for key, row in story.days[day].model.items()}


def test_the_changes_are_of_every_kind(story):
    """The second day has customers that came, left and changed, about one in a hundred."""
    changes = story.changes
    assert all(changes.values())
    assert 0.005 < sum(map(len, changes.values())) / len(story.days[0].model) < 0.02


def test_the_first_run_writes_every_row_once(story):
    """Each customer is inserted once, and nothing else happens."""
    first = story.days[0]
    assert first.writes == {("INSERT", key) for key in first.model}
    assert first.hubspot_writes == len(first.model)


def test_the_second_run_sends_exactly_the_changes(story):
    """The database's own log shows one write for each changed customer, of the right kind, and no other."""
    second = story.days[1]
    assert second.writes == {(op, key) for op, keys in story.changes.items() for key in keys}


def test_hubspot_gets_exactly_the_changes(story):
    """The simulator counts as many writes as fields it has changed in; a new balance alone sends nothing."""
    before, after = ({key: hubspot_form(row) for key, row in day.model.items()} for day in story.days[:2])
    touched = before.keys() ^ after.keys() | {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert story.days[1].hubspot_writes == len(touched)


def test_the_third_run_writes_nothing(story):
    """With nothing changed, nothing is sent and the runs say so."""
    third = story.days[2]
    assert (third.writes, third.hubspot_writes) == (set(), 0)
    assert {result.status for result in third.results.values()} == {"nothing_to_do"}


@pytest.mark.parametrize("sync", ["postgres", "hubspot"])
def test_the_reports_tell_what_happened(story, sync):
    """Counts of the runs equal what was really written; no row is rejected, unknown or invalid."""
    first, second = (day.results[sync] for day in story.days[:2])
    changes = story.changes
    assert (first.status, first.inserts, first.acknowledged) == (
        "succeeded",
        len(story.days[0].model),
        len(story.days[0].model),
    )
    assert (second.inserts, second.deletes) == (len(changes["INSERT"]), len(changes["DELETE"]))
    assert second.status == "succeeded"
    assert second.acknowledged == second.inserts + second.updates + second.deletes
    assert second.rejected + second.unknown + second.invalid + second.skipped == 0
