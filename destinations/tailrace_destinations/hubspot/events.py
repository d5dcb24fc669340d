"""Custom events: occurrences that are sent and never come back, up to 500 in one request.

An answer has no body: either all events of a request were taken, or the request was refused. Whether some of a refused
request were kept is not documented; each has an id of its own, of which HubSpot says that it takes the first and
rejects the others within a year.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import (
    Account,
    Batch,
    Field,
    ObjectSchema,
    Operation,
    Outcome,
    Record,
    Row,
    acknowledged,
    rejected,
)
from tailrace.errors import AnswerLost, ObjectNotFound, StopRun
from tailrace.jsonform import to_json
from tailrace_destinations.hubspot.encode import Encoder, accepts, encoder
from tailrace_destinations.hubspot.errors import Refused, parts, row_outcome
from tailrace_destinations.hubspot.kinds import EVENT
from tailrace_destinations.hubspot.paths import EVENTS
from tailrace_destinations.plain import Unfit, close_names, encoded, key_text, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tailrace.destination import Capabilities, Context
    from tailrace.values import Kind, Value
    from tailrace_destinations.hubspot.adapter import HubSpotDestination

TARGETS: Final = ("email", "objectId", "utk")
"""What tells whose event it is: an e-mail address, a record id, a visitor's token."""
OCCURRED: Final = "occurredAt"
UUID: Final = "uuid"
OWN: Final = (*TARGETS, OCCURRED, UUID)
"""Fields that are no properties of the event."""
_LISTED: Final = 100
_NAMESPACE: Final = uuid.UUID("5f0d1b0e-54a5-5c5e-9d3c-1f6c9f4d2a77")
_TEXT: Final[frozenset[Kind]] = frozenset({"string", "int64"})


@dataclass(frozen=True, slots=True)
class Definition:
    """An event as HubSpot describes it."""

    full_name: str
    schema: ObjectSchema
    encoders: Mapping[str, Encoder]


class EventDestination:
    """One event's occurrences. `records` is the open account."""

    def __init__(
        self, records: HubSpotDestination, context: Context, capabilities: Capabilities, zone: ZoneInfo | None
    ) -> None:
        self.capabilities = capabilities
        self._records = records
        self._client = records.client
        self._sync = context.sync
        self._zone = zone
        self._lock = threading.Lock()
        self._definition: Definition | None = None

    def check(self) -> Account:
        """As for records."""
        return self._records.check()

    def describe(self, object: str) -> ObjectSchema:
        """The event's properties, and what every event has."""
        found = self._ask(object)
        with self._lock:
            self._definition = found
        return found.schema

    def push(self, batch: Batch) -> list[Outcome]:
        """Send events. AnswerLost when nobody knows whether they were taken."""
        if batch.operation is not Operation.CREATE:
            raise StopRun("Events can only be sent; they are neither changed nor taken back.")
        found = self._known(batch.object)
        inputs: dict[str, dict[str, Any]] = {}
        outcomes: list[Outcome] = []
        for row in batch.rows:
            try:
                inputs[row.marker] = self._event(found, row, batch.match)
            except Unfit as unfit:
                outcomes.append(rejected(row.marker, unfit.code, str(unfit)))
        rows = [row for row in batch.rows if row.marker in inputs]
        return [*outcomes, *self._send(batch, rows, inputs)] if rows else outcomes

    def _send(self, batch: Batch, rows: Sequence[Row], inputs: Mapping[str, Mapping[str, Any]]) -> list[Outcome]:
        try:
            body = self._client.request("POST", f"{EVENTS}/send/batch", {"inputs": [*inputs.values()]}, write=True).body
        except Refused as error:
            if len(rows) > 1:
                raise
            return [row_outcome(rows[0], error.body, batch)]
        if parts(body, "errors"):
            said = str(parts(body, "errors")[0].get("message"))
            raise AnswerLost(f"HubSpot's answer tells of errors, and not of which events: {said}", code="UNACCOUNTED")
        return [acknowledged(row.marker, inputs[row.marker][UUID], created=True) for row in rows]

    def _event(self, found: Definition, row: Row, match: Sequence[str]) -> dict[str, Any]:
        given = {**dict(zip(match, row.match, strict=True)), **row.values}
        values = {name: value for name, value in given.items() if value is not None}
        event: dict[str, Any] = {"eventName": found.full_name}
        event |= {name: text for name in TARGETS if (text := key_text(values.get(name)))}
        if len(event) == 1:
            raise Unfit("NO_TARGET", f"{', '.join(TARGETS)} are all empty, so nobody tells whose event it is")
        if OCCURRED in values:
            event[OCCURRED] = _encoded(found, OCCURRED, values[OCCURRED])
        event["properties"] = {name: _encoded(found, name, value) for name, value in values.items() if name not in OWN}
        return event | {UUID: key_text(values.get(UUID)) or self._id(event, row)}

    def _id(self, event: Mapping[str, Any], row: Row) -> str:
        """The same for the same row with the same values, in whatever run it is sent."""
        named = json.dumps([self._sync, [to_json(part) for part in row.key], event], sort_keys=True, ensure_ascii=False)
        return str(uuid.uuid5(_NAMESPACE, named))

    def find(
        self,
        object: str,  # noqa: ARG002
        match: Sequence[str],  # noqa: ARG002
        values: Sequence[tuple[Value, ...]],  # noqa: ARG002
        fields: Sequence[str] = (),  # noqa: ARG002
    ) -> Iterator[Record]:
        """Nothing: events are not looked up."""
        return iter(())

    def _known(self, object: str) -> Definition:
        with self._lock:
            if self._definition is None:
                self._definition = self._ask(object)
            return self._definition

    def _ask(self, object: str) -> Definition:
        """The event of that name, full or short. ObjectNotFound when there is none."""
        name = object.removeprefix(EVENT).strip()
        listed = list(self._client.pages(f"{EVENTS}/event-definitions?includeProperties=true&limit={_LISTED}"))
        for entry in listed:
            if name in {entry.get("fullyQualifiedName"), entry.get("name")}:
                return self._read(object, entry)
        known = [str(entry.get("name") or entry.get("fullyQualifiedName")) for entry in listed]
        raise ObjectNotFound(
            f"HubSpot has no event {name!r}{close_names(name, known)}",
            hint="Define it in HubSpot first; the app needs the scope behavioral_events.event_definitions.read_write.",
        )

    def _read(self, object: str, entry: Mapping[str, Any]) -> Definition:
        fields = {name: Field(name, "text", _TEXT, unique=name == UUID) for name in (*TARGETS, UUID)}
        fields[OCCURRED] = Field(OCCURRED, "datetime", accepts("datetime", "", self._zone))
        encoders = {OCCURRED: encoder("datetime", "", self._zone)}
        for prop in parts(entry, "properties"):
            name, type_, field_type = str(prop.get("name")), str(prop.get("type")), str(prop.get("fieldType"))
            fields.setdefault(name, Field(name, type_, accepts(type_, field_type, self._zone)))
            encoders.setdefault(name, encoder(type_, field_type, self._zone))
        full_name = str(entry.get("fullyQualifiedName") or entry.get("name"))
        schema = ObjectSchema(object, fields, one_of=TARGETS, note=f"the event's full name is {full_name}")
        return Definition(full_name, schema, encoders)

    def close(self) -> None:
        """Give the connections back."""
        self._records.close()


def _encoded(found: Definition, name: str, value: Value) -> str:
    return encoded(name, found.encoders.get(name, plain_text), value)
