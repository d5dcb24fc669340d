"""A smoke test of the salesforce adapter against a live org: `make live-salesforce`.

Skipped unless the environment says which org; docs/destinations/salesforce.md tells how. It writes a handful of records
whose external ids begin with `tailrace-live-`, and deletes them, also when it fails.
"""

import os
import secrets
from dataclasses import dataclass, field

import pytest

from tailrace.api import Project
from tailrace.destination import Batch, Context, Operation, Row
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.salesforce import plugin

PREFIX = "TAILRACE_LIVE_SF_"
AUTH = {
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "jwt": ("client_id", "username", "private_key", "audience"),
    "session": ("session_id",),
}
SECRETS = frozenset({"client_secret", "refresh_token", "private_key", "session_id"})
SYNC = """\
model: rows
destination: live
object: {object}
mode: {mode}
key: id
match: {{{match}: id}}
fields:
  {name}: name
{keys}"""

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(f"{PREFIX}URL" not in os.environ, reason=f"set {PREFIX}URL and more: see the docs page"),
]


def told(name, default=""):
    """A setting from the environment."""
    return os.environ.get(PREFIX + name.upper(), default)


def auth():
    """The `auth` of the destination as YAML; secrets by reference."""
    flow = told("flow", "client_credentials")
    lines = [f"flow: {flow}", f"{'instance_url' if flow == 'session' else 'login_url'}: {told('url')}"]
    for key in AUTH[flow]:
        if told(key):
            value = f"${{env:{PREFIX}{key.upper()}}}" if key in SECRETS else told(key)
            lines.append(f'{key}: "{value}"')
    return "".join(f"      {line}\n" for line in lines)


@dataclass
class Lab:
    """A project on the live org. Its records are those whose external id begins with `mark`."""

    root: object
    object: str = field(default_factory=lambda: told("object", "Contact"))
    match: str = field(default_factory=lambda: told("match", "External_Id__c"))
    mark: str = field(default_factory=lambda: f"tailrace-live-{secrets.token_hex(6)}")
    numbers: int = 0

    @property
    def name(self):
        return told("name", "LastName" if self.object == "Contact" else "Name")

    def key(self, number):
        self.numbers = max(self.numbers, number)
        return f"{self.mark}-{number}"

    def model(self, **names):
        """What the model gives: names by number, as `n1="Ann"`."""
        rows = [f"('{self.key(int(number[1:]))}', '{name}')" for number, name in names.items()]
        (self.root / "models/rows.sql").write_text(f"select * from (values {', '.join(rows)}) as t(id, name)")

    def sync(self, mode="mirror", **keys):
        lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
        text = SYNC.format(object=self.object, match=self.match, name=self.name, mode=mode, keys=lines)
        (self.root / "syncs/rows.yml").write_text(text)

    def run(self):
        """Run the sync; acknowledged rows by kind."""
        with Project.load(self.root) as project:
            return project.run("rows")

    def open(self):
        with Project.load(self.root) as project:
            config = project.syncs["rows"].destination_config
        return plugin.open(config, Context("live", RecordingCalls(), str(self.root)))

    def kept(self):
        """Names in the org by number."""
        keys = [self.key(number) for number in range(1, self.numbers + 1)]
        crm = self.open()
        try:
            found = list(crm.find(self.object, [self.match], [(key,) for key in keys], [self.name]))
        finally:
            crm.close()
        return {int(record.match[0].rpartition("-")[2]): record.values[self.name] for record in found}

    def clean(self):
        """Delete whatever is left of the records."""
        keys = [self.key(number) for number in range(1, self.numbers + 1)]
        crm = self.open()
        try:
            found = list(crm.find(self.object, [self.match], [(key,) for key in keys]))
            rows = tuple(Row(record.id, record.match, record.match, {}, record.id) for record in found)
            if rows:
                outcomes = list(crm.push(Batch("clean", self.object, Operation.DELETE, (self.match,), rows)))
                assert {outcome.status for outcome in outcomes} == {"acknowledged"}
        finally:
            crm.close()


@pytest.fixture
def lab(tmp_path):
    """A project on the org; its records are deleted in the end."""
    (tmp_path / "models").mkdir()
    (tmp_path / "syncs").mkdir()
    warehouse = "warehouses:\n  main: {type: duckdb, path: ':memory:'}\n"
    destination = f"destinations:\n  live:\n    type: salesforce\n    auth:\n{auth()}"
    (tmp_path / "tailrace.yml").write_text(warehouse + destination)
    made = Lab(tmp_path)
    made.model(n1="Ann", n2="Bob", n3="Zoë 🙂")
    made.sync()
    yield made
    made.clean()


def test_a_sync_against_the_org(lab):
    """Check, write, change, reject, delete, by batches and by a job; and the org holds what the snapshot says."""
    with Project.load(lab.root) as project:
        report = project.check()
    assert report.exit_code == 0, [line.text for line in report.lines if not line.ok]
    account = next(line.account for line in report.lines if line.account)
    assert account["id"].startswith("00D")
    if account["sandbox"] is not True and told("production") != "yes":
        pytest.fail(
            f"{account['name']} is not known to be a sandbox; set {PREFIX}PRODUCTION=yes to write there all the same"
        )

    first = lab.run()
    assert (first.status, first.acknowledged) == ("succeeded", 3), first.errors
    assert lab.kept() == {1: "Ann", 2: "Bob", 3: "Zoë 🙂"}
    assert lab.run().status == "nothing_to_do"

    lab.model(n1="Anna", n2="x" * 5000, n3="Zoë 🙂")
    second = lab.run()
    assert (second.acknowledged, second.rejected) == (1, 1)
    assert [error.code for error in second.errors] == ["STRING_TOO_LONG"]

    lab.sync(bulk="always", too_long="truncate")
    lab.model(n1="Anna", n2="x" * 5000, n4="Dee", n5="#N/A")
    third = lab.run()
    assert (third.status, third.acknowledged) == ("succeeded", 4), third.errors
    kept = lab.kept()
    assert set(kept) == {1, 2, 4, 5}
    assert set(kept[2]) == {"x"}
    assert (kept[4], kept[5]) == ("Dee", "#N/A")
