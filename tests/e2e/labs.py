"""A project whose destination is a store in this process: for what real ones cannot be made do."""

from tailrace import Project
from tailrace.project import load_project
from tailrace.running import session
from tailrace.testing.plugin import forget_stores, plugin

CONFIG = """\
warehouses:
  main: {type: duckdb, path: ":memory:"}
destinations:
  mem: {type: memory, store: first, settle: 0s}
"""


def in_memory(monkeypatch):
    """Have the in-memory adapter be the only one, and its stores be empty."""
    forget_stores()
    monkeypatch.setattr(session, "plugins", lambda: {"memory": plugin})


class MemoryLab:
    """The sync `people` of a workspace, over the store `first`."""

    def __init__(self, workspace, sync, config=CONFIG):
        self.workspace, self.root = workspace, workspace.root
        workspace.write("tailrace.yml", config)
        self.edit(sync)

    def edit(self, sync):
        """Write the sync anew."""
        self.workspace.write("syncs/people.yml", sync)

    def project(self):
        """The project, to be closed."""
        return Project(load_project(self.root, plugins={"memory": plugin}))

    def run(self, **how):
        """Run the sync."""
        with self.project() as project:
            return project.run("people", **how)
