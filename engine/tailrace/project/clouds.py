"""The entries under `warehouses` of services that have ways of their own to sign in."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.types import Count, Filled, Interval, Secret, SecretUrl

Port = Annotated[int, Field(ge=1, le=65_535)]
"""A TCP port."""


class Timed(Model):
    """A warehouse that can be told how long a statement may take."""

    timeout: Interval | None = None
    """How long one statement may take: the warehouse itself ends it then."""


def one_of(ways: tuple[tuple[str, ...], ...]) -> Any:
    """JSON Schemas of which exactly one holds: all keys of one way are given, and none of the others."""
    every = tuple(dict.fromkeys(key for way in ways for key in way))
    return [
        {"allOf": [given(key, without=tuple(other for other in every if other not in way)) for key in way]}
        for way in ways
    ]


def chosen(config: Model, ways: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The way whose keys are given; ValueError unless it is exactly one, and whole."""
    every = tuple(dict.fromkeys(key for way in ways for key in way))
    have = {key for key in every if getattr(config, key) is not None}
    found = next((way for way in ways if set(way) == have), None)
    if found is None:
        raise ValueError(f"sign in one way: give {', or '.join(' with '.join(way) for way in ways)}")
    return found


def alone(config: Model, key: str, others: tuple[str, ...]) -> None:
    """ValueError where a key that makes sense only beside one of others stands without."""
    if getattr(config, key) is not None and all(getattr(config, other) is None for other in others):
        raise ValueError(f"{key} says nothing without {' or '.join(others)}")


def beside(key: str, others: tuple[str, ...]) -> dict[str, Any]:
    """The same as JSON Schema."""
    return {"anyOf": [{"not": given(key)}, *(given(other) for other in others)]}


_SNOWFLAKE: Final = (
    ("password",),
    ("private_key",),
    ("private_key_path",),
    ("oauth_token",),
    ("access_token",),
    ("browser",),
)
_KEYS: Final = ("private_key", "private_key_path")
_PARTS: Final = (
    *("account", "user", "host", "port", "protocol", *(key for way in _SNOWFLAKE for key in way)),
    *("private_key_passphrase", "database", "schema", "warehouse", "role"),
)


class SnowflakeConfig(Timed):
    """Snowflake, by SQLAlchemy URL or by its parts."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                given("url", without=_PARTS),
                {
                    "allOf": [
                        given("account", without=("url",)),
                        given("user"),
                        beside("private_key_passphrase", _KEYS),
                    ],
                    "oneOf": one_of(_SNOWFLAKE),
                },
            ],
        }
    )

    type: Literal["snowflake"]
    url: SecretUrl | None = None
    account: str | None = None
    user: str | None = None
    password: Secret | None = None
    private_key: Secret | None = None
    """The key in PEM form, by reference such as `${file:key.p8}`."""
    private_key_path: Filled | None = None
    """The key's file, from the project's folder."""
    private_key_passphrase: Secret | None = None
    oauth_token: Secret | None = None
    access_token: Secret | None = None
    """A programmatic access token."""
    browser: Literal[True] | None = None
    """Sign in by the organisation's own page, in a browser."""
    host: Filled | None = None
    """Where the account's own address is not the one to use, as with a private link."""
    port: Port | None = None
    protocol: Literal["https", "http"] | None = None
    database: str | None = None
    db_schema: Annotated[str | None, Field(alias="schema")] = None
    warehouse: str | None = None
    role: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SnowflakeConfig:
        if self.url is not None:
            if any(getattr(self, name) is not None for name in ("db_schema", *_PARTS) if name != "schema"):
                raise ValueError("the url says it all; leave the other keys out, or leave out the url")
            return self
        if None in (self.account, self.user):
            raise ValueError("give either url, or account and user")
        chosen(self, _SNOWFLAKE)
        alone(self, "private_key_passphrase", _KEYS)
        return self


class BigQueryConfig(Timed):
    """BigQuery; without credentials those of the environment, which Google calls application default credentials."""

    model_config = ConfigDict(json_schema_extra={"not": {"allOf": [given("credentials"), given("credentials_path")]}})

    type: Literal["bigquery"]
    project: Filled
    dataset: str | None = None
    location: str | None = None
    credentials: Secret | None = None
    """The service account's JSON, by reference such as `${file:key.json}`."""
    credentials_path: Filled | None = None
    """The file of the service account's JSON, from the project's folder."""
    max_bytes_billed: Count | None = None
    """A query that would bill more is refused by BigQuery."""

    @model_validator(mode="after")
    def _one_way(self) -> BigQueryConfig:
        if self.credentials is not None and self.credentials_path is not None:
            raise ValueError("give one of credentials and credentials_path")
        return self


_REDSHIFT: Final = (("host", "user", "password"), ("cluster", "db_user"), ("workgroup",))
_AWS: Final = ("cluster", "workgroup")


class RedshiftConfig(Timed):
    """Redshift, with a password, or with what IAM knows of a cluster or a workgroup."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": one_of(_REDSHIFT), "allOf": [beside("profile", _AWS), beside("region", _AWS)]}
    )

    type: Literal["redshift"]
    database: Filled
    host: Filled | None = None
    port: Port = 5439
    user: Filled | None = None
    password: Secret | None = None
    cluster: Filled | None = None
    """The identifier of a provisioned cluster, to sign in by IAM as `db_user`."""
    db_user: Filled | None = None
    workgroup: Filled | None = None
    """The name of a serverless workgroup, to sign in by IAM."""
    region: Filled | None = None
    profile: Filled | None = None
    """Of the AWS configuration; without one, credentials are found as AWS' own tools find them."""

    @model_validator(mode="after")
    def _one_way(self) -> RedshiftConfig:
        chosen(self, _REDSHIFT)
        for key in ("profile", "region"):
            alone(self, key, _AWS)
        return self


_DATABRICKS: Final = (("access_token",), ("client_id", "client_secret"), ("browser",))


class DatabricksConfig(Timed):
    """A Databricks SQL warehouse or cluster."""

    model_config = ConfigDict(json_schema_extra={"oneOf": one_of(_DATABRICKS)})

    type: Literal["databricks"]
    host: Filled
    http_path: Filled
    catalog: Filled | None = None
    db_schema: Annotated[Filled | None, Field(alias="schema")] = None
    access_token: Secret | None = None
    """A personal access token."""
    client_id: Filled | None = None
    """Of a service principal, with its OAuth secret as `client_secret`."""
    client_secret: Secret | None = None
    browser: Literal[True] | None = None
    """Sign in as a person, in a browser."""

    @model_validator(mode="after")
    def _one_way(self) -> DatabricksConfig:
        chosen(self, _DATABRICKS)
        return self
