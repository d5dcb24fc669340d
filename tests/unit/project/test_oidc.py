"""`oidc:` of tailrace.yml: what is wrong is told with its place, and which role somebody has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.project.oidc import Oidc

GOOD = {"issuer": "https://login.example.com", "client_id": "tailrace", "url": "https://t.example.com"}
TEXT = {**GOOD, "client_secret": '"${env:OIDC_SECRET}"', "roles": "{admin: [ops]}"}
HEAD = 'destinations:\n  sales: {type: crm, auth: {flow: key, key: "${env:SALES_KEY}"}}\n'
FILE = HEAD + "warehouses:\n  main: {type: duckdb, path: w.duckdb}\noidc:\n"


def written(**changes):
    """A project file; None leaves a key out."""
    keys = {name: value for name, value in {**TEXT, **changes}.items() if value is not None}
    return {"tailrace.yml": FILE + "".join(f"  {name}: {value}\n" for name, value in keys.items())}


def test_the_settings_are_read(load):
    """With a provider's path, on any port, and on this machine without TLS."""
    found = load(written(issuer="http://[::1]:8080/realms/data/", url="http://localhost:8570/")).config.oidc
    assert found.callback == "http://localhost:8570/login/callback"
    assert (found.host, found.issuer_host, found.secure) == ("localhost", "::1", False)
    assert load(written()).config.oidc.secure
    assert "OIDC_SECRET" in str(found.client_secret)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": "login.example.com"}, "6:11: `oidc.issuer` should be written out as https://HOST/PATH"),
        ({"issuer": "http://login.example.com"}, "6:11: `oidc.issuer` should be written out"),
        ({"issuer": "https://login.example.com/?x=1"}, "6:11: `oidc.issuer` should be written out"),
        ({"issuer": "https://login.example.com@evil.example"}, "6:11: `oidc.issuer` should be written out"),
        ({"issuer": "nohttps://login.example.com"}, "6:11: `oidc.issuer` should be written out"),
        ({"url": "nohttps://t.example.com"}, "8:8: `oidc.url` should be written out as https://HOST or"),
        ({"issuer": None}, "6:3: `oidc.issuer` is missing"),
        ({"client_id": '""'}, "7:14: `oidc.client_id` "),
        ({"url": "https://t.example.com/console"}, "8:8: `oidc.url` should be written out as https://HOST or"),
        ({"url": "http://t.example.com"}, "8:8: `oidc.url` should be written out as https://HOST or"),
        ({"url": "https://t.example.com:99999"}, "8:8: `oidc.url` should be written out as https://HOST or"),
        ({"client_secret": "abc"}, "9:18: `oidc.client_secret` must not stand in the file itself"),
        ({"roles": "{}"}, "10:10: `oidc.roles`: roles names at least one of viewer"),
        ({"roles": "{boss: [ops]}"}, "10:11: unknown key `boss` in `oidc.roles`; known are admin"),
        ({"roles": "{admin: []}"}, "10:18: `oidc.roles.admin` "),
        ({"default_role": "root"}, "11:17: `oidc.default_role` "),
        ({"scopes": '["a b"]'}, "11:12: `oidc.scopes.1` should be the name of a scope"),
        ({"secret": "x"}, "11:3: unknown key `secret` in `oidc`; did you mean `client_secret`?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(faults, changes, expected):
    """By line and column, with what to write."""
    (said,) = faults(written(**changes))
    assert said.startswith(f"tailrace.yml:{expected}")


def test_settings_that_let_nobody_in_are_refused(faults, load):
    """Without roles and without a default; either is enough."""
    (said,) = faults(written(roles=None))
    assert "nobody could sign in: give roles" in said
    assert load(written(roles=None, default_role="viewer")).config.oidc.default_role == "viewer"


@pytest.mark.parametrize(
    ("default", "values", "role"),
    [
        ("none", [], None),
        ("none", ["v"], "viewer"),
        ("none", ["v", "a"], "admin"),
        ("operator", ["v"], "operator"),
        ("operator", ["a"], "admin"),
        ("viewer", ["x"], "viewer"),
    ],
)
def test_the_highest_role_counts(default, values, role):
    """That of a default too: nobody loses by being in a group."""
    config = Oidc(**GOOD, roles={"viewer": ["v"], "operator": ["o"], "admin": ["a"]}, default_role=default)
    assert config.role(values) == role


@given(st.lists(st.sampled_from("voaxy")))
def test_a_session_remembers_what_counts(values):
    """The rest of the claim makes no difference, and may be long."""
    config = Oidc(**GOOD, roles={"viewer": ["v"], "operator": ["o"], "admin": ["a"]})
    kept = config.counting(values)
    assert set(kept) <= set("voa")
    assert config.role(kept) == config.role(values)
