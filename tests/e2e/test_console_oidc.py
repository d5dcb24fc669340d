"""Signing in with a provider, through `tailrace serve` as a process of its own."""

import contextlib
import socket

import httpx
import pytest
from tests.e2e.served import served
from tests.unit.web.idp import SECRET, Provider, settings

FOLLOW = {"follow_redirects": True}


@pytest.fixture
def idp():
    """A provider, which a test may close earlier."""
    made = Provider()
    yield made
    with contextlib.suppress(OSError):
        made.close()


@pytest.fixture
def url(workspace, idp):
    """Where the console will be; the project asks the provider."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    found = f"http://127.0.0.1:{port}"
    workspace.write("tailrace.yml", (workspace.root / "tailrace.yml").read_text() + settings(idp, found))
    return found


@contextlib.contextmanager
def opened(workspace, url):
    """A `serve` that others than this machine reach; gives it and a browser's client."""
    port = url.rpartition(":")[2]
    arguments = ("--port", port, "--listen", "0.0.0.0")  # noqa: S104
    with (
        served(workspace, *arguments, env={"OIDC_SECRET": SECRET}) as serve,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield serve, client


def test_somebody_signs_in_and_is_known(workspace, url, idp):
    """No token is needed to start. The way ends on the first page, and a restart keeps the session."""
    with opened(workspace, url) as (_, client):
        assert client.get("/").headers["location"] == "/login"
        answer = client.get("/login/oidc", **FOLLOW)
        assert (answer.status_code, str(answer.url)) == (200, f"{url}/")
        assert "ann@x.io (u-17) (operator)" in answer.text
        cookies = dict(client.cookies)
    with opened(workspace, url) as (_, client):
        client.cookies.update(cookies)
        assert client.get("/api/me").json()["name"] == "ann@x.io (u-17)"
        (line,) = client.get("/api/audit").json()["actions"]
        assert (line["by"], line["action"], line["role"]) == ("ann@x.io (u-17)", "sign in", "operator")


def test_who_may_not_and_a_provider_that_is_down_are_told(workspace, url, idp):
    """By pages; the process goes on without a traceback, and says on its log what happened, without secrets."""
    idp.claims["groups"] = ["others"]
    with opened(workspace, url) as (_, client):
        answer = client.get("/login/oidc", **FOLLOW)
        assert (answer.status_code, "a role here" in answer.text) == (403, True)
        assert client.get("/").status_code == 303
    idp.close()
    with opened(workspace, url) as (_, client):
        answer = client.get("/login/oidc")
        assert (answer.status_code, "does not answer as it should" in answer.text) == (502, True)


def test_faulty_settings_are_told_by_check(workspace, url):
    """By file, line and column, and what is not there at the provider's address."""
    text = (workspace.root / "tailrace.yml").read_text()
    line = text.splitlines().index(f"  url: {url}") + 1
    workspace.write("tailrace.yml", text.replace(f"url: {url}", f"url: {url}/console"))
    answer = workspace.run("check", code=2)
    assert f"tailrace.yml:{line}:8: `oidc.url` should be written out as https://HOST" in answer.err
