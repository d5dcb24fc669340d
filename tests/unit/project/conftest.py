"""A small project on disk, and two adapters that connect to nothing."""

import textwrap
from types import SimpleNamespace
from typing import Annotated, Literal

import pytest
from pydantic import Field

from tailrace.destination import Capabilities, Operation, Plugin
from tailrace.errors import ProjectError
from tailrace.project import load_project
from tailrace.project.config import DestinationConfig, Model, SyncOptions
from tailrace.project.types import Secret, SecretUrl


class KeyAuth(Model):
    """Sign in with a key."""

    flow: Literal["key"]
    key: Secret


class UserAuth(Model):
    """Sign in with a name."""

    flow: Literal["user"]
    user: str
    password: Secret


class CrmConfig(DestinationConfig):
    """A CRM that is nowhere."""

    type: Literal["crm"]
    auth: Annotated[KeyAuth | UserAuth, Field(discriminator="flow")] | None = None
    url: SecretUrl | None = None
    version: Annotated[str, Field(pattern="^[0-9]+$")] = "1"
    limit: Annotated[int, Field(ge=0, le=5)] = 0
    region: str | None = None
    """Where the account lives."""


class CrmOptions(SyncOptions):
    """Extra keys of a CRM sync."""

    turbo: bool = False


class LogConfig(DestinationConfig):
    """A log that only grows."""

    type: Literal["log"]


class LogOptions(SyncOptions):
    """Extra keys of a log sync."""

    folder: str | None = None


def capabilities(match):
    """What the fakes can do."""
    operations = frozenset(Operation)
    return lambda _config: Capabilities(operations, operations, 100, match=match)


def plugin(name, config, options, match):
    """An adapter that opens nothing."""
    return Plugin(name, name, config, lambda *_: None, capabilities(match), lambda _: name, options)


PLUGINS = {
    "crm": plugin("crm", CrmConfig, CrmOptions, "required"),
    "log": plugin("log", LogConfig, LogOptions, "optional"),
}

FILES = {
    "tailrace.yml": """
        warehouses:
          main: {type: duckdb, path: w.duckdb}
        destinations:
          sales: {type: crm, auth: {flow: key, key: "${env:SALES_KEY}"}}
          trail: {type: log}
        """,
    "models/people.sql": "select 1 as id, 'a' as name",
    "syncs/people.yml": """
        model: people
        destination: sales
        object: Person
        mode: mirror
        key: id
        match: {ext: id}
        fields: {name: name}
        """,
}


@pytest.fixture
def write(tmp_path):
    """Write a project: the small one, with files replaced, added, or (None) left out."""

    def build(files=None, /):
        for name, text in {**FILES, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink(missing_ok=True)
            elif isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return tmp_path

    return build


@pytest.fixture
def load(write):
    """Load such a project."""
    return lambda files=None, /: load_project(write(files), plugins=PLUGINS)


@pytest.fixture
def faults(load, tmp_path):
    """The problems of such a project, as `file:line:column: message` with files relative to it."""

    def find(files=None, /):
        with pytest.raises(ProjectError) as caught:
            load(files)
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]

    return find


@pytest.fixture
def fakes():
    """The adapters, their models and the project's texts."""
    return SimpleNamespace(plugins=PLUGINS, files=FILES, crm=CrmConfig)
