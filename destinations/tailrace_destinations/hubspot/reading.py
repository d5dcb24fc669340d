"""Records read back: by one unique property, and never by search, whose index lags behind what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Record
from tailrace.errors import Retriable, StopRun
from tailrace_destinations.hubspot.encode import decode
from tailrace_destinations.hubspot.errors import NOT_FOUND, Refused, error_code, parts
from tailrace_destinations.hubspot.schema import RECORD_ID
from tailrace_destinations.plain import Unfit, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tailrace.values import Value
    from tailrace_destinations.hubspot.client import Client
    from tailrace_destinations.hubspot.schema import Properties

_READ_SIZE: Final = 100
_MORE_EMAILS: Final = "hs_additional_emails"


class Reader:
    """Reads records of one account. `known` describes objects."""

    def __init__(self, client: Client, known: Callable[[str], Properties]) -> None:
        self._client = client
        self._known = known

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
            if (key := key_of(value[0], match[0])) is not None:
                asked.setdefault(key, []).append(value)
        keys = list(asked)
        properties = self._known(object) if fields else None
        for start in range(0, len(keys), _READ_SIZE):
            for result in self.read(object, match[0], keys[start : start + _READ_SIZE], fields):
                yield from _records(result, match[0], fields, asked, properties)

    def read(self, object: str, match: str, keys: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """At most 100 records as HubSpot shows them; those that do not exist are absent."""
        wanted = {match, *fields} | ({_MORE_EMAILS} if match == "email" else set())
        body: dict[str, Any] = {"properties": sorted(wanted), "inputs": [{"id": key} for key in keys]}
        if match != RECORD_ID:
            body["idProperty"] = match
        try:
            reply = self._client.request("POST", self._client.paths.objects(object, "batch/read"), body, write=False)
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

    def keys(self, object: str, match: str, ids: Iterable[str]) -> dict[str, frozenset[str]]:
        """By record id the match values, as HubSpot compares them, that mean the record; at most 100 ids."""
        fields = [match, _MORE_EMAILS] if match == "email" else [match]
        found = self.read(object, RECORD_ID, list(dict.fromkeys(ids)), fields)
        return {str(result.get("id")): frozenset(_keys(result, match)) for result in found}


def key_of(value: Value, match: str) -> str | None:
    """A match value as HubSpot compares it; None for one that can name no record."""
    try:
        return fold(value, ignore_case=match == "email") or None
    except Unfit:
        return None


def _keys(result: Mapping[str, Any], match: str) -> list[str]:
    """The match values, as HubSpot compares them, that mean a record."""
    held = result.get("properties") or {}
    texts = [str(result.get("id"))] if match == RECORD_ID else [held.get(match) or ""]
    texts += str(held.get(_MORE_EMAILS) or "").split(";") if match == "email" else []
    return [key for key in dict.fromkeys(fold(text, ignore_case=match == "email") for text in texts) if key]


def _records(
    result: Mapping[str, Any],
    match: str,
    fields: Sequence[str],
    asked: Mapping[str, Sequence[tuple[Value, ...]]],
    properties: Properties | None,
) -> Iterator[Record]:
    """A record for each asked value that means it; a contact answers to its further addresses too."""
    held, id_ = result.get("properties") or {}, str(result.get("id"))
    values = {name: decode(held.get(name), properties.type_of(name)) for name in fields} if properties else {}
    for key in _keys(result, match):
        for value in asked.get(key, ()):
            yield Record(id_, value, values)
