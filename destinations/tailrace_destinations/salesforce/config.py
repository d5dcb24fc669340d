"""The `salesforce` entry in `tailrace.yml`, and what it adds to a sync file."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, model_validator

from tailrace.project.config import DestinationConfig, SyncOptions
from tailrace.project.model import Model
from tailrace.project.types import Secret
from tailrace_destinations.plain import BaseUrl, ZoneName

_SOAP_ENDS: Final = 65.0


class ClientCredentials(Model):
    """OAuth client credentials: a connected app with a run-as user. Needs the My Domain host."""

    flow: Literal["client_credentials"]
    login_url: BaseUrl
    client_id: str
    client_secret: Secret


class Jwt(Model):
    """OAuth JWT bearer: the app's certificate signs for a user."""

    flow: Literal["jwt"]
    login_url: BaseUrl = "https://login.salesforce.com"
    client_id: str
    username: str
    private_key: Secret
    """PEM text, by reference such as `${file:server.key}`."""
    audience: str | None = None
    """`aud` of the assertion; the login_url unless set."""


class RefreshToken(Model):
    """OAuth refresh token: someone signed in to the app once, and it acts for that user since."""

    flow: Literal["refresh_token"]
    login_url: BaseUrl = "https://login.salesforce.com"
    client_id: str
    client_secret: Secret | None = None
    """Only where the app requires it for the refresh token flow."""
    refresh_token: Secret


class Password(Model):
    """User name and password: legacy. With `client_id` by OAuth, else by SOAP login with the security token.

    SOAP login ends with API 65.0 and is retired in 2027.
    """

    flow: Literal["password"]
    login_url: BaseUrl = "https://login.salesforce.com"
    username: str
    password: Secret
    security_token: Secret | None = None
    client_id: str | None = None
    client_secret: Secret | None = None

    @model_validator(mode="after")
    def _pair(self) -> Password:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret go together")
        return self


class SessionToken(Model):
    """A session or access token obtained elsewhere; it cannot be renewed."""

    flow: Literal["session"]
    instance_url: BaseUrl
    session_id: Secret


Auth: TypeAlias = Annotated[
    ClientCredentials | Jwt | RefreshToken | Password | SessionToken, Field(discriminator="flow")
]


class SalesforceConfig(DestinationConfig):
    """A Salesforce org."""

    type: Literal["salesforce"]
    auth: Auth
    api_version: Annotated[str, Field(pattern=r"^[0-9]{2,3}\.0$")] = "62.0"
    timezone: ZoneName | None = None
    """Zone of timestamps that have none; without it they do not fit dateTime fields."""
    job_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    """Most rows of one job of Bulk API 2.0: what a run has in memory at once."""
    ca_file: str | None = None
    """PEM bundle that verifies the server, for a gateway with a certificate of its own."""

    @model_validator(mode="after")
    def _soap_ends(self) -> SalesforceConfig:
        soap = self.auth.flow == "password" and self.auth.client_id is None
        if soap and float(self.api_version) >= _SOAP_ENDS:
            raise ValueError(
                "API 65.0 has no login by password alone; give client_id and client_secret, or another flow"
            )
        return self


class SalesforceOptions(SyncOptions):
    """Keys a sync to Salesforce may have besides the common ones."""

    allow_duplicates: bool = False
    """Save records that a duplicate rule would stop (`Sforce-Duplicate-Rule-Header: allowSave=true`)."""
    assignment_rules: bool = True
    """False keeps lead and case assignment rules from running (`Sforce-Auto-Assign: FALSE`)."""
    bulk: Literal["auto", "always", "never"] = "auto"
    """Whether rows go out as jobs of Bulk API 2.0: from 2,000 rows of one action, always, or never."""
    too_long: Literal["reject", "truncate"] = "reject"
    """What becomes of texts that are longer than their field: the row is rejected, or free text is cut."""

    @property
    def jobs_cannot(self) -> str | None:
        """The key whose setting a job cannot carry, so that none is used."""
        if self.allow_duplicates:
            return "allow_duplicates: true"
        return None if self.assignment_rules else "assignment_rules: false"

    @model_validator(mode="after")
    def _no_jobs(self) -> SalesforceOptions:
        if self.bulk == "always" and self.jobs_cannot:
            raise ValueError(f"bulk: always and {self.jobs_cannot} exclude each other: a job has no such header")
        return self
