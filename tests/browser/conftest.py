"""A real Chromium, and a console of its own process before it."""

import os
import re
import shutil
from pathlib import Path

import pytest
from tests.e2e.conftest import Workspace, hook, workspace
from tests.e2e.served import Served
from tests.unit.web.shop import make_past

from tailrace import Project
from tailrace.state import NewIssue

__all__ = ["hook", "workspace"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
AXE = Path(__file__).with_name("axe.min.js")
SHOTS = os.environ.get("TAILRACE_SCREENSHOTS")
"""A folder that gets a picture of each page that a test looks at."""


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, driven by Playwright."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """A page of the browser that writes down whatever goes wrong in it."""

    def __init__(self, page, url):
        self.page, self.url = page, url
        self.faults = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._stays_here(request.url))

    def _stays_here(self, address):
        if not address.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"asked for {address}")

    def open(self, path):
        """Go there, and see that it answers."""
        answer = self.page.goto(self.url + path)
        assert answer.ok, f"{path}: {answer.status}"
        return self.page

    def look(self, name):
        """Keep a picture, and have axe-core look for faults that people would trip over."""
        if SHOTS:
            folder = Path(SHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=folder / f"{name}.png", full_page=True)
        # The policy of the page lets no script in; evaluated by the browser's own tools, it is no part of the page.
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{fault['id']} ({fault['impact']}): {node['html'][:200]}"
            for fault in found["violations"]
            if fault["impact"] in {"serious", "critical"}
            for node in fault["nodes"]
        ]
        assert serious == [], name

    def heading(self):
        """What the page is about."""
        return re.sub(r"\s+", " ", self.page.inner_text("h1")).strip()


@pytest.fixture
def tab(chromium, request):
    """Opens a tab on a console: `tab(url)`; at the end nothing may have gone wrong in it."""
    opened = []

    def open_tab(url, *, dark=False, javascript=True, width=1280):
        scheme = "dark" if dark else "light"
        context = chromium.new_context(
            color_scheme=scheme, java_script_enabled=javascript, viewport={"width": width, "height": 800}
        )
        context.set_default_timeout(30_000)
        made = Tab(context.new_page(), url)
        opened.append((context, made))
        return made

    yield open_tab
    faults = [fault for _, made in opened for fault in made.faults]
    for context, _ in opened:
        context.close()
    assert faults == []


@pytest.fixture(scope="session")
def past(tmp_path_factory):
    """The project's folder, to be copied."""
    root = tmp_path_factory.mktemp("past")
    make_past(root)
    return root


@pytest.fixture(scope="session")
def shop(past, tmp_path_factory):
    """A console over a project with a past, that tests only look at."""
    root = tmp_path_factory.mktemp("looked-at") / "shop"
    shutil.copytree(past, root)
    more_to_see(root)
    serve = Served(Workspace(root), env=SECRETS)
    yield serve
    serve.stop()


def more_to_see(root):
    """A row of unknown outcome, lines in the audit log, and a quota that is partly used."""
    with Project.load(root) as project:
        run = project.runs(sync="copies")[0].record
        lost = NewIssue('{"id":1}', "insert", "create", "unknown", "ANSWER_LOST", "no answer came within 60 s", "p")
        project.state.record_issues("copies", run.identity, run.run_id, [lost], max_attempts=3)
        account = project._session.target(project.syncs["people"]).account
        with project.state.limits(account).books() as books:
            books.standing.report(61_000, 100_000, books.now)
        for action in ("pause", "unpause"):
            project.audit(who="ann", role="operator", action=action, subject="people", detail={"done": True})
        project.audit(who="trigger warehouse", action="run", subject="people", detail={"delivery": "0f3a"})


SECRETS = {"SHOP_SECRET": "shop secret of the test", "DBT_SECRET": "dbt secret of the test"}


@pytest.fixture
def own(past, tmp_path):
    """A console over a copy of its own."""
    shutil.copytree(past, tmp_path / "shop")
    serve = Served(Workspace(tmp_path / "shop"), env=SECRETS)
    yield serve
    serve.stop()
