"""The example project's data: a small shop's customers, companies and orders, the same in every run.

`python scripts/demo_data.py` writes the warehouse file that `tailrace.yml` names. `make demo` uses the functions,
and then changes the data as a day of business would.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence

WAREHOUSE = Path(__file__).resolve().parent.parent / ".tailrace" / "demo" / "warehouse.duckdb"
CUSTOMERS = 300
ORDERS = 900
OPENING = datetime(2026, 1, 5, 8, 0)  # noqa: DTZ001 -- the shop's own clock, as warehouses often store it
FIRST_NAMES = (  # noqa: SIM905 -- names are easier to read in running text
    "Ada Ayşe Bruno Chiara Daniel Elif Emil Fatima Finn Grace Hana Hugo Igor Ines Jana João Kofi Lena Lucía Malik "
    "Marta Mei Milan Nadia Niko Noor Olga Omar Paula Priya Rafael Rosa Sami Sofia Tariq Tomás Uma Vera Yara Zoë"
).split()
LAST_NAMES = (  # noqa: SIM905 -- names are easier to read in running text
    "Almeida Andersen Bauer Bianchi Costa Demir Diallo Dubois Fernández Fischer García Haddad Hansen Ivanova Jansen "
    "Kaya Keller Kowalski Larsen Liu Mensah Moreau Müller Nakamura Novak O'Neill Okafor Olsen Patel Popescu Rossi "
    "Sato Schmidt Silva Singh Svensson Tanaka Varga Weber Şahin"
).split()
COMPANY_NAMES = (  # noqa: SIM905 -- names are easier to read in running text
    "Alder Basalt Cobalt Delta Ember Fjord Garnet Harbor Indigo Juniper Kestrel Lumen Meridian Nimbus Opal Pioneer "
    "Quartz Ridge Saffron Tundra Umbra Vertex Willow Xenon Yarrow Zephyr"
).split()
CITIES = ("Berlin", "Dakar", "Istanbul", "Kyoto", "Lisbon", "Milan", "Oslo", "Porto", "Prague", "Toronto")
ASCII = str.maketrans("şçãíáéëüö'", "scaiaeeuo ")
TABLES = """
CREATE TABLE companies (company_id VARCHAR, name VARCHAR, domain VARCHAR, city VARCHAR);
CREATE TABLE customers (
    customer_id INTEGER, first_name VARCHAR, last_name VARCHAR, email VARCHAR, phone VARCHAR, company_id VARCHAR
);
CREATE TABLE orders (order_id INTEGER, customer_id INTEGER, amount DECIMAL(12, 2), ordered_at TIMESTAMP);
"""


def build(path: Path = WAREHOUSE) -> None:
    """Make the warehouse file anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    chance = random.Random(2026)  # noqa: S311 -- sample data
    companies = _companies(chance)
    with duckdb.connect(path) as warehouse:
        warehouse.execute(TABLES)
        _insert(warehouse, "companies", companies)
        _insert(warehouse, "customers", [_customer(chance, number, companies) for number in range(1, CUSTOMERS + 1)])
        _insert(warehouse, "orders", [_order(chance, 10_000 + number) for number in range(ORDERS)])


def change(path: Path = WAREHOUSE) -> None:
    """One day of business: orders, a corrected address, new customers, some who left, and a typing error."""
    with duckdb.connect(path) as warehouse:
        newest = OPENING + timedelta(days=200, hours=3)
        orders = [(20_000 + number, 7 * number, Decimal("49.90") + number, newest) for number in range(1, 6)]
        _insert(warehouse, "orders", orders)
        warehouse.execute("UPDATE customers SET email = 'new.address@ember.example' WHERE customer_id = 42")
        warehouse.execute("UPDATE customers SET phone = NULL WHERE customer_id = 50")
        warehouse.execute("UPDATE customers SET email = 'not an e-mail address' WHERE customer_id = 99")
        warehouse.execute("DELETE FROM customers WHERE customer_id IN (120, 240)")
        arrivals = [
            (CUSTOMERS + 1, "Noor", "Haddad", "noor.haddad@lumen.example", "+49 30 5550301", "c-12"),
            (CUSTOMERS + 2, "Tomás", "Silva", "tomas.silva@opal.example", None, "c-15"),
            (CUSTOMERS + 3, "Mei", "Tanaka", None, "+49 30 5550303", None),
        ]
        _insert(warehouse, "customers", arrivals)


def repair(path: Path = WAREHOUSE) -> None:
    """Put the typing error right."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute("UPDATE customers SET email = 'corrected@fjord.example' WHERE customer_id = 99")


def lose_half(path: Path = WAREHOUSE) -> None:
    """What a broken load does: half of the customers are missing."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute("CREATE TABLE kept AS FROM customers")
        warehouse.execute("DELETE FROM customers WHERE customer_id % 2 = 0")


def restore(path: Path = WAREHOUSE) -> None:
    """Bring back what `lose_half` took."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute("DROP TABLE customers")
        warehouse.execute("ALTER TABLE kept RENAME TO customers")


def _companies(chance: random.Random) -> list[tuple[Any, ...]]:
    return [
        (f"c-{number:02}", f"{name} Works", f"{name.lower()}.example", chance.choice(CITIES))
        for number, name in enumerate(COMPANY_NAMES, start=1)
    ]


def _customer(chance: random.Random, number: int, companies: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Some have no e-mail address, no telephone or no company, as in life."""
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    company = chance.choice(companies) if chance.random() < 0.8 else None
    domain = company[2] if company else "mail.example"
    email = f"{first}.{last}.{number}@{domain}".lower().translate(ASCII).replace(" ", "")
    phone = f"+49 30 555{number:04}" if chance.random() < 0.7 else None
    return number, first, last, email if chance.random() < 0.95 else None, phone, company[0] if company else None


def _order(chance: random.Random, number: int) -> tuple[Any, ...]:
    """A third of the customers buy most; some never do."""
    customer = min(int(chance.expovariate(1 / 90)) + 1, CUSTOMERS)
    amount = Decimal(chance.randint(500, 60_000)) / 100
    return number, customer, amount, OPENING + timedelta(minutes=chance.randint(0, 200 * 24 * 60))


def _insert(warehouse: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(rows[0]))
    warehouse.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


if __name__ == "__main__":
    build()
    print(f"wrote {WAREHOUSE}")
