"""Associations that a record is created with."""

from __future__ import annotations

from typing import Any

from tailrace.sandbox.hubspot.errors import HubSpotError, invalid
from tailrace.sandbox.hubspot.linktypes import Kind
from tailrace.sandbox.hubspot.portal import Portal

Wanted = tuple[str, str, list[tuple[Kind, Kind]]]
"""The other record's object and id, and the kinds with their reverses."""


def inline_links(portal: Portal, here: str, associations: Any) -> list[Wanted]:
    """What a record to be created asks to be associated with: object, id and kinds; HubSpotError when it cannot be.

    The kinds tell what the other object is, as in the real API, where their ids are unique.
    """
    found = []
    for wanted in associations or ():
        try:
            end, specs = str(wanted["to"]["id"]), list(wanted["types"])
        except (KeyError, TypeError) as error:
            raise invalid(f"Invalid input JSON: association {wanted} is not understood.") from error
        there = next((name for name in portal.stores if _all_named(portal, here, name, specs)), None)
        if there is None or not specs:
            raise invalid(f"One or more associations are not valid: {specs}")
        if portal.store(there).get(end) is None:
            raise HubSpotError(404, "OBJECT_NOT_FOUND", f"{there} {end} does not exist")
        found.append((there, end, [portal.links.types.named(here, there, spec) for spec in specs]))
    return found


def _all_named(portal: Portal, here: str, there: str, specs: list[Any]) -> bool:
    try:
        return bool([portal.links.types.named(here, there, spec) for spec in specs])
    except HubSpotError:
        return False
