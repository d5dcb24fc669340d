"""Signing in as an OAuth app: tokens are got, used up and renewed, and what is refused is told."""

import pytest
from pydantic import ValidationError

from tailrace import redact
from tailrace.destination import Rate
from tailrace.errors import AccessDenied, Retriable, SessionExpired
from tailrace.project.types import Secret
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig
from tailrace_destinations.hubspot.errors import Reply
from tailrace_destinations.hubspot.tokens import Tokens

APP = {
    "flow": "refresh_token",
    "client_id": "app",
    "client_secret": Secret.literal("secret-canary"),
    "refresh_token": Secret.literal("refresh-canary"),
}


@pytest.fixture
def signed(connect, control):
    """Open destinations that sign in as an OAuth app."""
    return lambda **settings: connect(access_token=None, auth=APP | settings)


def test_one_sign_in_serves_all_requests(signed, batch, control, calls):
    """The first request gets a token, others use it; signing in is spent and writes nothing."""
    hub = signed()
    assert hub.check().id == "24681357"
    assert hub.push(batch("upsert", {"id": "a"}))[0].status == "acknowledged"
    assert control.counters()["requests"] == 4
    assert [call.write for call in calls.spent] == [False, False, False, True]


def test_an_ended_token_is_renewed_once(signed, control):
    """After a 401 the next request signs in anew."""
    hub = signed()
    hub.describe("contacts")
    control.expire_sessions()
    before = control.counters()["requests"]
    with pytest.raises(SessionExpired):
        hub.describe("contacts")
    assert hub.describe("contacts").name == "contacts"
    assert control.counters()["requests"] == before + 3


def test_a_private_apps_token_cannot_be_renewed(hub, control):
    """Its 401 is told at once, as no repetition would help."""
    hub.describe("contacts")
    control.expire_sessions()
    with pytest.raises(AccessDenied):
        hub.describe("contacts")


def test_a_new_refresh_token_is_used_and_told(signed, control):
    """What took the token's place serves the run, and check says that the configured one is used up."""
    control.limit(rotates=True)
    hub = signed()
    assert any("refresh token" in note for note in hub.check().notes)
    control.expire_sessions()
    with pytest.raises(SessionExpired):
        hub.describe("contacts")
    assert hub.describe("contacts").name == "contacts"
    with pytest.raises(AccessDenied) as caught:
        signed().check()
    assert caught.value.code == "BAD_REFRESH_TOKEN"
    assert "Install the app anew" in caught.value.hint
    assert "canary" not in str(caught.value)


def test_an_unchanged_refresh_token_is_no_news(signed):
    """HubSpot usually gives the same one back."""
    assert signed().check().notes == ()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"client_id": "wrong-app"}, "BAD_CLIENT_ID"),
        ({"client_secret": Secret.literal("wrong-canary")}, "BAD_CLIENT_SECRET"),
        ({"refresh_token": Secret.literal("wrong-canary")}, "BAD_REFRESH_TOKEN"),
    ],
)
def test_refused(signed, settings, code):
    """HubSpot's own code, and which setting it is about; no secret is shown."""
    with pytest.raises(AccessDenied, match="refused to sign in") as caught:
        signed(**settings).check()
    assert caught.value.code == code
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_sign_in_may_be_repeated(signed, control, status):
    """What is no word on the app is no refusal."""
    control.fail("/oauth/", status=status, body={"message": "later"})
    hub = signed()
    with pytest.raises(Retriable):
        hub.check()
    assert hub.check().id == "24681357"


class Endpoint:
    """A token endpoint, and a clock."""

    def __init__(self):
        self.now, self.asked = 0.0, []

    def post(self, form):
        """Give a token for half an hour."""
        self.asked.append(form["refresh_token"])
        return Reply(200, {"access_token": f"t{len(self.asked)}", "expires_in": 1800}, {})


def test_a_token_is_renewed_before_it_ends():
    """A minute before its end another one is got, so that no request meets the end."""
    end = Endpoint()
    tokens = Tokens(HubSpotConfig(type="hubspot", auth=APP), end.post, lambda: end.now)
    assert (tokens.current(), tokens.current()) == ("t1", "t1")
    end.now = 1739.0
    assert tokens.current() == "t1"
    end.now = 1740.0
    assert tokens.current() == "t2"
    assert tokens.forget("t1")
    assert tokens.current() == "t2"
    assert tokens.forget("t2")
    assert tokens.current() == "t3"


def test_tokens_in_use_are_redacted_however_many_others_came():
    """Each use says that they are secrets: of tokens only the latest are remembered."""
    given = {"access_token": "access-in-use", "refresh_token": "refresh-in-use", "expires_in": 1800}
    now, seen = [0.0], []

    def post(form):
        seen.append(redact.redact(form["refresh_token"]))
        return Reply(200, given, {})

    tokens = Tokens(HubSpotConfig(type="hubspot", auth=APP), post, lambda: now[0])
    for _ in range(2):
        assert redact.redact(tokens.current()) == "***"
        for number in range(redact.PASSING):
            redact.register(f"token-{number}", passing=True)
        now[0] += 1800
    assert redact.redact(tokens.current()) == "***"
    assert seen == ["***"] * 3


def test_oauth_limits(signed, control, calls):
    """An app has its own rate and no daily headers; the sandbox counts all of an app's tokens together."""
    config = HubSpotConfig(type="hubspot", auth=APP, plan="enterprise")
    assert plugin.capabilities(config).rates == (Rate(110, 10.0),)
    control.limit(oauth=2, per=100, daily=1000)
    hub, other = signed(), signed()
    hub.check()
    other.check()
    assert calls.quota_left is None
    with pytest.raises(Retriable):
        hub.check()
    control.limit(oauth=None, per=10, daily=None)


def test_exactly_one_sign_in():
    """A private app's token and an app's sign-in exclude each other, and one is needed."""
    token = Secret.literal("t")
    for settings in ({}, {"auth": APP, "access_token": token}, {"auth": APP | {"flow": "password"}}):
        with pytest.raises(ValidationError):
            HubSpotConfig(type="hubspot", **settings)


def test_the_hint_tells_apps_apart_without_secrets():
    """Two entries of one app and token share its limits; nothing secret is in it."""
    hint = plugin.account_hint(HubSpotConfig(type="hubspot", auth=APP))
    assert hint == "https://api.hubapi.com app ***"
