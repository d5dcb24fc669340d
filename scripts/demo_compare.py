"""Read the demo's destinations back, and compare them with what the warehouse says, value by value.

Nothing of the engine is used here: the expected values are computed by queries of their own, and the records are
read from the simulators and from the database file.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tailrace.sandbox import Control

Record: TypeAlias = dict[str, str | None]
Table: TypeAlias = dict[str, Record]
"""Records by key; all values as text in one form, so that 10, 10.0 and '10.00' are the same."""

NUMBER = re.compile(r"-?\d+(\.\d+)?")
PURCHASES = """
    WITH customers AS (
        SELECT c.*, co.name AS company, count(o.order_id) AS n, coalesce(sum(o.amount), 0) AS total,
               max(o.ordered_at)::DATE AS last_order
        FROM customers c LEFT JOIN orders o USING (customer_id) LEFT JOIN companies co USING (company_id) GROUP BY ALL)
"""
ACCOUNT = "SELECT company_id AS key, name AS Name, city AS BillingCity, 'https://' || domain AS Website FROM companies"
ORDER = "SELECT order_id AS key, customer_id, amount, ordered_at FROM orders"
CONTACT = """
    SELECT customer_id AS key, first_name AS FirstName, last_name AS LastName, email AS Email, phone AS Phone,
           total AS LTV__c, n AS Orders__c, last_order AS Last_Order__c, 'warehouse' AS Source__c,
           sha256(email) AS Email_Hash__c, company_id AS AccountId,
           'Hello ' || first_name || ', good to have you here.' AS Welcome__c FROM customers"""
HUB_CONTACT = """
    SELECT customer_id AS key, email, first_name AS firstname, last_name AS lastname, total AS lifetime_value,
           n AS n_orders, CASE WHEN total >= 2000 THEN 'gold' WHEN n > 0 THEN 'regular' ELSE 'new' END AS segment
    FROM customers"""
HUB_COMPANY = """
    SELECT company_id AS key, name, domain, city, (SELECT coalesce(sum(total), 0) FROM customers c
           WHERE c.company_id = co.company_id) AS lifetime_value FROM companies co"""
OPS_CUSTOMER = """
    SELECT customer_id AS key, first_name || ' ' || last_name AS full_name, email, company_id, n AS orders,
           total AS lifetime_value, last_order FROM customers"""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the warehouse and the destinations are."""

    warehouse: Path
    control: Control
    database: Path


@dataclass(frozen=True, slots=True)
class Target:
    """One object of one destination: what the model says it holds, and how to read what it does hold."""

    name: str
    query: str
    read: Callable[[Places, tuple[str, ...]], Table]
    """Called with the fields to read."""
    keeps: bool = False
    """Records whose row left the model stay."""


def expected(target: Target, places: Places) -> Table:
    """What the warehouse says."""
    with duckdb.connect(places.warehouse, read_only=True) as connection:
        result = connection.sql(PURCHASES + target.query)
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
    return _table(rows, "key")


def actual(target: Target, places: Places, wanted: Table) -> Table:
    """What the destination holds, of the fields that `wanted` has."""
    return target.read(places, tuple(next(iter(wanted.values()))))


def differences(target: Target, wanted: Table, found: Table) -> list[str]:
    """One line for each record that is missing, too many, or has a value that differs."""
    lines = [f"{target.name} {key}: is missing" for key in wanted.keys() - found.keys()]
    if not target.keeps:
        lines += [f"{target.name} {key}: should not be there" for key in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        lines += [
            f"{target.name} {key}: {field} is {found[key].get(field)!r}, not {value!r}"
            for field, value in wanted[key].items()
            if found[key].get(field) != value
        ]
    return sorted(lines)


def changed(before: Table, after: Table) -> set[str]:
    """Keys of the records that came, went or differ."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _text(value: Any) -> str | None:
    """One form for each value, whichever way a destination writes it."""
    if value is None or value == "":
        return None
    text = str(value)
    if NUMBER.fullmatch(text):
        return f"{Decimal(text).normalize():f}"
    return re.sub(r"(\d\d:\d\d:\d\d)\.0+$", r"\1", text)


def _table(rows: list[dict[str, Any]], key: str) -> Table:
    return {str(_text(row[key])): {name: _text(value) for name, value in row.items() if name != key} for row in rows}


def _contacts(places: Places, fields: tuple[str, ...]) -> Table:
    """Contacts, their account's record id put back into the company's own id."""
    company = {account["Id"]: account["External_Id__c"] for account in places.control.salesforce.records("Account")}
    rows = [_pick(record, "External_Id__c", fields) for record in places.control.salesforce.records("Contact")]
    return _table([{**row, "AccountId": company.get(row["AccountId"])} for row in rows], "External_Id__c")


def _accounts(places: Places, fields: tuple[str, ...]) -> Table:
    records = places.control.salesforce.records("Account")
    return _table([_pick(record, "External_Id__c", fields) for record in records], "External_Id__c")


def _companies(places: Places, fields: tuple[str, ...]) -> Table:
    return _hubspot(places.control.hubspot.records("companies"), fields)


def _people(places: Places, fields: tuple[str, ...]) -> Table:
    return _hubspot(places.control.hubspot.records("contacts"), fields)


def _hubspot(records: list[dict[str, Any]], fields: tuple[str, ...]) -> Table:
    return _table([_pick(record["properties"], "warehouse_id", fields) for record in records], "warehouse_id")


def _customers(places: Places, fields: tuple[str, ...]) -> Table:
    return _sqlite(places.database, "customers", "customer_id", fields)


def _orders(places: Places, fields: tuple[str, ...]) -> Table:
    return _sqlite(places.database, "order_log", "order_id", fields)


def _sqlite(database: Path, table: str, key: str, fields: tuple[str, ...]) -> Table:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [_pick(dict(row), key, fields) for row in connection.execute(f"SELECT * FROM {table}")]
    if len(rows) != len({row[key] for row in rows}):
        raise SystemExit(f"the table {table} holds a row twice")
    return _table(rows, key)


def _pick(record: Mapping[str, Any], key: str, fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: record.get(field) for field in (key, *fields)}


TARGETS = (
    Target("crm.Account", ACCOUNT, _accounts, keeps=True),
    Target("crm.Contact", CONTACT, _contacts),
    Target("hub.companies", HUB_COMPANY, _companies, keeps=True),
    Target("hub.contacts", HUB_CONTACT, _people, keeps=True),
    Target("ops.customers", OPS_CUSTOMER, _customers),
    Target("ops.order_log", ORDER, _orders),
)
