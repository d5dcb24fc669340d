"""Every key, choice and default of the configuration stands in the documentation."""

from typing import get_args

import pytest

from tailrace.destination import Capabilities, plugins
from tailrace.project.config import (
    DestinationConfig,
    FieldMap,
    GuardName,
    Guards,
    Mode,
    OnDelete,
    OnUnknown,
    ProjectConfig,
    Rejects,
    SyncConfig,
)
from tailrace.project.cursor import CursorConfig
from tailrace.project.model import field_keys
from tailrace.project.oidc import Oidc
from tailrace.project.operating import Alerts, Schedule, Serve, Window
from tailrace.project.triggers import DbtCloudTrigger, HmacTrigger
from tailrace.project.types import Secret, SecretUrl
from tailrace.project.warehouses import DuckDBConfig, EngineConfig
from tailrace_destinations.salesforce.config import ClientCredentials, Jwt, Password, RefreshToken, SessionToken

PLUGINS = plugins()
MODELS = {
    ProjectConfig: "tailrace.yml",
    DestinationConfig: "Destinations",
    SyncConfig: "Sync files",
    FieldMap: "Fields",
    Guards: "Guards",
    CursorConfig: "Cursor",
    Rejects: "Rejects",
    Schedule: "Schedule",
    Window: "Windows",
    Serve: "Serve",
    Alerts: "Alerts",
    Oidc: "OIDC",
    HmacTrigger: "Triggers",
    DbtCloudTrigger: "Triggers",
}
"""Each model, and the heading that its table stands under."""
WAREHOUSES = [DuckDBConfig, *get_args(EngineConfig)]
REQUIRED = {
    "salesforce": {
        "type": "salesforce",
        "auth": ClientCredentials(
            flow="client_credentials", login_url="https://x", client_id="x", client_secret=Secret.literal("x")
        ),
    },
    "hubspot": {"type": "hubspot", "access_token": Secret.literal("x")},
    "sql": {"type": "sql", "url": SecretUrl.literal("postgresql://db/x")},
    "webhook": {"type": "webhook", "url": SecretUrl.literal("https://x/y")},
}


def written(value):
    """A default as a page writes it; None where there is nothing to compare."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case str() if value:
            return value
        case int():
            return str(value)
        case _:
            return None


def pages_of(name):
    """The documentation page of an adapter."""
    return f"docs/destinations/{name}.md"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_of_the_files_is_in_a_table(model, read):
    """project-files.md has a table row for each key, with its default where it is a plain value."""
    page = read("docs/project-files.md")
    for name, info in model.model_fields.items():
        row = page.row(info.alias or name, MODELS[model])
        assert row, name
        default = written(info.default)
        assert default is None or default in row, (name, default)


@pytest.mark.parametrize("model", WAREHOUSES, ids=lambda model: model.__name__)
def test_every_key_of_a_warehouse_is_named(model, read):
    """The table of warehouses names all keys of each type."""
    row = read("docs/project-files.md").row(get_args(model.model_fields["type"].annotation)[0])
    assert {key for key in field_keys(model) - {"type"} if f"`{key}`" not in row} == set()


def test_durations_and_shares_stand_as_written(read):
    """Defaults that are kept as seconds and shares are shown in the form users write."""
    page = read("docs/project-files.md")
    shown = {"lease": "60s", "keep_runs": "90d", "settle": "10s", "timeout": "60s", "reserve": "0%"}
    shown |= {"max_deletes": "15%", "max_invalid": "5%", "max_changes": "off"}
    models = {name: info.default for model in reversed(MODELS) for name, info in model.model_fields.items()}
    kept = {"60s": 60.0, "10s": 10.0, "0%": 0.0, "15%": 0.15, "5%": 0.05, "90d": 90 * 86_400.0, "off": None}
    assert {name: kept[text] for name, text in shown.items()} == {name: models[name] for name in shown}
    assert [name for name, text in shown.items() if f"`{text}`" not in page.row(name)] == []


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_every_key_of_a_destination_is_in_a_table(name, read):
    """An adapter's page has a table row for each key of tailrace.yml, with its default, and names its sync keys."""
    page, plugin = read(pages_of(name)), PLUGINS[name]
    for field, info in plugin.config.model_fields.items():
        row = page.row(info.alias or field, "Settings of the destination")
        assert row, field
        default = written(info.default)
        assert default is None or default in row, (field, default)
    options = field_keys(plugin.options) if plugin.options else set()
    assert {key for key in options if f"`{key}`" not in page.prose} == set()


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_defaults_of_capabilities_stand_on_the_page(name, read):
    """Batch size and concurrency are shown as the adapter's capabilities have them."""
    page, plugin = read(pages_of(name)), PLUGINS[name]
    able = plugin.capabilities(plugin.config.model_validate(REQUIRED[name]))
    assert str(able.batch_size) in page.row("batch_size", "Settings of the destination")
    assert str(able.concurrency) in page.row("concurrency", "Settings of the destination")


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_every_mode_stands_on_the_page(name, read):
    """An adapter's page says what each mode and each on_delete does there."""
    text = read(pages_of(name)).prose
    wanted = (*get_args(Mode), *get_args(OnDelete))
    assert [word for word in wanted if f"`{word}`" not in text and f": {word}`" not in text] == []


def test_every_key_of_signing_in_is_named(read):
    """The Salesforce page names all keys of each flow."""
    page = read(pages_of("salesforce"))
    for model in (ClientCredentials, Jwt, Password, RefreshToken, SessionToken):
        row = page.row(get_args(model.model_fields["flow"].annotation)[0])
        assert {key for key in field_keys(model) - {"flow"} if f"`{key}`" not in row} == set()


def test_every_choice_is_documented(read):
    """Modes, on_delete, on_unknown and guards are all told in project-files.md."""
    page = read("docs/project-files.md")
    rows = {name for names, _ in page.rows() for name in names}
    assert {*get_args(Mode), *get_args(OnDelete), *get_args(GuardName)} <= rows
    assert [word for word in get_args(OnUnknown) if f"`{word}`" not in page.row("on_unknown")] == []


def test_guards_are_named_where_runs_are_operated(read):
    """operate.md names each guard that can be overridden."""
    section = read("docs/operate.md").section("Guards")
    assert [name for name in get_args(GuardName) if f"`{name}`" not in section] == []


def test_every_capability_is_documented(read):
    """The guide for adapters has a row for each capability."""
    page = read("docs/writing-an-adapter.md")
    assert [name for name in Capabilities.__slots__ if page.row(name) is None] == []


def test_pages_of_crms_say_what_is_not_proven(read):
    """The pages of Salesforce and HubSpot say that no live account was tried."""
    assert "**Not run against a live org yet.**" in read(pages_of("salesforce")).text
    assert "**Not run against a live account yet.**" in read(pages_of("hubspot")).text


def test_the_page_of_warehouses_says_what_is_not_proven(read):
    """Each type has a row that says by what it is proven; services in a cloud, that none was tried."""
    page = read("docs/warehouses.md")
    kinds = [get_args(model.model_fields["type"].annotation) for model in WAREHOUSES]
    assert [kind for named in kinds for kind in named if page.row(kind) is None] == []
    for kind in ("snowflake", "bigquery", "redshift", "databricks", "trino"):
        assert "**Not run against a" in page.row(kind)
