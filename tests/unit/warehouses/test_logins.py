"""What reaches each driver's `connect`: through its own dialect where it is installed."""

import json

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import TypeAdapter
from sqlalchemy import URL

from tailrace.errors import WarehouseError
from tailrace.project.types import Secret, SecretUrl
from tailrace.project.warehouses import WarehouseConfig
from tailrace.redact import PASSING, redact, register
from tailrace.tagging import working
from tailrace.warehouses import logins
from tailrace.warehouses.databricks import principal
from tailrace.warehouses.engines import engine_for

SECRET = Secret.literal("s3cret/+@ value")
TAG = "tailrace:contacts:run7"
SNOWFLAKE = {"type": "snowflake", "account": "acme-x", "user": "app"}
SNOWFLAKE_SESSION = {"session_parameters": {"TIMEZONE": "UTC", "QUERY_TAG": TAG}, "arrow_number_to_decimal": True}
REDSHIFT = {"type": "redshift", "database": "dw"}
DATABRICKS = {"type": "databricks", "host": "h.example", "http_path": "/sql/1", "catalog": "c", "schema": "s"}
BRICKS = {"server_hostname": "h.example", "http_path": "/sql/1", "catalog": "c", "schema": "s"}
MARIADB = {"type": "mariadb", "host": "h", "user": "u", "database": "d"}
MSSQL = {"type": "mssql", "host": "h", "port": 1500, "user": "u", "password": SECRET, "database": "d"}
CLICKHOUSE = {"type": "clickhouse", "host": "h", "user": "u", "password": SECRET}
TRINO = {"type": "trino", "host": "h", "user": "u", "catalog": "c", "schema": "s"}


class Reached(Exception):
    """Raised in place of a connection."""


def config_of(**entry):
    """An entry of `warehouses`, judged as one of a file, but that secrets are values."""
    return TypeAdapter(WarehouseConfig).validate_python(entry)


@pytest.fixture
def reaching(monkeypatch, tmp_path):
    """What a driver's `connect` is called with, for an entry under `warehouses`, in a run of the sync contacts."""

    def reach(driver, **entry):
        module = pytest.importorskip(driver, reason=f"{driver} is not installed")
        taken = {}

        def connect(*args, **given):
            assert not args
            taken.update(given)
            raise Reached

        engine = engine_for("wh", config_of(**entry), tmp_path)
        monkeypatch.setattr(module, "connect", connect)
        monkeypatch.setattr(engine.dialect.loaded_dbapi, "connect", connect)
        with pytest.raises(Reached), working("contacts", "run7"):
            engine.connect()
        return taken

    return reach


def pem_of(key, passphrase=None):
    """A private key as OpenSSL writes it."""
    hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden).decode()


@pytest.mark.parametrize(
    ("driver", "entry", "expected"),
    [
        ("snowflake.connector", {**SNOWFLAKE, "password": SECRET}, {"password": "s3cret/+@ value"}),
        ("snowflake.connector", {**SNOWFLAKE, "browser": True}, {"authenticator": "externalbrowser"}),
        (
            "snowflake.connector",
            {**SNOWFLAKE, "oauth_token": SECRET, "host": "gate.example", "port": 8443, "protocol": "http"},
            {
                "authenticator": "oauth",
                "token": "s3cret/+@ value",
                "account": "acme-x",
                "host": "gate.example",
                "port": 8443,
                "protocol": "http",
                **SNOWFLAKE_SESSION,
            },
        ),
        (
            "snowflake.connector",
            {"type": "sqlalchemy", "url": SecretUrl.literal("snowflake://app:pw@acme-x/DB")},
            {"account": "acme-x", "password": "pw", **SNOWFLAKE_SESSION},
        ),
        (
            "snowflake.connector",
            {**SNOWFLAKE, "access_token": SECRET, "timeout": 90.5},
            {
                "authenticator": "PROGRAMMATIC_ACCESS_TOKEN",
                "token": "s3cret/+@ value",
                "user": "app",
                "session_parameters": {**SNOWFLAKE_SESSION["session_parameters"], "STATEMENT_TIMEOUT_IN_SECONDS": 91},
            },
        ),
        (
            "redshift_connector",
            {**REDSHIFT, "host": "h", "user": "u", "password": SECRET},
            {
                "host": "h",
                "port": 5439,
                "user": "u",
                "password": "s3cret/+@ value",
                "database": "dw",
                "application_name": TAG,
                "ssl": True,
            },
        ),
        (
            "redshift_connector",
            {**REDSHIFT, "cluster": "c1", "db_user": "reader", "profile": "work", "region": "eu-west-1"},
            {
                "iam": True,
                "cluster_identifier": "c1",
                "db_user": "reader",
                "profile": "work",
                "region": "eu-west-1",
                "database": "dw",
                "port": 5439,
            },
        ),
        (
            "redshift_connector",
            {**REDSHIFT, "workgroup": "wg", "region": "eu-west-1"},
            {"iam": True, "is_serverless": True, "serverless_work_group": "wg", "region": "eu-west-1"},
        ),
        (
            "databricks.sql",
            {**DATABRICKS, "access_token": SECRET, "timeout": 60.0},
            {
                **BRICKS,
                "access_token": "s3cret/+@ value",
                "session_configuration": {"timezone": "UTC", "statement_timeout": "60"},
            },
        ),
        ("databricks.sql", {**DATABRICKS, "browser": True}, {**BRICKS, "auth_type": "databricks-oauth"}),
        (
            "pymysql",
            {**MARIADB, "password": SECRET},
            {"host": "h", "port": 3306, "user": "u", "password": "s3cret/+@ value", "database": "d"},
        ),
        (
            "pymssql",
            {**MSSQL, "timeout": 5.0},
            {"user": "u", "password": "s3cret/+@ value", "database": "d", "timeout": 5, "appname": TAG},
        ),
        (
            "clickhouse_connect.dbapi",
            {**CLICKHOUSE, "timeout": 0.2},
            {
                "host": "h",
                "port": 8443,
                "username": "u",
                "password": "s3cret/+@ value",
                "secure": True,
                "database": "default",
                "max_execution_time": 1,
                "log_comment": TAG,
            },
        ),
        (
            "trino.dbapi",
            {**TRINO, "timeout": 60.0},
            {
                "host": "h",
                "port": 443,
                "user": "u",
                "catalog": "c",
                "schema": "s",
                "source": TAG,
                "http_scheme": "https",
                "timezone": "UTC",
                "session_properties": {"query_max_run_time": "60s"},
            },
        ),
        (
            "psycopg",
            {"type": "postgres", "url": SecretUrl.literal("postgresql://u:p@h/d")},
            {"user": "u", "password": "p", "host": "h", "application_name": TAG},
        ),
        (
            "psycopg",
            {"type": "postgres", "url": SecretUrl.literal("postgresql://h/d?application_name=mine")},
            {"application_name": "mine"},
        ),
    ],
)
def test_what_is_configured_reaches_the_driver(reaching, driver, entry, expected):
    """Addresses, credentials, timeouts and whose work it is arrive as each driver calls them."""
    taken = reaching(driver, **entry)
    assert {name: taken.get(name) for name in expected} == expected


def test_a_secret_is_redacted_once_it_reached_a_driver(reaching):
    """What was revealed for a connection is hidden wherever it shows up."""
    reaching("snowflake.connector", **SNOWFLAKE, oauth_token=Secret.literal("t0ken-of-mine"))
    assert redact("bad token t0ken-of-mine") == "bad token ***"


@pytest.mark.parametrize("by", ["private_key", "private_key_path"])
def test_an_encrypted_key_is_opened_with_its_passphrase(reaching, tmp_path, by):
    """By reference and by path alike, the driver gets the open key in DER form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.p8").write_text(pem_of(key, b"open sesame"))
    given = {
        "private_key": Secret.literal(pem_of(key, b"open sesame")),
        "private_key_path": "key.p8",
    }
    passphrase = Secret.literal("open sesame")
    taken = reaching("snowflake.connector", **SNOWFLAKE, **{by: given[by]}, private_key_passphrase=passphrase)
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert (taken["private_key"], taken["authenticator"]) == (plain, "SNOWFLAKE_JWT")


def test_a_wrong_passphrase_is_told_without_it(tmp_path):
    """The error names the setting, and neither the key nor the passphrase."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.p8").write_text(pem_of(key, b"open sesame"))
    entry = {**SNOWFLAKE, "private_key_path": "key.p8", "private_key_passphrase": Secret.literal("canary")}
    with pytest.raises(WarehouseError, match="private_key_passphrase opens") as caught:
        engine_for("wh", config_of(**entry), tmp_path)
    assert "canary" not in str(caught.value)


def test_a_key_file_that_is_missing_is_named(tmp_path):
    """The path counts from the project's folder, and the error says so."""
    with pytest.raises(WarehouseError, match=r"private_key_path .*nope\.p8 cannot be read: No such file"):
        engine_for("wh", config_of(**SNOWFLAKE, private_key_path="nope.p8"), tmp_path)


def test_a_service_account_may_be_a_file(tmp_path, monkeypatch):
    """`credentials_path` gives the client what `credentials` would."""
    (tmp_path / "key.json").write_text(json.dumps({"type": "service_account"}))
    config = config_of(type="bigquery", project="p", credentials_path="key.json")
    assert logins.bigquery("wh", config, tmp_path).options == {"credentials_info": {"type": "service_account"}}


def test_logins_of_drivers_that_are_not_installed_are_made_alike(tmp_path):
    """What Redshift and Databricks are told does not depend on their drivers being here."""
    red = logins.redshift(config_of(**REDSHIFT, cluster="c1", db_user="u", timeout=1.5))
    assert red.url == URL.create("redshift+redshift_connector", database="dw")
    assert red.args == {"iam": True, "port": 5439, "db_user": "u", "cluster_identifier": "c1"}
    assert red.session == ("SET timezone TO 'UTC'", "SET statement_timeout TO 1500")
    bricks = logins.databricks(config_of(**DATABRICKS, access_token=SECRET))
    assert bricks.url.query == {"http_path": "/sql/1", "catalog": "c", "schema": "s"}
    assert bricks.args == {"session_configuration": {"timezone": "UTC"}, "access_token": "s3cret/+@ value"}


@pytest.mark.parametrize(
    ("entry", "extra"),
    [
        ({**REDSHIFT, "workgroup": "w"}, "redshift"),
        ({**DATABRICKS, "access_token": SECRET}, "databricks"),
        ({**MARIADB}, "mysql"),
        ({**MSSQL}, "mssql"),
        ({**CLICKHOUSE}, "clickhouse"),
        ({**TRINO, "token": SECRET}, "trino"),
        ({**SNOWFLAKE, "password": SECRET}, "snowflake"),
        ({"type": "bigquery", "project": "p"}, "bigquery"),
    ],
)
def test_a_missing_extra_is_named_with_the_command(entry, extra, tmp_path, monkeypatch):
    """Whatever part of a driver is not there, the error says what to install."""

    def fail(*_args, **_options):
        raise ModuleNotFoundError("No module named 'driver'", name="driver")

    monkeypatch.setattr("tailrace.warehouses.engines.create_engine", fail)
    with pytest.raises(WarehouseError, match=rf"pip install 'tailrace\[{extra}\]'"):
        engine_for("wh", config_of(**entry), tmp_path)


class Workspace:
    """Answers requests for a token, and counts them."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def post(self, url, **given):
        self.asked.append((url, given))
        return httpx.Response(request=httpx.Request("POST", url), **self.answer)


def test_a_service_principal_gets_one_token_for_many_requests(monkeypatch):
    """OAuth's client credentials are sent to the workspace once; the token is redacted from then on."""
    workspace = Workspace({"status_code": 200, "json": {"access_token": "t0ken-of-the-principal", "expires_in": 3600}})
    monkeypatch.setattr(httpx, "post", workspace.post)
    headers = principal("h.example", "id", "secret")()
    assert [dict(headers()), dict(headers())] == [{"Authorization": "Bearer t0ken-of-the-principal"}] * 2
    ((url, given),) = workspace.asked
    assert (url, given["auth"]) == ("https://h.example/oidc/v1/token", ("id", "secret"))
    assert given["data"] == {"grant_type": "client_credentials", "scope": "all-apis"}
    assert redact("t0ken-of-the-principal") == "***"
    for number in range(PASSING):
        register(f"token-{number}", passing=True)
    headers()  # who uses it says that it is a secret
    assert redact("t0ken-of-the-principal") == "***"


def test_a_token_that_ends_is_fetched_again(monkeypatch):
    """A token within its last minute is not used any more."""
    workspace = Workspace({"status_code": 200, "json": {"access_token": "short-lived-token", "expires_in": 59}})
    monkeypatch.setattr(httpx, "post", workspace.post)
    headers = principal("h.example", "id", "secret")()
    headers()
    headers()
    assert len(workspace.asked) == 2


@pytest.mark.parametrize(
    "answer", [{"status_code": 401}, {"status_code": 200, "json": {}}, {"status_code": 200, "text": "<html>"}]
)
def test_a_principal_that_is_refused_is_told_what_to_check(monkeypatch, answer):
    """Refusals and answers without a token are errors of the warehouse, without the secret."""
    monkeypatch.setattr(httpx, "post", Workspace(answer).post)
    with pytest.raises(WarehouseError, match="gives the service principal no token") as caught:
        principal("h.example", "id", "canary")()()
    assert "canary" not in str(caught.value)
