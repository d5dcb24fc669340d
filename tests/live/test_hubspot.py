"""A smoke test of the hubspot adapter against a live account: `make live-hubspot`.

Skipped unless the environment says which account; docs/destinations/hubspot.md tells how. It writes a handful of
records whose match values begin with `tailrace-live-`, and archives them, also when it fails.
"""

import os
import secrets
from dataclasses import dataclass, field

import pytest

from tailrace.api import Project
from tailrace.destination import Batch, Context, Operation, Row
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.hubspot import plugin

PREFIX = "TAILRACE_LIVE_HUBSPOT_"
NAMES = {"contacts": "firstname", "companies": "name", "deals": "dealname", "tickets": "subject"}
SYNC = """\
model: rows
destination: live
object: "{object}"
mode: mirror
guards: {{max_deletes: off}}
key: id
match: {{{match}: id}}
fields:
  {name}: name
"""
TOO_LONG = 70_000
"""Characters; a text property takes 65,536."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not {f"{PREFIX}TOKEN", f"{PREFIX}REFRESH_TOKEN"} & os.environ.keys(),
        reason=f"set {PREFIX}TOKEN and more: see the docs page",
    ),
]


def told(name, default=""):
    """A setting from the environment."""
    return os.environ.get(PREFIX + name.upper(), default)


def sign_in():
    """The destination's sign-in as YAML; secrets by reference."""
    if told("token"):
        return f'    access_token: "${{env:{PREFIX}TOKEN}}"\n'
    secret = "".join(f'      {key}: "${{env:{PREFIX}{key.upper()}}}"\n' for key in ("client_secret", "refresh_token"))
    return f"    auth:\n      flow: refresh_token\n      client_id: {told('client_id')}\n{secret}"


@dataclass
class Lab:
    """A project on the live account. Its records are those whose match value begins with `mark`."""

    root: object
    object: str = field(default_factory=lambda: told("object", "contacts"))
    match: str = field(default_factory=lambda: told("match", "warehouse_id"))
    mark: str = field(default_factory=lambda: f"tailrace-live-{secrets.token_hex(6)}")
    numbers: int = 0

    @property
    def name(self):
        return told("name", NAMES.get(self.object, "name"))

    def key(self, number):
        self.numbers = max(self.numbers, number)
        return f"{self.mark}-{number}"

    def model(self, **names):
        """What the model gives: names by number, as `n1="Ann"`."""
        rows = [f"('{self.key(int(number[1:]))}', '{name}')" for number, name in names.items()]
        (self.root / "models/rows.sql").write_text(f"select * from (values {', '.join(rows)}) as t(id, name)")

    def run(self):
        """Run the sync."""
        with Project.load(self.root) as project:
            return project.run("rows")

    def open(self):
        with Project.load(self.root) as project:
            config = project.syncs["rows"].destination_config
        return plugin.open(config, Context("live", RecordingCalls(), str(self.root), object=self.object))

    def found(self):
        """Records of the account."""
        keys = [(self.key(number),) for number in range(1, self.numbers + 1)]
        hub = self.open()
        try:
            return list(hub.find(self.object, [self.match], keys, [self.name]))
        finally:
            hub.close()

    def kept(self):
        """Names in the account by number."""
        return {int(record.match[0].rpartition("-")[2]): record.values[self.name] for record in self.found()}

    def clean(self):
        """Archive whatever is left of the records."""
        rows = tuple(Row(record.id, record.match, record.match, {}, record.id) for record in self.found())
        hub = self.open()
        try:
            if rows:
                outcomes = list(hub.push(Batch("clean", self.object, Operation.ARCHIVE, (self.match,), rows)))
                assert {outcome.status for outcome in outcomes} == {"acknowledged"}
        finally:
            hub.close()


@pytest.fixture
def lab(tmp_path):
    """A project on the account; its records are archived in the end."""
    (tmp_path / "models").mkdir()
    (tmp_path / "syncs").mkdir()
    destination = f"  live:\n    type: hubspot\n{sign_in()}    api_version: {told('api_version', 'v3')}\n"
    destination += f"    base_url: {told('url')}\n" if told("url") else ""
    warehouse = "warehouses:\n  main: {type: duckdb, path: ':memory:'}\n"
    (tmp_path / "tailrace.yml").write_text(f"{warehouse}destinations:\n{destination}")
    made = Lab(tmp_path)
    made.model(n1="Ann", n2="Bob", n3="Zoë 🙂")
    text = SYNC.format(object=made.object, match=made.match, name=made.name)
    (tmp_path / "syncs/rows.yml").write_text(text)
    yield made
    made.clean()


def test_a_sync_against_the_account(lab):
    """Check, write, change, reject and archive; and the account holds what the snapshot says."""
    with Project.load(lab.root) as project:
        report = project.check()
    assert report.exit_code == 0, [line.text for line in report.lines if not line.ok]
    account = next(line.account for line in report.lines if line.account)
    assert account["id"].isdecimal()
    if account["sandbox"] is not True and told("production") != "yes":
        pytest.fail(
            f"account {account['id']} is no test account; set {PREFIX}PRODUCTION=yes to write there all the same"
        )

    first = lab.run()
    assert (first.status, first.acknowledged) == ("succeeded", 3), first.errors
    assert lab.kept() == {1: "Ann", 2: "Bob", 3: "Zoë 🙂"}
    assert lab.run().status == "nothing_to_do"

    lab.model(n1="Anna", n2="x" * TOO_LONG, n3="Zoë 🙂")
    second = lab.run()
    assert (second.acknowledged, second.rejected) == (1, 1), second.errors
    assert lab.kept() == {1: "Anna", 2: "Bob", 3: "Zoë 🙂"}

    lab.model(n1="Anna", n4="Dee")
    third = lab.run()
    assert (third.status, third.acknowledged, third.deletes) == ("succeeded", 3, 2), third.errors
    assert lab.kept() == {1: "Anna", 4: "Dee"}
