"""Whose org it is: what `check` tells, and what a snapshot is bound to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Account
from tailrace.errors import BatchRejected, ObjectNotFound, StopRun
from tailrace_destinations.salesforce.encode import id18

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tailrace_destinations.salesforce.client import Client
    from tailrace_destinations.salesforce.config import SalesforceConfig

_ORG_IN_TOKEN: Final = re.compile(r"(00D[0-9A-Za-z]{12})(?:[0-9A-Za-z]{3})?!")
_LEGACY: Final = (
    "auth.flow password is legacy: it stops at a changed password and at multi-factor sign-in, and Salesforce retires "
    "SOAP login in 2027; use client_credentials or jwt"
)


def account(client: Client, config: SalesforceConfig) -> Account:
    """Sign in, and ask for the org's id, name, kind and quota: two requests."""
    daily = client.get("limits/").get("DailyApiRequests") or {}
    found = _organization(client)
    sandbox = found.get("IsSandbox")
    return Account(
        id18(str(found["Id"])),
        str(found.get("Name") or ""),
        quota_left=daily.get("Remaining"),
        quota_max=daily.get("Max"),
        notes=tuple(_notes(client, config)),
        sandbox=sandbox if isinstance(sandbox, bool) else None,
        edition=str(found.get("OrganizationType") or ""),
    )


def _notes(client: Client, config: SalesforceConfig) -> Iterator[str]:
    if config.auth.flow == "password":
        yield _LEGACY
    if client.rotation.note:
        yield client.rotation.note


def _organization(client: Client) -> Mapping[str, Any]:
    """The record of the org; for users who may not read it the id alone, taken from the session."""
    in_token = _ORG_IN_TOKEN.match(client.session_id)
    try:
        found = next(client.query("SELECT Id, Name, OrganizationType, IsSandbox FROM Organization LIMIT 1"), None)
    except (ObjectNotFound, StopRun, BatchRejected):
        if in_token is None:
            raise
        found = None
    if found is not None:
        return found
    if in_token is None:
        raise StopRun(
            "Salesforce did not say which org this is.",
            hint="Let the integration user read the Organization object.",
        )
    return {"Id": in_token[1]}
