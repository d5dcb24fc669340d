"""Signing in with a provider of OpenID Connect: whoever may come in does, and nobody else, whatever is sent."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.unit.web.conftest import Console
from tests.unit.web.idp import SECRET, Provider, settings

from tailrace import Project
from tailrace.errors import SecretError, UsageError
from tailrace.web import provider as provider_module
from tailrace.web.forms import FORMS
from tailrace.web.guard import Hosts
from tailrace.web.server import Listening, make_hosts, make_site

URL = "http://127.0.0.1:8570"


@pytest.fixture
def idp():
    """A provider."""
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def asked(root, idp, monkeypatch):
    """The project asks that provider; gives a way to change what it says of it."""
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    plain = (root / "tailrace.yml").read_text()

    def write(**how):
        (root / "tailrace.yml").write_text(plain + settings(idp, URL, **how))

    write()
    return write


@pytest.fixture
def console(root, asked):
    """A console that asks the provider."""
    made = Console(root, Listening())
    yield made
    made.close()


def leave(console, **how):
    """Begin to sign in; gives the provider's address with what it is asked."""
    return console.get("/login/oidc", code=303, **how).headers["location"]


def come_back(console, idp):
    """Go to the provider; gives the path with which it sends the browser back, on the console."""
    location = httpx.get(leave(console)).headers["location"]
    assert location.startswith(f"{URL}/login/callback?")
    return location.removeprefix(URL)


def refused(console, path, words, code=403):
    """That path lets nobody in, and says why on a page; nothing of the provider's answer is on it."""
    answer = console.get(path, code=code)
    assert words in answer.text
    assert "text/html" in answer.headers["content-type"]
    assert "Traceback" not in answer.text
    assert SECRET not in answer.text
    assert console.get("/", code=303).headers["location"] == "/login"


def test_somebody_signs_in_acts_and_signs_out(console, idp):
    """The whole way: the role is that of the claim, the audit log has subject and address."""
    assert "Sign in with 127.0.0.1" in console.get("/login").text
    answer = console.get(come_back(console, idp), code=303)
    assert answer.headers["location"] == "/"
    assert "ann@x.io (u-17) (operator)" in console.get("/").text
    console.send("/syncs/people/pause")
    console.send("/syncs/people/reset", code=403, confirm="people")
    assert console.audit() == [
        ("ann@x.io (u-17)", "pause", "people"),
        ("ann@x.io (u-17)", "sign in", "console"),
    ]
    console.send("/logout")
    console.get("/", code=303)
    assert "tailrace_session" not in console.client.cookies


def test_the_provider_is_asked_as_it_should_be(console, idp):
    """With PKCE, state and nonce of their own for each sign-in, and the callback that is configured."""
    first, second = (parse_qs(urlsplit(leave(console)).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["redirect_uri"] == [f"{URL}/login/callback"]
    assert first["scope"] == ["openid email profile"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name][0]) >= 43


def test_a_session_proves_itself_to_the_api(console, idp):
    """The cookie alone changes nothing, as another site's page might send it along."""
    console.get(come_back(console, idp), code=303)
    assert console.json("/api/me")["role"] == "operator"
    console.post("/api/syncs/people/pause", code=403)
    for form in FORMS:
        answer = console.client.post(form.path.replace("{name}", "people"), data={})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["all", "ops", "data"]}, "admin"),
        ({"groups": "all"}, "viewer"),
        ({"groups": ["other"]}, None),
        ({"groups": ["DATA"]}, None),
        ({"groups": [["ops"], {"ops": 1}, 7]}, None),
        ({"groups": "ops data"}, None),
        ({"groups": None}, None),
        ({"groups": {"ops": True}}, None),
    ],
)
def test_the_claim_gives_the_role(console, idp, claims, role):
    """The highest of several; whoever has none is told so, and nothing else; it is in the audit log."""
    idp.claims |= claims
    path = come_back(console, idp)
    if role is None:
        refused(console, path, "nothing in `groups` gives ann@x.io (u-17) a role here")
        assert console.audit() == [("ann@x.io (u-17)", "sign in, refused", "console")]
        return
    console.get(path, code=303)
    assert console.json("/api/me")["role"] == role


def test_whoever_has_no_role_may_have_one_by_default(console, idp, asked, root):
    """And a claim may be found by the names that lead to it, or have dots in its own."""
    asked(roles="{admin: [ops]}", more="  default_role: viewer\n  claim: realm_access.roles\n")
    console.site.desk._keeper.look()
    console.get(come_back(console, idp), code=303)
    assert console.json("/api/me")["role"] == "viewer"
    for claims in ({"realm_access": {"roles": ["ops"]}}, {"realm_access.roles": ["ops"]}):
        idp.claims = claims
        console.get(come_back(console, idp), code=303)
        assert console.json("/api/me")["role"] == "admin"


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": None}, "oidc:u-17"),
        ({"email_verified": False}, "oidc:u-17"),
        ({"email_verified": True}, "ann@x.io (u-17)"),
        ({"email": "a\nb"}, "oidc:u-17"),
        ({"email": ["ann@x.io"], "email_verified": []}, "oidc:u-17"),
        ({"email": None, "sub": "local"}, "oidc:local"),
    ],
)
def test_people_are_named_by_what_is_proven(console, idp, claims, name):
    """An address that nobody verified may be anybody's, and nobody is called as the one on this machine is."""
    idp.claims |= claims
    console.get(come_back(console, idp), code=303)
    assert console.json("/api/me")["name"] == name


FAR = 10_000_000_000


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "of another sign-in"}, "invalid claim, nonce"),
        ({"nonce": None}, "missing claim, nonce"),
        ({"aud": "another client"}, "invalid claim, aud"),
        ({"aud": []}, "does not hold"),
        ({"aud": ["tailrace", "another client"]}, "missing claim, azp"),
        ({"aud": ["tailrace", "another client"], "azp": "another client"}, "invalid claim, azp"),
        ({"iss": "https://evil.example"}, "invalid claim, iss"),
        ({"iss": None}, "missing claim, iss"),
        ({"exp": 1_000_000_000}, "expired token, exp"),
        ({"exp": None}, "missing claim, exp"),
        ({"exp": "soon"}, "invalid claim, exp"),
        ({"iat": FAR}, "invalid claim, iat"),
        ({"nbf": FAR}, "invalid claim, nbf"),
        ({"sub": None}, "missing claim, sub"),
        ({"sub": ""}, "does not hold"),
        ({"sub": "a\x00b"}, "does not hold"),
        ({"sub": "x" * 256}, "does not hold"),
        ({"at_hash": "of another token"}, "invalid claim, at_hash"),
    ],
)
def test_a_token_for_something_else_is_refused(console, idp, claims, words):
    """Of another sign-in, client or provider, too old or too new."""
    idp.claims |= claims
    refused(console, come_back(console, idp), words)
    assert console.audit() == []


def test_clocks_may_be_a_little_apart(console, idp):
    """A token that has just expired, or is not quite valid yet, by the provider's clock."""
    now = int(time.time())
    idp.claims |= {"exp": now - 20, "iat": now + 20}
    console.get(come_back(console, idp), code=303)


@pytest.mark.parametrize("way", ["another key", "none", "hmac", "text", "number", "missing"])
def test_a_token_that_the_provider_did_not_sign_is_refused(console, idp, way):
    """By another key under the same name, without a signature, with the public key as a password; or no token."""
    path = come_back(console, idp)
    words, code = "does not hold", 403
    match way:
        case "another key":
            key, kid = idp.key, idp.key.kid
            idp.rotate()
            idp.signing, idp.key = type(key).import_key(idp.key.as_dict(private=True) | {"kid": kid}), key
            words = "bad signature"
        case "none":
            idp.algorithm = "none"
        case "hmac":
            idp.algorithm = "HS256"
        case "text":
            idp.tokens = {"id_token": "x.y"}
        case "number":
            idp.tokens, words, code = {"id_token": 7}, "gave no ID token", 502
        case "missing":
            idp.tokens, words, code = {"id_token": None}, "gave no ID token", 502
    refused(console, path, words, code)


def test_new_keys_are_fetched_once(console, idp):
    """The provider signs with a key that was not there before; one that stays unknown is refused."""
    console.get(come_back(console, idp), code=303)
    path = come_back(console, idp)
    idp.rotate()
    console.get(path, code=303)
    assert idp.asked.count("/keys") == 2
    console.send("/logout")
    path = come_back(console, idp)
    idp.signing = type(idp.key).import_key(idp.key.as_dict(private=True) | {"kid": "nobody knows it"})
    refused(console, path, "does not hold")
    assert idp.asked.count("/keys") == 3


def test_an_answer_is_good_once(console, idp):
    """Sent again by the same browser, by one that kept its cookie, and by one that never began."""
    path = come_back(console, idp)
    kept = console.client.cookies["tailrace_attempt"]
    console.get(path, code=303)
    console.send("/logout")
    assert "tailrace_attempt" not in console.client.cookies
    refused(console, path, "too old, was used before", 400)
    console.client.cookies.set("tailrace_attempt", kept, path="/login")
    refused(console, path, "too old, or was used before")


def test_another_browsers_answer_is_refused(console, idp):
    """Nobody can be signed in by a link as somebody else."""
    path = come_back(console, idp)
    leave(console)
    refused(console, path, "was begun elsewhere", 400)
    assert idp.asked.count("/token") == 0


@pytest.mark.parametrize("change", ["", "x", "\udcff", None])
def test_a_changed_state_is_refused(console, idp, change):
    """Or none at all; the code is not even tried."""
    path = come_back(console, idp)
    code = parse_qs(urlsplit(path).query)["code"][0]
    params = {"code": code} if change is None else {"code": code, "state": change}
    params = {name: value.encode("utf-8", "surrogateescape") for name, value in params.items()}
    answer = console.client.get("/login/callback", params=params)
    assert answer.status_code == 400
    assert idp.asked.count("/token") == 0


def test_an_attempt_ends(console, idp, monkeypatch):
    """Whoever takes too long begins again, and a cookie that somebody changed is none."""
    path = come_back(console, idp)
    cookie = console.client.cookies["tailrace_attempt"]
    now = console.site.door.sealed._clock()
    monkeypatch.setattr(console.site.door.sealed, "_clock", lambda: now + 601)
    refused(console, path, "too old", 400)
    monkeypatch.setattr(console.site.door.sealed, "_clock", lambda: now)
    console.client.cookies.set("tailrace_attempt", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), path="/login")
    refused(console, path, "too old", 400)


def test_a_session_cookie_is_no_attempt(console, idp):
    """What is signed for one purpose is not good for another."""
    console.get(come_back(console, idp), code=303)
    session = console.client.cookies["tailrace_session"]
    sealed = console.site.door.sealed
    assert sealed.opened(session) is not None
    assert sealed.unsealed("attempt", session) is None


def state_of(path):
    return parse_qs(urlsplit(path).query)["state"][0]


def test_what_the_provider_says_is_told(console, idp):
    """Its own word where it is one; nothing that somebody wrote into the address."""
    state = state_of(leave(console))
    refused(console, f"/login/callback?state={state}&error=access_denied", "the provider says access_denied")
    state = state_of(leave(console))
    refused(console, f"/login/callback?state={state}&error=call%20555-EVIL", "the provider says an error")
    state = state_of(leave(console))
    refused(console, f"/login/callback?state={state}&code=x&iss=https://evil.example", "another provider", 400)
    state = state_of(leave(console))
    refused(console, f"/login/callback?state={state}", "no code", 400)
    assert idp.asked.count("/token") == 0


@pytest.mark.parametrize("name", ["next", "url", "to", "redirect_uri", "return_to", "post_login"])
@pytest.mark.parametrize("where", ["https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example"])
def test_nobody_is_sent_elsewhere(console, idp, name, where):
    """Whatever is asked for, in the address or in headers: to the provider, and then to the first page."""
    headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example", "referer": "https://evil.example"}
    address = leave(console, params={name: where}, headers=headers)
    assert address.startswith(f"{idp.issuer}/authorize?")
    assert "evil" not in address
    path = httpx.get(address).headers["location"].removeprefix(URL)
    answer = console.get(f"{path}&{name}={where}", code=303, headers=headers)
    assert answer.headers["location"] == "/"


def test_another_host_is_not_served(console):
    """The callback never comes from what a request calls us."""
    console.get("/login/oidc", code=421, headers={"host": "evil.example"})


def test_a_provider_that_is_down_is_told(root, asked, idp):
    """With what to do, and without a traceback; those who are in stay in, and tokens still open the door."""
    with Project.load(root) as project:
        token = project.make_token("ann", "viewer")
    idp.close()
    console = Console(root, Listening())
    try:
        refused(console, "/login/oidc", "does not answer as it should", 502)
        asked_again = console.get("/login/oidc", code=502)
        assert "Tokens sign in all the same" in asked_again.text
        console._judged(console.client.post("/login", data={"token": token}), 303)
        assert "ann" in console.get("/").text
    finally:
        console.close()


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while(console, idp, monkeypatch):
    """Whoever reaches the console could have it asked again and again; once it is well, so are we."""
    now = [1_000.0]
    monkeypatch.setattr(provider_module.time, "monotonic", lambda: now[0])
    idp.status = 503
    for _ in range(5):
        refused(console, "/login/oidc", "status 503", 502)
    assert len(idp.asked) == 1
    idp.status, now[0] = 200, now[0] + provider_module.PATIENCE_S + 1
    leave(console)
    leave(console)
    assert idp.asked[1:] == ["/.well-known/openid-configuration", "/keys"]
    now[0] += provider_module.FRESH_S + 1
    leave(console)
    assert len(idp.asked) == 5


def test_a_provider_that_goes_down_on_the_way_is_told(console, idp):
    """Between the two redirects."""
    path = come_back(console, idp)
    idp.status = 503
    refused(console, path, "does not answer as it should", 502)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"issuer": "https://evil.example"}, "calls itself"),
        ({"issuer": None}, "calls itself"),
        ({"authorization_endpoint": "http://evil.example/a"}, "no authorization_endpoint with https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no authorization_endpoint with https"),
        ({"jwks_uri": 7}, "no jwks_uri with https"),
        ({"jwks_uri": "http://[evil"}, "no jwks_uri with https"),
    ],
)
def test_a_discovery_document_that_is_wrong_is_refused(console, idp, document, words):
    """It must be the provider's own, and name addresses that nobody listens in on."""
    idp.document = document
    refused(console, "/login/oidc", words, 502)


def test_a_wrong_secret_is_told_as_such(console, idp, monkeypatch):
    """With the keys of the file that are wrong, and no secret."""
    monkeypatch.setenv("OIDC_SECRET", "canary of a wrong one")
    path = come_back(console, idp)
    refused(console, path, "refuses this console: invalid_client", 502)
    assert "canary" not in console.get("/login").text


def test_a_role_ends_when_the_files_end_it(console, idp, asked, root):
    """Whoever is in has the role that the files give them now, and is out when they give none."""
    idp.claims["groups"] = ["data", "all"]
    console.get(come_back(console, idp), code=303)
    asked(roles="{viewer: [all], admin: [ops]}")
    console.site.desk._keeper.look()
    assert console.json("/api/me")["role"] == "viewer"
    asked(roles="{admin: [ops]}")
    console.site.desk._keeper.look()
    console.get("/", code=303)
    asked(roles="{viewer: [all]}")
    console.site.desk._keeper.look()
    console.get("/")
    text = (root / "tailrace.yml").read_text()
    (root / "tailrace.yml").write_text(text.replace(idp.issuer, "https://another.example"))
    console.site.desk._keeper.look()
    console.get("/", code=303)
    (root / "tailrace.yml").write_text(text.partition("oidc:")[0])
    console.site.desk._keeper.look()
    console.get("/", code=303)
    console.get("/login/oidc", code=404)


def test_cookies_go_over_tls_where_the_console_is_reached_so(root, idp, asked):
    """Both of them, whatever a proxy says; no script reads them, and no other site's form sends them along."""
    url = "https://tailrace.example.com"
    (root / "tailrace.yml").write_text((root / "tailrace.yml").read_text().replace(f"url: {URL}", f"url: {url}"))
    idp.callback = f"{url}/login/callback"
    console = Console(root, Listening())
    try:
        away = console.get("/login/oidc", code=303)
        cookies = [away.headers["set-cookie"]]
        console.client.cookies.set("tailrace_attempt", cookies[0].partition("=")[2].partition(";")[0])
        back = httpx.get(away.headers["location"]).headers["location"]
        assert back.startswith(f"{url}/login/callback?")
        cookies += console.get(back.removeprefix(url), code=303).headers.get_list("set-cookie")
        kept = [cookie.lower() for cookie in cookies if "max-age=0" not in cookie.lower()]
        assert sorted(cookie.partition("=")[0] for cookie in kept) == ["tailrace_attempt", "tailrace_session"]
        for cookie in kept:
            assert {"httponly", "secure", "samesite=lax"} <= {part.strip() for part in cookie.split(";")}
    finally:
        console.close()


def test_the_console_is_closed_where_there_is_a_provider(root, asked):
    """Also on this machine; no token is needed to start, and the name where people reach it is served."""
    for listening in (Listening(), Listening(listen="0.0.0.0"), Listening(hosts=("x.example",))):  # noqa: S104
        site = make_site(root, listening)
        assert not site.door.open
        assert make_hosts(site, listening).allow("127.0.0.1:8570")
        site.desk.close()
    (root / "tailrace.yml").write_text(
        (root / "tailrace.yml").read_text().replace(f"url: {URL}", "url: https://tailrace.example.com")
    )
    site = make_site(root, Listening())
    assert make_hosts(site, Listening()).allow("tailrace.example.com")
    assert not Hosts("127.0.0.1").allow("tailrace.example.com")
    site.desk.close()


def test_a_console_that_could_let_nobody_in_does_not_start(root, asked, monkeypatch):
    """Without the client's secret, and without what signs in."""
    monkeypatch.delenv("OIDC_SECRET")
    with pytest.raises(SecretError, match=r"tailrace\.yml:\d+:\d+.*OIDC_SECRET"):
        make_site(root, Listening())
    monkeypatch.setenv("OIDC_SECRET", "x")
    monkeypatch.setattr("tailrace.extras.find_spec", lambda name: None if name == "authlib" else name)
    with pytest.raises(UsageError, match=r"needs authlib\n.*pip install 'tailrace\[oidc\]'"):
        make_site(root, Listening())


def test_secrets_stay_out_of_cookies_and_logs(console, idp, caplog):
    """The client's secret, codes and tokens; and of the claim only what gives a role is kept."""
    idp.claims["groups"] = ["data", "canary-group"]
    path = come_back(console, idp)
    answer = console.get(path, code=303)
    idp.claims["aud"] = "another"
    console.get(come_back(console, idp), code=403)
    session = console.site.door.sealed.opened(console.client.cookies["tailrace_session"])
    assert session.person.values == ("data",)
    told = caplog.text + json.dumps(dict(answer.headers))
    assert "did not get in" in told
    for canary in (SECRET, "canary", parse_qs(urlsplit(path).query)["code"][0]):
        assert canary not in told


def line_of(root):
    """What `tailrace check` says of the provider."""
    with Project.load(root) as project:
        return next(line for line in project.check().lines if line.subject == "oidc")


def test_check_tries_the_provider(root, asked, idp, monkeypatch):
    """Well, without the client's secret, and down; it says what the provider must know."""
    line = line_of(root)
    assert (line.ok, line.text) == (True, f"{idp.issuer} answers, 1 key; it must know {URL}/login/callback")
    idp.status = 500
    line = line_of(root)
    assert (line.ok, line.exit_code) == (False, 1)
    assert f"{idp.issuer}/.well-known/openid-configuration does not answer as it should: status 500" in line.text
    monkeypatch.delenv("OIDC_SECRET")
    line = line_of(root)
    assert (line.ok, line.exit_code) == (False, 2)
    assert "tailrace.yml:" in line.text
