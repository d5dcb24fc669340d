"""Signing in, sessions and the daily quota."""

import pytest

GOOD = {"client_id": "id", "client_secret": "secret"}


def token(client, server, **form):
    """Ask for a token."""
    return client.post(f"{server.salesforce_url}/services/oauth2/token", data=form)


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "client_credentials", **GOOD},
        {"grant_type": "password", **GOOD, "username": "u", "password": "p"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
        {"grant_type": "refresh_token", "client_id": "id", "refresh_token": "r"},
    ],
)
def test_flows(client, server, form):
    """Each flow gives a token, this server as instance, and an identity with the org's id."""
    granted = token(client, server, **form).json()
    assert granted["instance_url"] == server.salesforce_url
    assert "/id/00D" in granted["id"]
    assert granted["token_type"] == "Bearer"
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    assert client.get(f"{server.salesforce_url}/services/data/v62.0/limits", headers=headers).status_code == 200
    assert client.get(granted["id"], headers=headers).json()["organization_id"].startswith("00D")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "client_credentials", **GOOD, "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "client_credentials", **GOOD, "client_id": "wrong-id"}, "invalid_client_id"),
        ({"grant_type": "password", **GOOD, "username": "u", "password": "wrong"}, "invalid_grant"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "abc"}, "invalid_grant"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
    ],
)
def test_refused_flows(client, server, form, error):
    """Wrong credentials get OAuth's own error."""
    answer = token(client, server, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_basic_authorization_counts_as_client_credentials(client, server):
    """Client id and secret may come in the header."""
    url = f"{server.salesforce_url}/services/oauth2/token"
    answer = client.post(url, data={"grant_type": "client_credentials"}, auth=("id", "secret"))
    assert answer.status_code == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_no_session(client, server, header):
    """Without a good session: 401 INVALID_SESSION_ID."""
    answer = client.get(f"{server.salesforce_url}/services/data/v62.0/limits", headers=header)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_expired_session(client, force, server):
    """An expired session is refused, a new one is good."""
    assert force.get("/limits").status_code == 200
    server.control.salesforce.expire_sessions()
    assert force.get("/limits").status_code == 401
    fresh = token(client, server, grant_type="client_credentials", **GOOD).json()["access_token"]
    assert force.get("/limits", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200


def test_daily_quota(force, server):
    """Every call counts and says so; over the quota it is 403, and stays so."""
    server.control.salesforce.limit(daily=2)
    used = [force.get("/limits").headers["Sforce-Limit-Info"] for _ in range(2)]
    assert used == ["api-usage=1/2", "api-usage=2/2"]
    for _ in range(2):
        answer = force.get("/limits")
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert server.control.salesforce.counters()["refused"] == 2


def test_read_only_session(client, server):
    """A token that starts with `read` may not write."""
    url = f"{server.salesforce_url}/services/data/v62.0/sobjects/Contact"
    answer = client.post(url, json={"LastName": "x"}, headers={"Authorization": "Bearer readonly"})
    assert answer.status_code == 403


def test_unknown_path_and_method(force):
    """What does not exist answers in the vendor's shape."""
    assert force.get("/nothing").json()[0]["errorCode"] == "NOT_FOUND"
    assert force.put("/limits").json()[0]["errorCode"] == "METHOD_NOT_ALLOWED"


def test_rotated_refresh_tokens(client, server):
    """With rotation each answer has another refresh token, and one that was used is an invalid grant."""
    form = {"grant_type": "refresh_token", "client_id": "id", "refresh_token": "first"}
    assert "refresh_token" not in token(client, server, **form).json()
    server.control.salesforce.limit(rotates=True)
    try:
        second = token(client, server, **form).json()["refresh_token"]
        assert token(client, server, **form).json()["error"] == "invalid_grant"
        assert token(client, server, **form | {"refresh_token": second}).status_code == 200
    finally:
        server.control.salesforce.limit(rotates=False)
