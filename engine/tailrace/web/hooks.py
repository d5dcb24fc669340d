"""Inbound webhooks: another program says that there is something new, and proves that it is who it says.

A sender signs the raw body with a secret that both know (HMAC-SHA256); what it signed holds the time, so that a message
cannot be sent again later by somebody who saw it; and a delivery that comes twice asks for one run.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tailrace.project.triggers import DbtCloudTrigger, HmacTrigger, TriggerConfig
from tailrace.web import actions
from tailrace.web.operations import as_json, read, refused
from tailrace.web.refusal import Refusal, missing

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from tailrace.api import Project
    from tailrace.web.site import Site

DBT_COMPLETED, DBT_SUCCESS = "job.run.completed", 10
"""dbt Cloud's event, and its code of a run that succeeded (docs.getdbt.com, webhooks)."""
_WRONG = "the signature does not fit"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was proven."""

    id: str
    """The same whenever it is sent again."""
    ignored: str | None = None
    """Why it asks for nothing."""


def endpoint(site: Site, clock: Callable[[], float] = time.time) -> Callable[..., Any]:
    """Takes messages for `/hooks/TRIGGER`."""

    async def serve(request: Request) -> Response:
        try:
            body = await read(request)
            name = request.path_params["trigger"]
            answer, status = await run_in_threadpool(_take, site, name, request.headers, body, clock())
        except Refusal as refusal:
            return refused(refusal)
        return as_json(answer, status)

    return serve


def _take(site: Site, name: str, headers: Headers, body: bytes, now: float) -> tuple[Mapping[str, Any], int]:
    with site.using() as project:
        trigger: TriggerConfig | None = project.config.triggers.get(name)
        if trigger is None:
            raise missing(f"there is no trigger {name}", hint="`triggers:` of tailrace.yml has them")
        delivery = proven(trigger, headers, body, now)
        if delivery.ignored is not None:
            return {"requests": [], "ignored": delivery.ignored}, 200
        return _ask(project, name, trigger, delivery)


def _ask(project: Project, name: str, trigger: TriggerConfig, delivery: Delivery) -> tuple[Mapping[str, Any], int]:
    names = [sync for sync in trigger.syncs if sync in project.syncs]
    asked = actions.triggered(project, f"trigger {name}", names, delivery.id)
    forms = [{"sync": each.sync, "request_id": each.request_id, "state": each.state} for each in asked]
    return {"requests": forms, "ignored": None}, 202


def proven(trigger: TriggerConfig, headers: Mapping[str, str], body: bytes, now: float) -> Delivery:
    """The delivery of a message; a refusal where it is not proven, or too old."""
    match trigger:
        case DbtCloudTrigger():
            return _dbt(trigger, headers, body, now)
        case HmacTrigger():
            return _signed(trigger, headers, body, now)
        case _:
            assert_never(trigger)


def _signed(trigger: HmacTrigger, headers: Mapping[str, str], body: bytes, now: float) -> Delivery:
    """The signature is over the id, if there is one, the time, and the raw body, with dots between them."""
    sent = headers.get(trigger.timestamp_header, "")
    given = headers.get(trigger.signature_header, "").strip().lower().removeprefix("sha256=")
    parts = [sent] if trigger.id_header is None else [headers.get(trigger.id_header, ""), sent]
    signed = b".".join([*(part.encode("utf-8", "replace") for part in parts), body])
    _compare(given, hmac.digest(trigger.secret.reveal().encode(), signed, "sha256").hex())
    _fresh(_seconds(sent), now, trigger.window)
    named = signed if trigger.id_header is None else parts[0].encode("utf-8", "replace")
    return Delivery(hashlib.sha256(named).hexdigest()[:32])


def _dbt(trigger: DbtCloudTrigger, headers: Mapping[str, str], body: bytes, now: float) -> Delivery:
    """The signature is over the raw body, in the header Authorization; the body holds time and id."""
    expected = hmac.digest(trigger.secret.reveal().encode(), body, "sha256").hex()
    _compare(headers.get("authorization", "").strip().lower(), expected)
    try:
        message = json.loads(body)
        data, event = message.get("data") or {}, str(message["eventId"])
        sent = datetime.fromisoformat(str(message["timestamp"]))
        sent = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
        kind, job, code = message.get("eventType"), data.get("jobId"), data.get("runStatusCode")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Refusal(400, "the message is not one of dbt Cloud's") from error
    _fresh(sent.timestamp(), now, trigger.window)
    delivery = Delivery(hashlib.sha256(event.encode()).hexdigest()[:32])
    if kind != DBT_COMPLETED or code != DBT_SUCCESS:
        return Delivery(delivery.id, f"{kind} with status {code} asks for nothing")
    if trigger.jobs and str(job) not in {str(each) for each in trigger.jobs}:
        return Delivery(delivery.id, f"job {job} is none of this trigger's")
    return delivery


def _compare(given: str, expected: str) -> None:
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise Refusal(401, _WRONG, hint="both sides need the same secret, and the signature is over the raw body")


def _fresh(sent: float, now: float, window: float) -> None:
    if abs(now - sent) > window:
        raise Refusal(
            401, f"the message was sent {abs(now - sent):.0f} s ago or ahead; at most {window:.0f} s are let pass"
        )


def _seconds(text: str) -> float:
    try:
        return float(int(text))
    except ValueError:
        raise Refusal(400, "the time of the message is no number of seconds since the epoch") from None
