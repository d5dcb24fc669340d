"""A run that goes on, watched in a real browser."""

import pytest
from tests.e2e.served import served
from tests.e2e.test_console_oidc import idp, url
from tests.unit.web.idp import SECRET

__all__ = ["idp", "url"]

pytestmark = pytest.mark.slow


def test_a_run_is_watched_to_its_end(workspace, hook, tab):
    """The bar moves by itself, and the page shows the end when it has come."""
    hook.hold(after=1)
    with served(workspace) as serve:
        serve.post("/api/syncs/people/run")
        assert hook.waiting.wait(60)
        (run,) = serve.get("/api/runs")["runs"]
        looking = tab(serve.url)
        page = looking.open(f"/runs/{run['run_id']}")
        page.wait_for_selector("[data-live=phase]:text-is('sending')")
        looking.look("run-live")
        took = page.locator("[data-live=took]")
        before = took.text_content()
        moved = "before => document.querySelector('[data-live=took]').textContent !== before"
        page.wait_for_function(moved, arg=before)
        hook.go.set()
        page.wait_for_selector("text=succeeded")
        looking.look("run-ended")


def test_a_run_that_was_asked_for_is_seen_without_loading_the_page_again(workspace, hook, tab):
    """The page of a sync looks for itself while something goes on, and no longer."""
    hook.hold()
    with served(workspace) as serve:
        page = tab(serve.url).open("/syncs/people")
        assert page.locator("main[data-renew]").count() == 0
        page.click("button:text-is('Run now')")
        page.wait_for_selector(".badge:text-is('running')")
        hook.go.set()
        page.wait_for_selector("h1 + .badge:text-is('succeeded')")
        page.wait_for_selector("main:not([data-renew])")


def test_signing_in(workspace, tab):
    """With --auth the form comes first; a wrong token is told, the right one opens the fleet."""
    token = workspace.run("token", "create", "ann", "--role", "viewer", "--json").json["token"]
    with served(workspace, "--auth") as serve:
        looking = tab(serve.url)
        page = looking.open("/")
        looking.look("login")
        page.fill("input[name=token]", "wrong")
        page.click("button:text-is('Sign in')")
        page.wait_for_selector("text=There is no such token")
        looking.faults.clear()  # the browser notes that the answer was no
        looking.look("login-wrong")
        page.fill("input[name=token]", token)
        page.click("button:text-is('Sign in')")
        page.wait_for_selector("text=ann (viewer)")
        page.goto(serve.url + "/syncs/people")
        assert page.locator("button:text-is('Run now')").count() == 0
        page.click("text=Sign out")
        page.wait_for_selector("h1:text-is('Sign in')")


def test_signing_in_with_a_provider(workspace, url, idp, tab):
    """One link leads to the provider and back to the fleet; who has no role there sees why."""
    with served(workspace, "--port", url.rpartition(":")[2], env={"OIDC_SECRET": SECRET}) as serve:
        looking = tab(serve.url)
        page = looking.open("/")
        looking.look("login-provider")
        page.click("text=Sign in with 127.0.0.1")
        page.wait_for_selector("text=ann@x.io (u-17) (operator)")
        assert page.url == f"{url}/"
        assert looking.faults.pop().startswith(f"asked for {idp.issuer}/authorize?")
        looking.look("signed-in-provider")
        page.click("text=Sign out")
        page.wait_for_selector("h1:text-is('Sign in')")
        idp.claims["groups"] = ["others"]
        page.click("text=Sign in with 127.0.0.1")
        page.wait_for_selector("text=gives ann@x.io (u-17) a role here")
        looking.faults.clear()  # the browser notes that the answer was no
        looking.look("no-role")
