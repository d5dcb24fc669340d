"""Inbound webhooks: proven by a signature over the raw body, not too old, and each delivery once."""

import hmac
import json
import time
from datetime import UTC, datetime

import pytest

from tailrace.errors import ProjectError
from tailrace.project import load_project


def signed(body, secret="shop secret of the test", at=None):
    sent = str(int(time.time() if at is None else at))
    signature = hmac.digest(secret.encode(), f"{sent}.".encode() + body, "sha256").hex()
    return {"x-tailrace-timestamp": sent, "x-tailrace-signature": f"sha256={signature}"}


def dbt(secret="dbt secret of the test", at=None, **changed):
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    message = {
        "accountId": 1,
        "webhookId": "wsu_1",
        "eventId": "wev_1",
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "eventType": "job.run.completed",
        "data": {"jobId": "7", "runId": "1", "runStatus": "Success", "runStatusCode": 10},
    }
    message = {**message, **changed}
    body = json.dumps(message).encode()
    return body, {"authorization": hmac.digest(secret.encode(), body, "sha256").hex()}


def deliver(console, name, body, headers, code):
    return console._judged(console.client.post(f"/hooks/{name}", content=body, headers=headers), code).json()


def waiting(console):
    return sorted(each["sync"] for each in console.json("/api/requests")["requests"])


def test_a_signed_message_asks_for_a_run_once(console):
    """What comes again, byte for byte, asks for nothing more; another message does."""
    headers = signed(b'{"n": 1}')
    first = deliver(console, "shop", b'{"n": 1}', headers, 202)
    assert deliver(console, "shop", b'{"n": 1}', headers, 202) == first
    assert waiting(console) == ["people"]
    assert console.audit() == [("trigger shop", "run", "people")]
    deliver(console, "shop", b'{"n": 2}', signed(b'{"n": 2}'), 202)
    assert waiting(console) == ["people", "people"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"n":1}', signed(b'{"n": 1}')),
        (b"x", signed(b"x", secret="another secret")),
        (b"x", signed(b"x") | {"x-tailrace-timestamp": "1"}),
        (b"x", {"x-tailrace-timestamp": str(int(time.time()))}),
        (b"x", {}),
        (b"x", signed(b"x") | {"x-tailrace-signature": "é"}),
    ],
    ids=["other body", "other secret", "other time", "no signature", "nothing", "no hex"],
)
def test_what_is_not_proven_asks_for_nothing(console, body, headers):
    """One byte of the body, or the time, changed: it is refused."""
    encoded = {name: value.encode() for name, value in headers.items()}
    deliver(console, "shop", body, encoded, 401)
    assert waiting(console) == []


@pytest.mark.parametrize("distance", [-301, 302])
def test_an_old_message_is_refused(console, distance):
    """And one from a clock that is far ahead: who saw a message cannot send it later."""
    deliver(console, "shop", b"x", signed(b"x", at=time.time() + distance), 401)
    body, headers = dbt(at=time.time() + distance)
    deliver(console, "warehouse", body, headers, 401)
    assert waiting(console) == []


def test_dbt_clouds_job_that_succeeded_asks_for_runs_once(console):
    """Each sync of the trigger; sent again with the same event, nothing more."""
    body, headers = dbt()
    assert [each["sync"] for each in deliver(console, "warehouse", body, headers, 202)["requests"]] == [
        "people",
        "copies",
    ]
    again, headers = dbt(webhookId="wsu_2")
    deliver(console, "warehouse", again, headers, 202)
    assert waiting(console) == ["copies", "people"]


@pytest.mark.parametrize(
    "changed",
    [
        {"eventType": "job.run.started"},
        {"eventType": "job.run.errored", "data": {"jobId": "7", "runStatusCode": 20}},
        {"data": {"jobId": "8", "runStatusCode": 10}},
    ],
    ids=["started", "errored", "another job"],
)
def test_dbt_clouds_other_events_ask_for_nothing(console, changed):
    """They are taken, so that they are not sent again, and it is said why."""
    body, headers = dbt(**changed)
    assert deliver(console, "warehouse", body, headers, 200)["ignored"]
    assert waiting(console) == []


def test_dbt_clouds_signature_is_checked(console):
    """Another secret, or a body that is none of dbt Cloud's."""
    body, headers = dbt(secret="another secret")
    deliver(console, "warehouse", body, headers, 401)
    for body in (
        b"[]",
        b"{}",
        b"x",
        b'{"eventId": 1, "timestamp": "now"}',
        b'{"eventId": 1, "timestamp": 1, "data": []}',
    ):
        proof = {"authorization": hmac.digest(b"dbt secret of the test", body, "sha256").hex()}
        deliver(console, "warehouse", body, proof, 400)


def test_there_is_no_other_trigger(console):
    """A name that the file does not have."""
    deliver(console, "nobody", b"x", signed(b"x"), 404)


def test_a_trigger_needs_a_sync_that_exists(root):
    """The problem names the place, and the nearest name."""
    file = root / "tailrace.yml"
    file.write_text(file.read_text().replace("syncs: [people]", "syncs: [poeple]"))
    with pytest.raises(ProjectError, match=r"tailrace\.yml:6:\d+: .*poeple.*people"):
        load_project(root)


def test_a_secret_of_a_trigger_is_a_reference(root):
    """As everywhere."""
    file = root / "tailrace.yml"
    file.write_text(file.read_text().replace("${env:SHOP_SECRET}", "plain"))
    with pytest.raises(ProjectError, match="must not stand in the file itself"):
        load_project(root)
