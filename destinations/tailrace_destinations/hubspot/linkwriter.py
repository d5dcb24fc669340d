"""The requests that make and take away associations, and what their answers mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.errors import Retriable, StopRun
from tailrace.redact import redact
from tailrace_destinations.hubspot.errors import NOT_FOUND, Refused, error_code, next_page, parts
from tailrace_destinations.hubspot.linkkinds import Between, Kind, read_kind, spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tailrace.destination import Lookup
    from tailrace_destinations.hubspot.client import Client

Pair: TypeAlias = tuple[str, str]
"""The ids of a record and of its parent."""
Fault: TypeAlias = tuple[str, str]
"""Code and message."""
MOST_ARCHIVED: Final = 100
REFUSED: Final = "ASSOCIATION_REFUSED"
_WRONG_KIND: Final = re.compile(r"association ?(?:type|spec|categor|label)", re.IGNORECASE)


class LinkWriter:
    """Associations of one account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, here: str, lookup: Lookup, kinds: Between, pairs: Sequence[Pair]) -> dict[Pair, Fault]:
        """Associate pairs, at most 1,000, in the kind that the reference asks for; gives those that were refused."""
        if not pairs:
            return {}
        wanted = _known(kinds.meant(lookup))
        named = [{"from": {"id": start}, "to": {"id": end}} for start, end in dict.fromkeys(pairs)]
        if lookup.label is None and not lookup.primary:
            body = self._post(here, lookup.object, "associate/default", named)
        else:
            body = self._post(here, lookup.object, "create", [{**each, "types": [spec(wanted)]} for each in named])
        errors = parts(body, "errors")
        told = {pair for result in parts(body, "results") for pair in _told(result)}
        rest = [pair for pair in dict.fromkeys(pairs) if errors or pair not in told]
        # An answer that lists errors, or leaves a pair out, is not relied on: what is there can be read.
        held = self._held(here, lookup.object, [start for start, _ in rest]) if rest else {}
        missing = [pair for pair in rest if wanted not in held.get(pair, ())]
        return {pair: _fault_of(pair, errors) for pair in missing}

    def remove(self, here: str, lookup: Lookup, kinds: Between, pairs: Iterable[Pair], *, primary_kept: bool) -> None:
        """Take away associations that a reference made, at most 1,000; one that is gone is fine.

        Labels that it did not make stay, and so does the association that they are of. `primary_kept` tells that
        another reference keeps the primary company, so that it stays too.
        """
        wanted, gone = _known(kinds.meant(lookup)), list(dict.fromkeys(pairs))
        held = self._held(here, lookup.object, [start for start, _ in gone]) if gone else {}
        own, labelled = {wanted, *kinds.unlabelled}, lookup.label is not None
        if not primary_kept and not labelled and kinds.primary is not None:
            own.add(kinds.primary)  # the first company becomes the primary one by itself
        whole: list[Pair] = []
        in_part: list[Pair] = []
        for pair in gone:
            present = held.get(pair, set())
            if not present or (labelled and wanted not in present):
                continue
            if not present - own:
                whole.append(pair)
            elif wanted in present and wanted not in kinds.unlabelled:
                in_part.append(pair)
        self._archive(here, lookup.object, whole)
        self._archive_kind(here, lookup.object, in_part, wanted)

    def _archive(self, here: str, there: str, pairs: Sequence[Pair]) -> None:
        for some in _chunks(pairs):
            inputs = [{"from": {"id": start}, "to": [{"id": end}]} for start, end in some]
            _no_errors(self._post(here, there, "archive", inputs))

    def _archive_kind(self, here: str, there: str, pairs: Sequence[Pair], kind: Kind) -> None:
        for some in _chunks(pairs):
            named = [{"from": {"id": start}, "to": {"id": end}, "types": [spec(kind)]} for start, end in some]
            _no_errors(self._post(here, there, "labels/archive", named))

    def _held(self, here: str, there: str, starts: Iterable[str]) -> dict[Pair, set[Kind]]:
        """The kinds of all associations that records have with an object."""
        inputs = [{"id": start} for start in dict.fromkeys(starts)]
        held: dict[Pair, set[Kind]] = {}
        while inputs:
            body = self._post(here, there, "read", inputs, write=False)
            _no_errors(body)
            inputs = []
            for result in parts(body, "results"):
                start = str((result.get("from") or {}).get("id"))
                for target in parts(result, "to"):
                    kinds = {read_kind(kind) for kind in parts(target, "associationTypes")}
                    held.setdefault((start, str(target.get("toObjectId"))), set()).update(kinds)
                after = next_page(result)
                if after is not None:
                    inputs.append({"id": start, "after": after})
        return held

    def _post(
        self, here: str, there: str, call: str, inputs: Sequence[Mapping[str, Any]], *, write: bool = True
    ) -> Mapping[str, Any]:
        path = self._client.paths.associations(here, there, f"batch/{call}")
        try:
            return self._client.request("POST", path, {"inputs": list(inputs)}, write=write).body
        except Refused as error:
            if _WRONG_KIND.search(error.message):
                raise StopRun(
                    error.message, code=error.code, hint="The mapping does not fit the account: see `tailrace check`."
                ) from None
            raise


def _known(kind: Kind | None) -> Kind:
    if kind is None:
        raise StopRun(
            "HubSpot has no such association any more", hint="Run `tailrace check`, which says what there is."
        )
    return kind


def _told(result: Mapping[str, Any]) -> list[Pair]:
    """The pair that a result is about, in either of HubSpot's two forms."""
    start = result.get("fromObjectId") or (result.get("from") or {}).get("id")
    end = result.get("toObjectId") or (result.get("to") or {}).get("id")
    return [(str(start), str(end))] if start and end else []


def _fault_of(pair: Pair, errors: Collection[Mapping[str, Any]]) -> Fault:
    """Which of the errors is about a pair: one that names an id of it, else the only one there is."""
    naming = [error for error in errors if set(pair) & set(_ids(error))]
    told = naming or (list(errors) if len(errors) == 1 else [])
    if not told:
        return REFUSED, "HubSpot's answer does not say why"
    return error_code(told[0]) or REFUSED, redact(str(told[0].get("message") or "HubSpot gave no reason"))


def _ids(error: Mapping[str, Any]) -> list[str]:
    context = error.get("context")
    named = [item for value in context.values() for item in (value if isinstance(value, list) else [value])] if (
        isinstance(context, dict)
    ) else []  # fmt: skip
    return [*map(str, named), *re.findall(r"\d+", str(error.get("message") or ""))]


def _no_errors(body: Mapping[str, Any]) -> None:
    """Retriable when an answer tells of an error, but for records that have no associations."""
    for error in parts(body, "errors"):
        if error_code(error) != NOT_FOUND:
            raise Retriable(f"HubSpot could not do it for some records: {error.get('message')}", code=error_code(error))


def _chunks(pairs: Sequence[Pair]) -> Iterable[Sequence[Pair]]:
    return (pairs[start : start + MOST_ARCHIVED] for start in range(0, len(pairs), MOST_ARCHIVED))
