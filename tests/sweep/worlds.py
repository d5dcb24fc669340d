"""Projects to be killed: a model that changes, a destination, and how to tell that both agree."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias

import sqlalchemy as sa

from tailrace.sandbox import SandboxServer

Rows: TypeAlias = dict[int, str]
"""Names by key."""
BATCH = 20
CONCURRENCY = 2
SETTLE_S = 0.4
LINGER_S = 0.15
"""So much later a request of a killed run may still land; `settle` is longer."""

MODEL = """\
select id, name from read_csv('people.csv', header = true, columns = {'id': 'bigint', 'name': 'varchar'})
"""
PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  there: {destination}
{state}lease: 20s
"""
SYNC = """\
model: people
destination: there
object: {object}
mode: {mode}
key: id
batch_size: {batch}
guards: {{max_deletes: "100%", max_changes: "100%", on_empty: allow}}
{match}fields:
  {field}: name
"""


@dataclass
class World:
    """One project and what it writes to."""

    name: ClassVar[str] = ""
    mode: ClassVar[str] = "upsert"
    batch: ClassVar[int] = BATCH
    """Rows of a batch."""
    root: Path
    random: random.Random
    rows: Rows = field(default_factory=dict)
    """The model now."""
    gave_up: set[int] = field(default_factory=set)
    """Keys whose row was held, and taken as delivered by hand."""
    before: Rows = field(default_factory=dict)
    """The model before the last change."""
    said: int = 0
    settle: float = SETTLE_S

    @property
    def creates(self) -> bool:
        """Whether records are only ever created, so that what may be there already is not sent again."""
        return self.mode in {"insert", "append"}

    def write(self, name: str, text: str) -> None:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self) -> None:
        """Some rows are new, some have another name, some have left; and some are again as they were before."""
        before = dict(self.rows)
        for key in self.random.sample(sorted(self.rows), len(self.rows) // 5):
            del self.rows[key]
        for key in self.random.sample(sorted(self.rows), len(self.rows) // 4):
            self.rows[key] = self._name()
        for key in self.random.sample(sorted(self.before), len(self.before) // 3):
            self.rows[key] = self.before[key]
        self.before = before
        highest = max([*self.rows, *before, self.said])
        for key in range(highest + 1, highest + 1 + self.random.randrange(20, 60)):
            self.rows[key] = self._name()
        self.write("people.csv", "id,name\n" + "".join(f"{key},{name}\n" for key, name in self.rows.items()))

    def _name(self) -> str:
        self.said += 1
        return f"Name {self.said}"

    def build(self, url: str, server: SandboxServer | None = None) -> None:
        """Write the project; the destination is at that URL, and the simulator, if there is one, is empty again."""
        raise NotImplementedError

    def close(self) -> None:
        """Give connections back."""

    def records(self) -> list[tuple[int, str]]:
        """What the destination holds: key and name of each record."""
        raise NotImplementedError

    def faults(self, held: Iterable[int]) -> list[str]:
        """What is wrong at the destination, in words; `held` are keys whose outcome is unknown and shown."""
        there = self.records()
        found = [
            f"{count} records of key {key}" for key, count in Counter(key for key, _ in there).items() if count > 1
        ]
        return found + self._differences(dict(there), set(held) | self.gave_up)

    def _differences(self, there: Rows, doubtful: set[int]) -> list[str]:
        lost = [f"key {key} is lost" for key in self.rows if key not in there and key not in doubtful]
        if lost or self.creates:
            return lost
        stale = [
            f"key {k} has {there[k]!r}, not {name!r}" for k, name in self.rows.items() if there.get(k, name) != name
        ]
        left = [f"key {key} should be gone" for key in there if key not in self.rows] if self.mode == "mirror" else []
        return lost + stale + left


class HubSpotWorld(World):
    """HubSpot contacts, told apart by a property of their own."""

    key: ClassVar[str] = "warehouse_id"

    def build(self, url: str, server: SandboxServer | None = None) -> None:
        """Write the project."""
        assert server is not None
        self.server = server
        server.control.hubspot.reset()
        destination = (
            f'{{type: hubspot, access_token: "${{env:HUB_TOKEN}}", base_url: "{url}", settle: {self.settle}s, '
            f"concurrency: {CONCURRENCY}}}"
        )
        self.write("tailrace.yml", PROJECT.format(destination=destination, state=""))
        match = "match: {warehouse_id: id}\n" if self.mode != "append" else ""
        sync = SYNC.format(object="contacts", mode=self.mode, batch=self.batch, match=match, field="lastname")
        self.write("syncs/people.yml", sync if match else sync + f'  {self.key}: {{sql: "cast(id as varchar)"}}\n')
        self.write("models/people.sql", MODEL)

    def records(self) -> list[tuple[int, str]]:
        """All contacts that are not archived."""
        found = [record["properties"] for record in self.server.control.hubspot.records("contacts")]
        return [(int(record[self.key]), record["lastname"]) for record in found]


class Upsert(HubSpotWorld):
    """Mode upsert: the vendor knows records by a unique property."""

    name, mode = "upsert", "upsert"


class Insert(HubSpotWorld):
    """Mode insert: records are only ever created, and looked up where the answer was lost."""

    name, mode = "insert", "insert"


class Append(HubSpotWorld):
    """Mode append without a match: nothing tells whether a row arrived whose answer was lost."""

    name, mode, key = "append", "append", "company"
    batch = 8
    """So few that some of a run's batches are intended together: the first ones go alone, until their pace is known."""


class Mirror(World):
    """Salesforce contacts by external id, deletes included."""

    name, mode = "mirror", "mirror"
    settings: ClassVar[str] = ""
    """More of the destination."""
    options: ClassVar[str] = ""
    """More of the sync."""

    def build(self, url: str, server: SandboxServer | None = None) -> None:
        """Write the project."""
        assert server is not None
        self.server = server
        server.control.salesforce.reset()
        auth = f'{{flow: client_credentials, login_url: "{url}", client_id: app, client_secret: "${{env:SF_SECRET}}"}}'
        destination = (
            f"{{type: salesforce, auth: {auth}, settle: {self.settle}s, concurrency: {CONCURRENCY}{self.settings}}}"
        )
        self.write("tailrace.yml", PROJECT.format(destination=destination, state=""))
        match = f"{self.options}match: {{External_Id__c: id}}\n"
        sync = SYNC.format(object="Contact", mode=self.mode, batch=self.batch, match=match, field="LastName")
        self.write("syncs/people.yml", sync)
        self.write("models/people.sql", MODEL)

    def records(self) -> list[tuple[int, str]]:
        """All contacts that are not deleted."""
        found = self.server.control.salesforce.records("Contact")
        return [(int(record["External_Id__c"]), record["LastName"]) for record in found]


class Jobs(Mirror):
    """The same by Bulk API 2.0: files, worked off by the vendor in its own time."""

    name = "jobs"
    settings, options = ", job_rows: 40", "bulk: always\n"


class Postgres(World):
    """A table in PostgreSQL, with the state in the same database."""

    name, mode = "postgres", "mirror"

    def build(self, url: str, server: SandboxServer | None = None) -> None:
        """Write the project."""
        self.engine = sa.create_engine(url)
        destination = (
            f'{{type: sql, url: "{url}", create_table: true, settle: {self.settle}s, concurrency: {CONCURRENCY}}}'
        )
        state = f'state: "{url}"\n'
        self.write("tailrace.yml", PROJECT.format(destination=destination, state=state))
        match = "match: {id: id}\n"
        sync = SYNC.format(object="people", mode=self.mode, batch=self.batch, match=match, field="name")
        self.write("syncs/people.yml", sync)
        self.write("models/people.sql", MODEL)

    def close(self) -> None:
        """Give connections back."""
        self.engine.dispose()

    def records(self) -> list[tuple[int, str]]:
        """All rows of the table."""
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("people"):
                return []
            return [(row[0], row[1]) for row in connection.execute(sa.text("select id, name from people"))]


WORLDS: Sequence[type[World]] = (Upsert, Mirror, Jobs, Insert, Append, Postgres)
