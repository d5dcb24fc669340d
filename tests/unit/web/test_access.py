"""Who may do what: tokens, sessions, forms, hosts, and what no answer ever holds."""

import re

import pytest

from tailrace import Project
from tailrace.errors import UsageError
from tailrace.redact import register
from tailrace.web.api import OPERATIONS
from tailrace.web.auth import Sealed
from tailrace.web.forms import FORMS
from tailrace.web.guard import Hosts, is_loopback
from tailrace.web.pages import PAGES
from tailrace.web.server import Listening, make_site


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def path_of(operation):
    return re.sub(r"{\w+}", "people", operation.path)


def test_another_address_needs_a_token(root):
    """It refuses to start, and says what to do."""
    with pytest.raises(UsageError, match="tailrace token create"):
        make_site(root, Listening(listen="0.0.0.0"))  # noqa: S104
    with pytest.raises(UsageError, match="no token"):
        make_site(root, Listening(hosts=("tailrace.example.com",)))


def test_every_operation_asks_who_it_is(closed):
    """Without a token, and with a wrong one."""
    for operation in OPERATIONS:
        for headers in ({}, bearer("tr_000000000000_" + "x" * 43), bearer("x")):
            answer = closed.client.request(operation.method, path_of(operation), headers=headers)
            assert answer.status_code == 401, operation
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_operation_asks_for_its_role(closed, tokens):
    """The role below is refused, that role is let in: whatever else is said then."""
    for operation in OPERATIONS:
        below = {"operator": "viewer", "admin": "operator"}.get(operation.role)
        if below:
            answer = closed.client.request(operation.method, path_of(operation), headers=bearer(tokens[below]))
            assert answer.status_code == 403, operation
        headers = bearer(tokens[operation.role])
        answer = closed.client.request(operation.method, path_of(operation), headers=headers, json={})
        assert answer.status_code not in {401, 403}, operation


def test_every_page_and_form_asks_to_sign_in(closed):
    """A browser is sent to the form that signs it in, and nothing is done."""
    for page in PAGES:
        assert closed.get(path_of(page), code=303).headers["location"] == "/login"
    for form in FORMS:
        answer = closed.client.post(path_of(form), data={"csrf": "0" * 64})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert closed.audit() == []


def test_every_form_asks_for_its_role(closed, tokens):
    """A viewer's own session, with its own proof, does nothing."""
    closed.client.post("/login", data={"token": tokens["viewer"]})
    for form in FORMS:
        closed.send(path_of(form), code=403)
    assert closed.audit() == []


@pytest.mark.parametrize("path", ["/metrics", "/api/openapi.json", "/runs/x/events"])
def test_what_else_there_is_asks_too(closed, tokens, path):
    """With a token it answers."""
    closed.get(path, code=401)
    assert closed.client.get(path, headers=bearer(tokens["viewer"])).status_code in {200, 404}
    assert closed.json("/healthz") == {"status": "ok"}


def test_signing_in_and_out(closed, tokens):
    """The token opens a session; its forms work; after signing out, or once the token is revoked, nothing does."""
    closed._judged(closed.client.post("/login", data={"token": "wrong"}), 401)
    closed._judged(closed.client.post("/login", data={"token": tokens["operator"]}), 303)
    assert "operator-1" in closed.get("/").text
    closed.send("/syncs/people/pause")
    assert closed.audit()[0] == ("operator-1", "pause", "people")
    closed.send("/syncs/people/reset", code=403, confirm="people")
    closed.send("/logout")
    closed.get("/", code=303)
    closed._judged(closed.client.post("/login", data={"token": tokens["operator"]}), 303)
    with closed.site.desk.using() as project:
        project.revoke_token("operator-1")
    closed.get("/", code=303)


def test_the_cookie_is_for_the_server_alone(closed, tokens):
    """No script reads it, no other site's form sends it along."""
    answer = closed.client.post("/login", data={"token": tokens["viewer"]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert tokens["viewer"] not in answer.headers["set-cookie"]


@pytest.mark.parametrize("csrf", ["", "0" * 64, None])
def test_a_form_from_elsewhere_is_refused(console, csrf):
    """Without the session's own proof nothing is done."""
    console.get("/")
    data = {} if csrf is None else {"csrf": csrf}
    console._judged(console.client.post("/syncs/people/pause", data=data), 403)
    assert console.audit() == []


def test_a_signed_in_browser_proves_itself_to_the_api(closed, tokens):
    """The cookie alone is not enough, as another site's page might send it along."""
    closed.client.post("/login", data={"token": tokens["operator"]})
    closed.post("/api/syncs/people/pause", code=403)
    sealed = closed.site.door.sealed
    csrf = sealed.csrf(sealed.opened(closed.client.cookies["tailrace_session"]))
    closed.post("/api/syncs/people/pause", headers={"x-csrf-token": csrf})


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_pages_of_other_sites_change_nothing(console, headers):
    """Whatever a browser says it comes from, but us, is refused."""
    console.post("/api/syncs/people/pause", code=403, headers=headers)
    console.post("/api/syncs/people/pause", headers={"origin": "http://127.0.0.1:8570"})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8570", "", "127.0.0.1.evil.example"])
def test_other_hosts_are_refused(console, host):
    """A name that somebody pointed to this machine reads nothing."""
    console.get("/api/syncs", code=421, headers={"host": host})


def test_hosts():
    """Names that are given, and on an open address any number."""
    here = Hosts("127.0.0.1", ["tailrace.example.com"])
    assert here.allow("localhost:8570")
    assert here.allow("[::1]:8570")
    assert here.allow("Tailrace.Example.com")
    assert not here.allow("10.0.0.1")
    assert Hosts("0.0.0.0").allow("10.0.0.1:8570")  # noqa: S104
    assert not Hosts("0.0.0.0").allow("evil.example")  # noqa: S104
    assert is_loopback("127.8.8.8")
    assert not is_loopback("0.0.0.0")  # noqa: S104


def test_every_answer_has_its_headers(console):
    """No inline script or style may run, no other page may hold ours."""
    for path in ("/", "/api/syncs", "/static/console.css", "/nothing", "/healthz"):
        headers = console.client.get(path).headers
        assert "'unsafe-inline'" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_hold_nothing_that_the_policy_forbids(console):
    """Neither inline code nor styles nor other addresses."""
    plain = [page.path for page in PAGES if "{" not in page.path]
    for path in [*plain, "/syncs/people", "/syncs/people/rejected", "/syncs/people/row?key.id=3"]:
        text = console.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text)


def test_no_secret_is_ever_shown(console):
    """Not even where a row or a file holds it: whatever was revealed is blanked."""
    register("shop secret of the test")
    file = console.root / "syncs/people.yml"
    file.write_text(file.read_text() + "# shop secret of the test\n")
    text = console.get("/syncs/people").text
    assert "# ***" in text
    assert "shop secret" not in text
    with console.site.desk.using() as project:
        project.audit(who="x", action="y", subject="shop secret of the test")
    assert "shop secret" not in console.get("/api/audit").text + console.get("/audit").text


def test_values_are_escaped(console):
    """What a vendor or a row says is text, not markup."""
    with console.site.desk.using() as project:
        project.audit(who="<script>alert(1)</script>", action="x", subject="y")
    assert "<script>alert" not in console.get("/audit").text
    assert "&lt;script&gt;alert" in console.get("/audit").text


def test_tokens_are_hashed_at_rest(root, tokens):
    """The database holds nothing that lets anyone in."""
    secret = tokens["admin"].split("_", 2)[2]  # which may have some of its own
    for file in (root / ".tailrace").glob("state.db*"):
        assert secret.encode() not in file.read_bytes()
        assert tokens["admin"][-20:].encode() not in file.read_bytes()
    with Project.load(root) as project:
        assert project.proven_token(tokens["admin"]).role == "admin"
        assert project.proven_token(tokens["admin"][:-1] + ("A" if tokens["admin"][-1] != "A" else "B")) is None
        assert [token.name for token in project.tokens()] == ["admin-1", "operator-1", "viewer-1"]
        with pytest.raises(UsageError, match="already"):
            project.make_token("admin-1", "viewer")
        with pytest.raises(UsageError, match="cannot name"):
            project.make_token("a b", "viewer")
        project.revoke_token("admin-1")
        assert project.proven_token(tokens["admin"]) is None
        with pytest.raises(UsageError, match="no token"):
            project.revoke_token("admin-1")


def test_sessions_end():
    """After their time, and where somebody changed the cookie."""
    now = [1000.0]
    sealed = Sealed(b"key", lambda: now[0])
    cookie = sealed.cookie(sealed.session("t"))
    assert sealed.opened(cookie).token_id == "t"
    assert sealed.opened("x" + cookie) is None
    assert sealed.opened(cookie[:-1]) is None
    assert sealed.opened("é.é") is None
    assert Sealed(b"other").opened(cookie) is None
    now[0] += 12 * 3600 + 1
    assert sealed.opened(cookie) is None
