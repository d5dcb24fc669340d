"""A project with a past: two syncs, runs that went well and in part, rejected rows; and its console."""

import shutil
import warnings

import pytest
from tests.unit.web.shop import make_past

from tailrace import Project
from tailrace.web.app import make_app
from tailrace.web.server import Listening, make_hosts, make_site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for a successor of httpx, which we do not have
    from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def past(tmp_path_factory):
    """The project's folder, to be copied."""
    root = tmp_path_factory.mktemp("past")
    make_past(root)
    return root


@pytest.fixture
def root(past, tmp_path, monkeypatch):
    """A copy of the project's own."""
    monkeypatch.setenv("SHOP_SECRET", "shop secret of the test")
    monkeypatch.setenv("DBT_SECRET", "dbt secret of the test")
    shutil.copytree(past, tmp_path / "shop")
    return tmp_path / "shop"


class Console:
    """A console in this process, with a browser that keeps its cookies."""

    def __init__(self, root, listening, trouble=lambda: None):
        self.root, self.site = root, make_site(root, listening, trouble)
        app = make_app(self.site, make_hosts(self.site, listening))
        self.client = TestClient(app, base_url="http://127.0.0.1:8570", follow_redirects=False)

    def get(self, path, code=200, **how):
        """A page or object; fails with what was said where the code is another."""
        return self._judged(self.client.get(path, **how), code)

    def json(self, path, **how):
        """An object of the API."""
        return self.get(path, **how).json()

    def post(self, path, body=None, code=200, **how):
        """What an operation of the API answers."""
        return self._judged(self.client.post(path, json=body or {}, **how), code).json()

    def send(self, path, code=303, **fields):
        """Send a form, as the pages have it; gives the answer."""
        self.get("/")
        session = self.site.door.sealed.opened(self.client.cookies["tailrace_session"])
        data = {"csrf": self.site.door.sealed.csrf(session), **fields}
        return self._judged(self.client.post(path, data=data), code)

    def audit(self):
        """Who did what to which, the latest first."""
        with self.site.desk.using() as project:
            return [(line.who, line.action, line.subject) for line in project.audit_log()]

    @staticmethod
    def _judged(answer, code):
        assert answer.status_code == code, f"{answer.status_code}: {answer.text[:2000]}"
        return answer

    def close(self):
        """Give everything back."""
        self.client.close()
        self.site.desk.close()


@pytest.fixture
def console(root):
    """The console as it is on one's own machine: nobody has to sign in."""
    made = Console(root, Listening())
    yield made
    made.close()


@pytest.fixture
def tokens(root):
    """A token of each role, by role."""
    with Project.load(root) as project:
        return {role: project.make_token(f"{role}-1", role) for role in ("viewer", "operator", "admin")}


@pytest.fixture
def closed(root, tokens):
    """The console where everybody has to sign in."""
    made = Console(root, Listening(auth=True))
    yield made
    made.close()
