"""Projects that several suites have: over a simulated CRM, or over a store in this process."""

import httpx

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


def ran(workspace, *arguments, sync="people", code=0):
    """What a run came to."""
    (run,) = workspace.run("run", sync, *arguments, "--json", code=code).json["runs"]
    return run


def salesforce_project(url, **settings):
    """A project with an in-memory DuckDB and a Salesforce-like org; more keys of the destination."""
    auth = f'flow: client_credentials, login_url: "{url}", client_id: app, client_secret: "${{env:SF_SECRET}}"'
    return _project("crm", {"type": "salesforce", "auth": f"{{{auth}}}", "settle": "0s", **settings})


def hubspot_project(url, **settings):
    """A project with an in-memory DuckDB and a HubSpot-like account; more keys of the destination."""
    token = '"${env:HUB_TOKEN}"'
    return _project("hub", {"type": "hubspot", "access_token": token, "base_url": url, "settle": "0s", **settings})


def _project(name, destination):
    lines = "".join(f"    {key}: {value}\n" for key, value in destination.items())
    warehouse = 'warehouses:\n  main: {type: duckdb, path: ":memory:"}\n'
    return f"{warehouse}destinations:\n  {name}:\n{lines}"


def on_salesforce(workspace, server, monkeypatch, **settings):
    """Have the workspace write to an org: `org` is its control, `url` where it is."""
    monkeypatch.setenv("SF_SECRET", "sf-canary")
    workspace.org, workspace.url = server.control.salesforce, server.salesforce_url
    workspace.write("tailrace.yml", salesforce_project(workspace.url, **settings))
    return workspace


def on_hubspot(workspace, server, monkeypatch, **settings):
    """Have the workspace write to an account: `hub` is its control, `url` where it is."""
    monkeypatch.setenv("HUB_TOKEN", "hub-canary")
    workspace.hub, workspace.url = server.control.hubspot, server.hubspot_url
    workspace.write("tailrace.yml", hubspot_project(workspace.url, **settings))
    return workspace


def signed_in(url):
    """Headers of another program in an org."""
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
    token = httpx.post(f"{url}/services/oauth2/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}
