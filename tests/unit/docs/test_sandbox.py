"""The page on the sandbox tells its control API and its objects as they are."""

import re
from dataclasses import fields

from tailrace.sandbox.control_api import PREFIX, ControlApi
from tailrace.sandbox.faults import Fault, RowFault
from tailrace.sandbox.hubspot.objects import standard_objects as hubspot_objects
from tailrace.sandbox.options import SalesforceOptions
from tailrace.sandbox.salesforce.app import Salesforce
from tailrace.sandbox.salesforce.objects import standard_objects as salesforce_objects


def test_every_request_of_the_control_api_is_in_the_table(read):
    """The table has exactly the requests that the control API answers."""
    routes = ControlApi(Salesforce(SalesforceOptions())).app().routes
    answered = {
        f"{method} {route.path.removeprefix(PREFIX).replace('{object}', 'OBJECT')}"
        for route in routes
        for method in route.methods - {"HEAD"}
    }
    table = read("docs/sandbox.md").rows("Make things fail")
    assert {name for names, _ in table for name in names if " /" in name} == answered


def test_every_part_of_a_fault_is_named(read):
    """The page names all keys of faults of requests and of rows."""
    text = read("docs/sandbox.md").section("Make things fail")
    keys = {field.name for kind in (Fault, RowFault) for field in fields(kind)}
    assert {key for key in keys if not re.search(rf"`{key}[`:]", text)} == set()


def test_every_object_is_named(read):
    """The page names the objects that a fresh sandbox has."""
    text = read("docs/sandbox.md").section("What is there")
    names = [made.name for made in (*salesforce_objects(), *hubspot_objects())]
    assert [name for name in names if name not in text] == []


def test_the_example_runs(read, capsys):
    """The test fixture that the page shows starts a server, makes it fail, and looks inside."""
    exec(read("docs/sandbox.md").blocks("python")[0].text, {})  # noqa: S102 - our own page
    url, records = capsys.readouterr().out.splitlines()
    assert url.startswith("http://127.0.0.1:")
    assert records == "[]"
