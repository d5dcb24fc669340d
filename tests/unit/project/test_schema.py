import copy
import dataclasses
import json
import re

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tailrace.errors import ProjectError
from tailrace.project import load_project
from tailrace.project.config import DestinationConfig
from tailrace.project.schema import schemas

PROJECT = {
    "state": "sqlite:///.tailrace/state.db",
    "lease": "60s",
    "snapshots": ".tailrace/snapshots",
    "serve": {"url": "https://tailrace.example.com", "runs": 4, "runs_per_destination": 2},
    "alerts": {
        "to": ["${env:SET}"],
        "on": ["failed", "late"],
        "rejected": "1%",
        "volume": "off",
        "quiet": [{"to": "06:00"}],
    },
    "oidc": {
        "issuer": "https://login.example.com/realms/data",
        "client_id": "tailrace",
        "client_secret": "${env:SET}",
        "url": "https://tailrace.example.com",
        "scopes": ["openid", "groups"],
        "claim": "groups",
        "roles": {"viewer": ["all"], "operator": ["data"], "admin": ["ops", "${env:SET}"]},
        "default_role": "viewer",
    },
    "triggers": {
        "app": {"type": "hmac", "secret": "${env:SET}", "syncs": ["people"], "window": "1m", "id_header": "X-Id"},
        "dbt": {"type": "dbt_cloud", "secret": "${env:SET}", "syncs": ["people"], "jobs": [7, "8"]},
    },
    "warehouses": {
        "main": {"type": "duckdb", "path": "w.duckdb"},
        "pg": {"type": "postgres", "url": "postgresql://a:${env:SET}@h/d"},
        "snow": {"type": "snowflake", "account": "a", "user": "u", "password": "${env:SET}", "schema": "s"},
        "big": {"type": "bigquery", "project": "p", "credentials": "${file:tailrace.yml}"},
        "snow_key": {
            "type": "snowflake",
            "account": "a",
            "user": "u",
            "host": "h",
            "port": 443,
            "protocol": "https",
            "private_key_path": "k.p8",
            "private_key_passphrase": "${env:SET}",
            "timeout": "10m",
        },
        "snow_web": {"type": "snowflake", "account": "a", "user": "u", "browser": True},
        "big_file": {"type": "bigquery", "project": "p", "credentials_path": "k.json", "max_bytes_billed": 10},
        "red": {"type": "redshift", "database": "d", "host": "h", "user": "u", "password": "${env:SET}"},
        "red_iam": {"type": "redshift", "database": "d", "cluster": "c", "db_user": "u", "profile": "p"},
        "red_less": {"type": "redshift", "database": "d", "workgroup": "w", "region": "eu-west-1"},
        "bricks": {"type": "databricks", "host": "h", "http_path": "/p", "access_token": "${env:SET}", "schema": "s"},
        "principal": {
            "type": "databricks",
            "host": "h",
            "http_path": "/p",
            "client_id": "c",
            "client_secret": "${env:SET}",
        },
        "my": {"type": "mysql", "host": "h", "user": "u", "password": "${env:SET}", "database": "d"},
        "maria": {"type": "mariadb", "host": "h", "user": "u", "database": "d", "timeout": "1m"},
        "ms": {"type": "mssql", "host": "h", "port": 1, "user": "u", "password": "${env:SET}", "database": "d"},
        "click": {"type": "clickhouse", "host": "h", "secure": False},
        "tri": {"type": "trino", "host": "h", "user": "u", "token": "${env:SET}", "catalog": "c"},
        "tri_open": {"type": "trino", "host": "h", "user": "u", "secure": False, "catalog": "c", "schema": "s"},
        "lite": {"type": "sqlite", "path": "f.db"},
        "any": {"type": "sqlalchemy", "url": "sqlite://"},
    },
    "destinations": {
        "sales": {
            "type": "crm",
            "auth": {"flow": "key", "key": "${env:SET}"},
            "rate": [{"calls": 5, "per": "1s"}],
            "concurrency": 2,
            "batch_size": 100,
            "reserve": "20%",
            "settle": "0s",
            "timeout": "1m",
            "limit": 3,
            "version": "62",
            "region": "${env:SET}",
            "url": "https://h/x",
        },
        "trail": {"type": "log"},
    },
}
SYNC = {
    "description": "words",
    "model": "people",
    "warehouse": "main",
    "destination": "sales",
    "object": "Person",
    "mode": "mirror",
    "key": ["id", "part"],
    "match": {"ext": "id"},
    "fields": {
        "a": "x",
        "b": {"column": "y", "nulls": "skip", "hash": "sha256"},
        "c": {"value": 1.5, "write": "create"},
        "d": {"sql": "z", "write": "empty"},
        "e": {"lookup": "Account", "by": "No", "column": "acc"},
        "f": {"value": None},
        "g": {"lookup": "Account", "by": "No", "label": "Boss", "primary": False, "column": "acc"},
        "h": {"lookup": "Account", "by": "No", "primary": True, "column": "acc"},
    },
    "on_delete": "archive",
    "schedule": {
        "cron": "*/15 * * * *",
        "timezone": "Europe/Berlin",
        "after_partial": "wait",
        "jitter": "30s",
        "blackout": [{"from": "22:00", "to": "06:00", "days": ["fri", "sat"], "timezone": "UTC"}],
    },
    "paused": True,
    "timeout": "1h",
    "freshness": "2h",
    "alerts": {"rejected": 5, "on": ["rejected"]},
    "guards": {"max_deletes": "15%", "max_changes": 100, "max_invalid": "off", "on_empty": "allow", "contract": "off"},
    "rejects": {"retry": "manual", "max_attempts": 3},
    "on_unknown": "resend",
    "batch_size": 50,
    "tags": ["crm", "hourly"],
    "turbo": True,
}
CURSOR = {
    **{key: value for key, value in SYNC.items() if key != "on_delete"},
    "mode": "upsert",
    "cursor": {"column": "updated_at", "overlap": "15m", "full": "7d"},
}
PIECES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        7,
        -1,
        2.0,
        1.5,
        "",
        "x",
        "main",
        "sales",
        "append",
        "upsert",
        "delete",
        "insert",
        "mirror",
        "keep",
        "off",
        "15%",
        "101%",
        "1h",
        "0s",
        "10",
        "${env:SET}",
        "$${x",
        "${env",
        "${vault:x}",
        "sqlite://",
        "a b",
        "a\n",
        "https://u:p@h",
        "https://h/?token=x",
        "UTC",
        "Mars",
        "* * * * *",
        "60 * * * *",
        [],
        ["x"],
        ["x", "x"],
        ["x", 1],
        {},
        {"x": "y"},
        {"column": "x"},
        {"every": "1h"},
        {"every": "1h", "cron": "* * * * *"},
        {"after": ["people2"]},
        {"after": []},
        {"flow": "user", "user": "u", "password": "${env:SET}"},
        {"calls": 1.0, "per": "1s"},
        {"": "x"},
        {"type": "log"},
        {"type": "crm"},
        {"type": "duckdb", "path": ""},
        {"column": "x", "sql": None},
        {"value": [1]},
        {"type": "snowflake", "account": "a", "user": "u"},
        {"type": "snowflake", "url": "snowflake://x", "role": None},
    ]
)
KEYS = st.sampled_from(
    ["fields", "match", "on_delete", "append", "mode", "type", "url", "x", "", "a b", "column", "value", "by"]
)


def paths(node, at=()):
    """Every place in a document."""
    yield at
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from paths(inner, (*at, key))
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from paths(inner, (*at, index))


@st.composite
def mutants(draw, base):
    """A valid document with a few places removed, replaced, renamed or added to."""
    document = copy.deepcopy(base)
    for key in draw(st.sets(st.sampled_from(sorted(base)), max_size=5)):
        del document[key]
    for _ in range(draw(st.integers(0, 2))):
        places = [path for path in paths(document) if path]
        if not places:
            break
        *before, last = draw(st.sampled_from(places))
        holder = document
        for step in before:
            holder = holder[step]
        match draw(st.sampled_from(["remove", "replace", "replace", "rename", "add"])):
            case "remove":
                del holder[last]
            case "rename" if isinstance(holder, dict):
                holder[draw(KEYS)] = holder.pop(last)
            case "add" if isinstance(holder, dict):
                holder[draw(KEYS)] = copy.deepcopy(draw(PIECES))
            case _:
                holder[last] = copy.deepcopy(draw(PIECES))
    return document


@pytest.fixture
def both(write, fakes, monkeypatch):
    """Judge a document of either file by its schema and by the loader."""
    monkeypatch.setenv("SET", "value")
    root = write()
    files = {"project": root / "tailrace.yml", "sync": root / "syncs/people.yml"}
    valid = {"project": PROJECT, "sync": SYNC}
    validators = {name: jsonschema.Draft202012Validator(schema) for name, schema in schemas(fakes.plugins).items()}

    def judge(name, document):
        for other, file in files.items():
            file.write_text(json.dumps(document if other == name else valid[other]))
        try:
            load_project(root, plugins=fakes.plugins)
            found = []
        except ProjectError as error:
            found = [problem.message for problem in error.problems if problem.file == files[name]]
        return found, validators[name].is_valid(document), [e.message for e in validators[name].iter_errors(document)]

    return judge


CROSS_FILE = re.compile(
    r"there is no (model|warehouse|sync) |`warehouse` is missing; |`match` is missing: mode |is a match field already"
)
OTHERS_KEYS = re.compile(r"there is no destination|is a key of \w+ syncs")


def agree(both, name, document):
    found, accepted, errors = both(name, document)
    # Which adapter's keys a sync may have is decided by the other file.
    assume(not any(OTHERS_KEYS.search(message) for message in found))
    own = [message for message in found if not CROSS_FILE.search(message)]
    event(f"accepted: {accepted}")
    assert accepted == (not own), f"{json.dumps(document)}\nloader: {own}\nschema: {errors}"


many = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(document=mutants(PROJECT))
def test_the_project_schema_accepts_what_the_loader_accepts(both, document):
    """An editor that shows no fault and a loader that does would be worse than no schema."""
    agree(both, "project", document)


@many
@given(document=mutants(SYNC))
def test_the_sync_schema_accepts_what_the_loader_accepts(both, document):
    """The same for sync files, the rules of modes included."""
    agree(both, "sync", document)


@many
@given(document=mutants(CURSOR))
def test_the_sync_schema_accepts_the_cursors_that_the_loader_accepts(both, document):
    """The same where only what is new is read."""
    agree(both, "sync", document)


@pytest.mark.parametrize(
    ("cursor", "good"),
    [
        ("updated_at", True),
        ({"column": "x"}, True),
        ({"column": "x", "overlap": 0, "full": 5.0}, True),
        ({"column": "x", "overlap": "0s", "full": "1d"}, True),
        ({"column": "x", "overlap": "1h", "full": 5}, False),
        ({"column": "x", "overlap": 1, "full": "1d"}, False),
        ({"column": "x", "overlap": -1}, False),
        ({"column": "x", "overlap": 1.5}, False),
        ({"column": "x", "overlap": True}, False),
        ({"column": "x", "full": 0}, False),
        ({"column": "x", "full": "0s"}, False),
        ({"column": ""}, False),
        ({"overlap": "1h"}, False),
        (5, False),
        ([], False),
    ],
)
def test_cursors_are_judged_alike(both, cursor, good):
    """Durations or whole numbers, not one of each."""
    found, accepted, _ = both("sync", {**CURSOR, "cursor": cursor})
    assert (not found, accepted) == (good, good), found


def test_the_full_examples_are_accepted_by_both(both):
    """Every key there is, used well."""
    for name, document in (("project", PROJECT), ("sync", SYNC), ("sync", CURSOR)):
        assert both(name, document) == ([], True, [])


def test_schemas_are_valid_and_complete(fakes):
    """Both are schemas of the 2020-12 draft, without loose ends."""
    for schema in schemas(fakes.plugins).values():
        jsonschema.Draft202012Validator.check_schema(schema)
        text = json.dumps(schema)
        assert set(re.findall(r"#/\$defs/([\w]+)", text)) == set(schema["$defs"])
        assert schema["$schema"].endswith("2020-12/schema")


def test_fields_carry_their_descriptions(fakes):
    """Editors show the texts that stand under the fields in the code, adapters' ones included."""
    definitions = schemas(fakes.plugins)["project"]["$defs"]
    assert definitions["CrmConfig"]["properties"]["region"]["description"] == "Where the account lives."


def test_an_adapter_is_named_by_its_entry_point(fakes):
    """An adapter whose model leaves `type` open is still chosen by name."""

    class Open(DestinationConfig):
        """Any type."""

    plugin = dataclasses.replace(fakes.plugins["log"], name="open", config=Open)
    schema = jsonschema.Draft202012Validator(schemas({"open": plugin})["project"])
    assert schema.is_valid({"destinations": {"x": {"type": "open"}}})
    assert not schema.is_valid({"destinations": {"x": {"type": "other"}}})
