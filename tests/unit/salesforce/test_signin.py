"""Signing in with a refresh token, and what `check` says of the org."""

import pytest

from tailrace import redact
from tailrace.errors import AccessDenied, Retriable, SessionExpired
from tailrace.project.types import Secret


@pytest.fixture
def refreshing(server):
    """A refresh token the server accepts; not of an app that rotates them."""
    return {
        "flow": "refresh_token",
        "login_url": server.salesforce_url,
        "client_id": "app",
        "refresh_token": Secret.literal("5Aep-canary"),
    }


@pytest.fixture
def rotating(control):
    """The app rotates refresh tokens."""
    control.limit(rotates=True)
    yield
    control.limit(rotates=False)


@pytest.mark.parametrize("secret", [None, Secret.literal("app-secret")])
def test_refresh_token(connect, control, refreshing, secret):
    """With the app's secret or without it, one request signs in, and it counts."""
    account = connect(auth=refreshing | {"client_secret": secret}).check()
    assert account.id.startswith("00D")
    assert account.notes == ()
    assert control.counters()["requests"] == 3


def test_an_ended_session_is_renewed_once(connect, control, refreshing):
    """After a 401 the next request signs in anew with the same token."""
    crm = connect(auth=refreshing)
    crm.describe("Contact")
    control.expire_sessions()
    before = control.counters()["requests"]
    with pytest.raises(SessionExpired):
        crm.describe("Contact")
    assert crm.describe("Contact").name == "Contact"
    assert control.counters()["requests"] == before + 3


@pytest.mark.usefixtures("rotating")
def test_rotation_lasts_for_the_run_and_is_told(connect, control, refreshing):
    """What replaced the token is used when the session ends, and check says that the configured one is used up."""
    crm = connect(auth=refreshing)
    assert any("rotat" in note for note in crm.check().notes)
    control.expire_sessions()
    with pytest.raises(SessionExpired):
        crm.describe("Contact")
    assert crm.describe("Contact").name == "Contact"
    with pytest.raises(AccessDenied) as caught:
        connect(auth=refreshing).check()
    assert caught.value.code == "invalid_grant"
    assert "Authorise the app anew" in caught.value.hint
    assert "rotation off" in caught.value.hint
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "code", "hint"),
    [
        ({"refresh_token": Secret.literal("wrong-canary")}, "invalid_grant", "Authorise the app anew"),
        ({"client_id": "wrong-app"}, "invalid_client_id", "auth.client_id"),
    ],
)
def test_refused(connect, refreshing, settings, code, hint):
    """Salesforce's own code, and what to do about it; no secret is shown."""
    with pytest.raises(AccessDenied, match="refused to sign in") as caught:
        connect(auth=refreshing | settings).check()
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("body", [["hello"], {"access_token": "x"}, None])
def test_a_strange_answer(connect, control, refreshing, body):
    """What is not Salesforce's answer is said to be none; an outage is not blamed on the token."""
    control.fail("oauth2/token", status=200, body=body)
    with pytest.raises(AccessDenied, match="not Salesforce's"):
        connect(auth=refreshing).check()
    control.fail("oauth2/token", status=503)
    with pytest.raises(Retriable):
        connect(auth=refreshing).check()


def test_check_tells_what_org_it_is(connect, control):
    """Its id and name, whether it is a sandbox, the edition, and the calls left of the day's."""
    control.limit(daily=1000)
    account = connect().check()
    assert (account.name, account.sandbox, account.edition) == ("Tailrace Sandbox", True, "Developer Edition")
    assert (account.quota_max, account.notes) == (1000, ())


def test_an_org_whose_record_may_not_be_read(connect, control):
    """The id is taken from the session then; what else is unknown stays so."""
    control.fail("query", status=400, body=[{"errorCode": "INVALID_TYPE", "message": "no"}])
    account = connect().check()
    assert account.id == "00D5g000004WaTrEAK"
    assert (account.name, account.sandbox, account.edition) == ("", None, "")


def test_passwords_are_told_to_be_legacy(connect, server):
    """The old flow works and check says what to use instead."""
    auth = {
        "flow": "password",
        "login_url": server.salesforce_url,
        "username": "u@x.io",
        "password": Secret.literal("pass-canary"),
    }
    notes = connect(auth=auth).check().notes
    assert [note for note in notes if "legacy" in note and "client_credentials" in note]


def test_a_session_in_use_is_redacted_however_many_others_came(connect):
    """Each use says that it is a secret: of tokens only the latest are remembered."""
    crm = connect()
    crm.check()
    session = crm._client.session_id
    assert redact.redact(session) == "***"
    for number in range(redact.PASSING):
        redact.register(f"token-{number}", passing=True)
    assert redact.redact(session) == session
    crm.describe("Contact")
    assert redact.redact(session) == "***"
