"""What a plan of a small sync does not pay for."""

import importlib.util
import subprocess
import sys

import pytest

TOLD = """
import sys
from tailrace import cli
try:
    cli.main(sys.argv[1:])
finally:
    sys.stderr.write(f"{' '.join(sys.modules)}\\n{cli._waited_for()}")
"""
MODEL = """\
select id, name, email, list_value(name, email) as tags
from read_csv('people.csv', header = true,
  columns = {'id': 'bigint', 'name': 'varchar', 'email': 'varchar', 'spent': 'double'})
"""
SYNC = """\
model: people
destination: app
object: people
mode: upsert
key: id
match: {id: id}
fields: {name: name, tags: tags}
"""


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed, and not to be loaded")
def test_a_comparison_of_lists_loads_nothing_for_nothing_and_ends_at_once(workspace):
    """Arrow looks for pandas where it is asked in Python's terms, and polars leaves a thread that nobody waits for."""
    workspace.write("models/people.sql", MODEL)
    workspace.write("syncs/people.yml", SYNC)
    workspace.run("run", "people")
    workspace.people((1, "Ann", "ann@example.com", 1), (2, "Bob", "bob@example.com", 2))
    command = [sys.executable, "-c", TOLD, "plan", "people"]
    done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=True)
    *_, modules, waited_for = done.stderr.splitlines()
    assert "1 update" in done.stdout
    assert {"pandas", "pyarrow.compute"} & set(modules.split()) == set()
    assert waited_for == "False"
