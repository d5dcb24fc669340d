"""A smoke test of the salesforce adapter against a live org: `make live-salesforce`.

Skipped unless the environment says which org; docs/destinations/salesforce.md tells how. It writes a handful of records
whose external ids begin with `tailrace-live-`, and deletes them, also when it fails.
"""

import os

import pytest
from tests.live.lab import LiveLab

from tailrace.api import Project
from tailrace.destination import Operation
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
mode: mirror
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


class Lab(LiveLab):
    """A project on the live org."""

    def mapping(self, **keys):
        """Write the sync; more keys of it."""
        lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
        self.sync(SYNC.format(object=self.object, match=self.match, name=self.name, keys=lines))


@pytest.fixture
def lab(tmp_path):
    """A project on the org; its records are deleted in the end."""
    kind = told("object", "Contact")
    made = Lab(
        tmp_path,
        plugin,
        Operation.DELETE,
        object=kind,
        match=told("match", "External_Id__c"),
        name=told("name", "LastName" if kind == "Contact" else "Name"),
    )
    made.destination(f"    type: salesforce\n    auth:\n{auth()}")
    made.mapping()
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

    lab.mapping(bulk="always", too_long="truncate")
    lab.model(n1="Anna", n2="x" * 5000, n4="Dee", n5="#N/A")
    third = lab.run()
    assert (third.status, third.acknowledged) == ("succeeded", 4), third.errors
    kept = lab.kept()
    assert set(kept) == {1, 2, 4, 5}
    assert set(kept[2]) == {"x"}
    assert (kept[4], kept[5]) == ("Dee", "#N/A")
