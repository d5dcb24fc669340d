"""A smoke test of the hubspot adapter against a live account: `make live-hubspot`.

Skipped unless the environment says which account; docs/destinations/hubspot.md tells how. It writes a handful of
records whose match values begin with `tailrace-live-`, and archives them, also when it fails.
"""

import os

import pytest
from tests.live.lab import LiveLab

from tailrace.api import Project
from tailrace.destination import Operation
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


@pytest.fixture
def lab(tmp_path):
    """A project on the account; its records are archived in the end."""
    kind = told("object", "contacts")
    made = LiveLab(
        tmp_path,
        plugin,
        Operation.ARCHIVE,
        object=kind,
        match=told("match", "warehouse_id"),
        name=told("name", NAMES.get(kind, "name")),
    )
    url = f"    base_url: {told('url')}\n" if told("url") else ""
    made.destination(f"    type: hubspot\n{sign_in()}    api_version: {told('api_version', 'v3')}\n{url}")
    made.sync(SYNC.format(object=made.object, match=made.match, name=made.name))
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
