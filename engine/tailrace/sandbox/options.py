"""What a sandbox may be told when it starts; plain data, so that it can be handed to another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

HubSpotPlan = Literal["free", "starter", "professional", "enterprise"]


@dataclass(frozen=True, slots=True)
class SalesforceOptions:
    """The Salesforce-like org.

    `objects` declares further objects and fields in the shape of a describe call:
    `{"Invoice__c": {"label": "Invoice", "fields": [{"name": "Number__c", "type": "string", "length": 20}]}}`;
    for an object that exists already the fields are added. `recordTypeInfos` adds record types by `developerName`.
    """

    org_id: str = "00D5g000004WaTrEAK"
    daily_quota: int = 100_000
    """Requests per 24 hours; only enforced while rate limits are on."""
    job_polls: int = 1
    """How many polls find a bulk job still at work."""
    result_rows: int = 0
    """Most rows of one answer with a bulk job's results; the rest by Sforce-Locator. 0 is all in one."""
    largest_upload: int = 112_500_000
    """Most bytes of a bulk job's file: 150 MB in base64."""
    hard_delete: bool = False
    """Whether the user has the permission Bulk API Hard Delete."""
    person_accounts: bool = False
    """Whether accounts can be people, by the record type `PersonAccount`."""
    assignment_rules: Mapping[str, str] = field(default_factory=dict)
    """Names of active assignment rules by object, such as `{"Lead": "Round robin"}`: they give new records an owner."""
    duplicate_rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By object the fields in which no two records may be alike, such as `{"Contact": ["Email"]}`."""
    objects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubSpotOptions:
    """The HubSpot-like portal.

    `objects` declares further objects and properties in the shape of the properties API:
    `{"contacts": {"properties": [{"name": "vip", "type": "bool", "fieldType": "booleancheckbox"}]}}`.
    """

    portal_id: int = 24_681_357
    plan: HubSpotPlan = "professional"
    return_trace_ids: bool = True
    """Whether results of batch calls repeat the `objectWriteTraceId` they were sent with."""
    trace_ids: Literal["honoured", "ignored", "nameless"] = "honoured"
    """What `objectWriteTraceId` does for a batch with a row at fault: the others are written and the error names the
    row, or all are refused, or the others are written and the error names nobody."""
    search_lag: float = 0.0
    """Seconds until a written record can be found by search."""
    required: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Rules by object of what records must have, such as `{"deals": [{"if": {"dealstage": "closedlost"}, "then":
    ["description"]}]}`; enforced on what is written by version 2026-09."""
    objects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Everything a sandbox process needs to know. A vendor that is None is not started; port 0 takes a free one."""

    salesforce: SalesforceOptions | None = field(default_factory=SalesforceOptions)
    hubspot: HubSpotOptions | None = field(default_factory=HubSpotOptions)
    host: str = "127.0.0.1"
    salesforce_port: int = 0
    hubspot_port: int = 0
    rate_limits: bool = True
    state: Path | None = None
    """Where records are loaded from at start and saved to at the end."""

    def to_json(self) -> dict[str, Any]:
        """The options as JSON-ready data."""
        return asdict(self) | {"state": str(self.state) if self.state else None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SandboxOptions:
        """The reverse of `to_json`."""
        salesforce, hubspot, state = data["salesforce"], data["hubspot"], data["state"]
        return cls(
            **{name: data[name] for name in ("host", "salesforce_port", "hubspot_port", "rate_limits")},
            salesforce=SalesforceOptions(**salesforce) if salesforce else None,
            hubspot=HubSpotOptions(**hubspot) if hubspot else None,
            state=Path(state) if state else None,
        )
