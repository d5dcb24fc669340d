"""HubSpot behind the destination seam."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from tailrace.destination import Account, Batch, Operation, Outcome, Record, Row, rejected
from tailrace.errors import AccessDenied, ObjectNotFound, Retriable, StopRun
from tailrace_destinations.hubspot import accounting
from tailrace_destinations.hubspot.client import Client
from tailrace_destinations.hubspot.encode import decode
from tailrace_destinations.hubspot.errors import NOT_FOUND, Refused, error_code, parts, row_outcome
from tailrace_destinations.hubspot.judge import judge
from tailrace_destinations.hubspot.linkkinds import LinkKinds
from tailrace_destinations.hubspot.links import Links
from tailrace_destinations.hubspot.linkwriter import LinkWriter
from tailrace_destinations.hubspot.making import Maker, announce, propose
from tailrace_destinations.hubspot.paths import ACCOUNT
from tailrace_destinations.hubspot.schema import RECORD_ID, STANDARD_OBJECTS, Properties, read_properties
from tailrace_destinations.plain import Unfit, ca_bundle, close_names, fold, key_text, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tailrace.destination import Capabilities, Context, Field, Lookup, ObjectSchema
    from tailrace.judging import Judgement, Wish
    from tailrace.making import Make
    from tailrace.values import LogicalType, Value
    from tailrace_destinations.hubspot.config import HubSpotConfig
    from tailrace_destinations.hubspot.links import Associations

_READ_SIZE: Final = 100
_REMOVALS: Final = frozenset({Operation.DELETE, Operation.ARCHIVE})
_PATHS: Final = {
    Operation.UPSERT: "upsert",
    Operation.CREATE: "create",
    Operation.UPDATE: "update",
    # Both are the recycle bin, from which a record can be restored. HubSpot's permanent deletion is never used.
    Operation.DELETE: "archive",
    Operation.ARCHIVE: "archive",
}


class HubSpotDestination:
    """An open HubSpot account."""

    def __init__(self, config: HubSpotConfig, context: Context, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.zone = ZoneInfo(config.timezone) if config.timezone else None
        """Of timestamps that have none."""
        self.client = Client(config, context.calls, ca_bundle(config.ca_file, context.project_dir))
        self._properties: dict[str, Properties] = {}
        self._lock = threading.Lock()
        self._kinds = LinkKinds(self.client, self._known)
        self._creates = getattr(context.options, "create_fields", False)
        self._maker = Maker(self.client, self.zone)
        self._links = Links(self._kinds, LinkWriter(self.client), self.find)

    def check(self) -> Account:
        """Ask whose token it is; the quota comes with the answer's headers."""
        reply = self.client.request("GET", ACCOUNT, write=False)
        portal = reply.body.get("portalId")
        if portal is None:
            raise AccessDenied("HubSpot did not say whose token it is.", hint="Check base_url and the token.")
        self.client.zone = _zone(reply.body.get("timeZone"))
        left = reply.headers.get("x-hubspot-ratelimit-daily-remaining", "")
        most = reply.headers.get("x-hubspot-ratelimit-daily", "")
        return Account(
            id=str(portal),
            name=str(reply.body.get("accountType") or ""),
            quota_left=int(left) if left.isdigit() else None,
            quota_max=int(most) if most.isdigit() else None,
            notes=(self.client.sign_in_note,) if self.client.sign_in_note else (),
        )

    def describe(self, object: str) -> ObjectSchema:
        """The object's properties, asked anew."""
        found = self._ask_properties(object)
        with self._lock:
            self._properties[object] = found
        return found.schema

    def judge(self, wish: Wish) -> Judgement:
        """What a mapping asks that the fields alone do not tell."""
        return judge(wish, self._known(wish.object), lambda: self._archived(wish.object))

    def _archived(self, object: str) -> frozenset[str]:
        """The properties that were put away."""
        reply = self.client.request("GET", f"{self.client.paths.properties(object)}?archived=true", write=False)
        return frozenset(str(entry.get("name")) for entry in parts(reply.body, "results") if entry.get("archived"))

    def missing(self, object: str, names: Sequence[str]) -> dict[str, Make]:
        """With `create_fields`, the properties that are not there."""
        known = self._known(object).schema.fields if self._creates else {}
        return {name: self._make(name) for name in names if name not in known} if self._creates else {}

    def _make(self, name: str) -> Make:
        return lambda logical: propose(name, logical, self.zone)

    def announce(self, object: str, fields: Mapping[str, Field]) -> str:
        """Which properties a run would make."""
        return announce(object, fields, self._known(object).schema.fields)

    def make_fields(self, object: str, types: Mapping[str, LogicalType]) -> None:
        """Make properties, and see what they are."""
        self._maker.make(object, self._known(object), types)
        self.describe(object)
        self._maker.verify(object, self._known(object), types)

    def _known(self, object: str) -> Properties:
        with self._lock:
            if object not in self._properties:
                self._properties[object] = self._ask_properties(object)
            return self._properties[object]

    def _ask_properties(self, object: str) -> Properties:
        try:
            reply = self.client.request("GET", self.client.paths.properties(object), write=False)
        except (ObjectNotFound, Refused) as error:
            raise ObjectNotFound(
                f"HubSpot has no object {object!r}{close_names(object, STANDARD_OBJECTS)}",
                code=error.code,
                hint="Custom objects go by their type id (2-123) or full name (p123_name), and need a scope.",
            ) from None
        return read_properties(object, parts(reply.body, "results"), self.zone)

    def describe_lookups(self, object: str, lookups: Mapping[str, Lookup]) -> dict[str, Field | str]:
        """References are associations, whatever their field is called."""
        return self._kinds.describe(object, lookups)

    def push(self, batch: Batch) -> list[Outcome]:
        """Send a batch of at most 100 rows; outcomes go by trace id or key, never by position."""
        referring = batch.operation not in _REMOVALS and any(
            batch.lookups.keys() & row.values.keys() for row in batch.rows
        )
        return self._links.push(batch, self._write) if referring else self._write(batch, {})

    def _write(self, batch: Batch, associations: Associations) -> list[Outcome]:
        refused = self._repeated(batch)
        inputs: dict[str, Mapping[str, Any]] = {}
        encode = self._input_maker(batch, associations)
        for row in batch.rows:
            if row.marker not in refused:
                try:
                    inputs[row.marker] = encode(row)
                except Unfit as unfit:
                    refused[row.marker] = rejected(row.marker, unfit.code, str(unfit))
        sent = [row for row in batch.rows if row.marker in inputs]
        answered = self._send(batch, sent, list(inputs.values())) if sent else []
        return [*refused.values(), *answered]

    def _repeated(self, batch: Batch) -> dict[str, Outcome]:
        """Rows that name one record twice: HubSpot would refuse the whole batch for them."""
        keys = {row.marker: key for row in batch.rows if (key := _record_key(batch, row)) is not None}
        double = repeated(list(keys.values()))
        message = f"another row of the batch has the same {'/'.join(batch.match) or 'record id'}; send neither or one"
        return {marker: rejected(marker, "DUPLICATE_VALUE", message) for marker, key in keys.items() if key in double}

    def _input_maker(self, batch: Batch, associations: Associations) -> _Inputs:
        properties = None if batch.operation in _REMOVALS else self._known(batch.object)
        return _Inputs(batch, properties, associations)

    def _send(self, batch: Batch, rows: Sequence[Row], inputs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        path = self.client.paths.objects(batch.object, f"batch/{_PATHS[batch.operation]}")
        try:
            reply = self.client.request("POST", path, {"inputs": inputs}, write=True)
        except Refused as error:
            if len(rows) > 1:
                raise
            return [row_outcome(rows[0], error.body, batch)]
        if batch.operation in _REMOVALS:
            return accounting.settle_removal(batch, rows, reply.body)
        account = accounting.Account(batch, rows)
        account.take(reply.body)
        return account.settle()

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterator[Record]:
        """Read records by one unique property, 100 a request. Search is not used: its index lags behind."""
        if len(match) != 1:
            raise StopRun("HubSpot finds records by one unique property, so match must name exactly one.")
        asked: dict[str, list[tuple[Value, ...]]] = {}
        for value in values:
            if (key := _key(value[0], match[0])) is not None:
                asked.setdefault(key, []).append(value)
        keys = list(asked)
        properties = self._known(object) if fields else None
        for start in range(0, len(keys), _READ_SIZE):
            for result in self._read(object, match[0], keys[start : start + _READ_SIZE], fields):
                yield from _records(result, match[0], fields, asked, properties)

    def _read(self, object: str, match: str, keys: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        wanted = {match, *fields} | ({_MORE_EMAILS} if match == "email" else set())
        body: dict[str, Any] = {"properties": sorted(wanted), "inputs": [{"id": key} for key in keys]}
        if match != RECORD_ID:
            body["idProperty"] = match
        try:
            reply = self.client.request("POST", self.client.paths.objects(object, "batch/read"), body, write=False)
        except Refused as error:
            if error.code == NOT_FOUND:
                return []
            raise StopRun(
                error.message, code=error.code, hint="Check match and fields: see `tailrace check`."
            ) from None
        for fault in parts(reply.body, "errors"):
            if error_code(fault) != NOT_FOUND:
                raise Retriable(f"HubSpot could not read some records: {fault.get('message')}", code=error_code(fault))
        return parts(reply.body, "results")

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()


_MORE_EMAILS: Final = "hs_additional_emails"


def _record_key(batch: Batch, row: Row) -> str | None:
    if batch.operation in {Operation.UPSERT, Operation.CREATE}:
        return _key(row.match[0], batch.match[0]) if len(batch.match) == 1 else None
    return row.record_id


def _key(value: Value, match: str) -> str | None:
    """A match value as HubSpot compares it; None for one that can name no record."""
    try:
        return fold(value, ignore_case=match == "email") or None
    except Unfit:
        return None


def _records(
    result: Mapping[str, Any],
    match: str,
    fields: Sequence[str],
    asked: Mapping[str, Sequence[tuple[Value, ...]]],
    properties: Properties | None,
) -> Iterator[Record]:
    """A record for each asked value that means it; a contact answers to its further addresses too."""
    held = result.get("properties") or {}
    id_ = str(result.get("id"))
    texts = [id_] if match == RECORD_ID else [held.get(match) or ""]
    texts += str(held.get(_MORE_EMAILS) or "").split(";") if match == "email" else []
    values = {name: decode(held.get(name), properties.type_of(name)) for name in fields} if properties else {}
    for key in dict.fromkeys(fold(text, ignore_case=match == "email") for text in texts):
        for value in asked.get(key, ()):
            yield Record(id_, value, values)


def _zone(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return None


class _Inputs:
    """Makes the inputs of one batch's request."""

    def __init__(self, batch: Batch, properties: Properties | None, associations: Associations) -> None:
        self._batch = batch
        self._associations = associations
        self._properties = properties
        self._make = {
            Operation.UPSERT: self._upsert,
            Operation.CREATE: self._create,
            Operation.UPDATE: self._update,
        }.get(batch.operation, self._remove)
        if batch.operation is Operation.UPSERT and len(batch.match) != 1:
            raise StopRun("HubSpot upserts by one unique property, so match must name exactly one.")

    def __call__(self, row: Row) -> dict[str, Any]:
        return self._make(row)

    def _upsert(self, row: Row) -> dict[str, Any]:
        key = key_text(row.match[0])
        if not key:
            raise Unfit("NO_MATCH_VALUE", f"{self._batch.match[0]} is empty, so no record can be meant")
        return {
            "id": key,
            "idProperty": self._batch.match[0],
            "objectWriteTraceId": row.marker,
            "properties": self._texts(row.values),
        }

    def _create(self, row: Row) -> dict[str, Any]:
        keys = {name: key_text(value) for name, value in zip(self._batch.match, row.match, strict=True)}
        made_with = list(self._associations.get(row.marker, ()))
        return {
            "objectWriteTraceId": row.marker,
            "associations": made_with,
            "properties": self._texts(row.values) | keys,
        }

    def _update(self, row: Row) -> dict[str, Any]:
        return {**self._remove(row), "objectWriteTraceId": row.marker, "properties": self._texts(row.values)}

    def _remove(self, row: Row) -> dict[str, Any]:
        if row.record_id is None:
            raise Unfit("NO_RECORD_ID", "the record id is not known")
        return {"id": row.record_id}

    def _texts(self, values: Mapping[str, Value]) -> dict[str, str]:
        return {name: "" if value is None else self._text(name, value) for name, value in values.items()}

    def _text(self, name: str, value: Value) -> str:
        assert self._properties is not None  # noqa: S101  removals carry no values
        try:
            return self._properties.encoder(name)(value)
        except Unfit as unfit:
            raise Unfit(unfit.code, f"{name}: {unfit}") from None
