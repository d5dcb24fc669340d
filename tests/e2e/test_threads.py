"""Several threads of one program, by way of the Python API."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tailrace import Project

SYNC = """\
model: {name}
destination: app
object: {name}
mode: mirror
key: id
match: {{id: id}}
fields: {{name: name}}
guards: {{max_deletes: off}}
"""
ROWS = {"one": 90_000, "two": 60_000}


def model(workspace, name, step):
    """Rows of which every tenth changes with the step, and one more leaves the model."""
    workspace.write(
        f"models/{name}.sql",
        f"select range as id, '{name}' || range || case when range % 10 = 0 then '-{step}' else '' end as name "
        f"from range({step}, {ROWS[name]})",
    )


@pytest.fixture
def project(workspace):
    """A project of two syncs over one warehouse, each with a snapshot."""
    for name in ROWS:
        workspace.write(f"syncs/{name}.yml", SYNC.format(name=name))
        model(workspace, name, 0)
        workspace.run("adopt", name, "--trust", "--yes")
        model(workspace, name, 1)
    return workspace


def told(plan):
    """All that a plan says, but for its own name."""
    return {**plan.to_json(limit=50), "plan_id": None, "all": sum(1 for _ in plan.changes())}


def test_two_plans_at_once_are_as_one_after_the_other(project):
    """They share the warehouse, the state and the folder for work, and neither sees anything of the other."""
    with Project.load(project.root) as opened:
        alone = {name: told(opened.plan(name)) for name in ROWS}
    assert {name: (said["updates"], said["deletes"]) for name, said in alone.items()} == {
        "one": (8999, 1),
        "two": (5999, 1),
    }
    together = Barrier(2)

    def plan(name):
        together.wait(60)
        return told(opened.plan(name))

    with Project.load(project.root) as opened, ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            assert dict(zip(ROWS, pool.map(plan, ROWS), strict=True)) == alone
    assert list((project.root / ".tailrace/work").iterdir()) == []


def test_a_plan_and_a_check_at_once(project):
    """While rows of a model are being read, others can ask for its columns."""
    with Project.load(project.root) as opened:
        warehouse = opened._session.warehouse("main")
        with warehouse.read(opened.syncs["one"].projection(), batch_rows=1000) as batches:
            first = next(batches)
            assert opened.check("two").exit_code == 0
            assert opened.plan("two").updates == 5999
            assert first.num_rows + sum(batch.num_rows for batch in batches) == ROWS["one"] - 1
