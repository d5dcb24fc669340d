"""Search over records: filter groups, words, order and pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tailrace.sandbox.hubspot.batch import shown_names
from tailrace.sandbox.hubspot.errors import invalid
from tailrace.sandbox.hubspot.objects import ObjectType
from tailrace.sandbox.hubspot.records import Record, Store

MOST_PER_PAGE = 200
MOST_RESULTS = 10_000

Test = Callable[[Any, Mapping[str, Any]], bool]

TESTS: dict[str, Test] = {
    "EQ": lambda value, by: value == by["value"],
    "NEQ": lambda value, by: value != by["value"],
    "LT": lambda value, by: value is not None and value < by["value"],
    "LTE": lambda value, by: value is not None and value <= by["value"],
    "GT": lambda value, by: value is not None and value > by["value"],
    "GTE": lambda value, by: value is not None and value >= by["value"],
    "BETWEEN": lambda value, by: value is not None and by["value"] <= value <= by["highValue"],
    "IN": lambda value, by: value in by["values"],
    "NOT_IN": lambda value, by: value not in by["values"],
    "HAS_PROPERTY": lambda value, _by: value is not None,
    "NOT_HAS_PROPERTY": lambda value, _by: value is None,
    "CONTAINS_TOKEN": lambda value, by: value is not None and str(by["value"]).strip("*") in str(value),
    "NOT_CONTAINS_TOKEN": lambda value, by: value is None or str(by["value"]).strip("*") not in str(value),
}


def search(store: Store, body: Any, *, lag: float) -> dict[str, Any]:
    """The answer to a search; records written less than `lag` seconds ago are not yet found."""
    if not isinstance(body, dict):
        raise invalid("Invalid input JSON: a search is an object")
    limit, after = _whole(body, "limit", 10), _whole(body, "after", 0)
    if limit > MOST_PER_PAGE:
        raise invalid(f"Invalid limit: at most {MOST_PER_PAGE} results a page.")
    if after + limit > MOST_RESULTS:
        raise invalid(f"Only the first {MOST_RESULTS} results of a search can be read.")
    visible = (record for record in store.live() if lag <= 0 or time.monotonic() - record.touched >= lag)
    found = _ordered(store, [record for record in visible if _meets(store, record, body)], body)
    names = shown_names(store, body.get("properties"))
    answer: dict[str, Any] = {
        "total": len(found),
        "results": [record.show(names) for record in found[after : after + limit]],
    }
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return answer


def _meets(store: Store, record: Record, body: Mapping[str, Any]) -> bool:
    words = str(body.get("query") or "").lower()
    if words and not any(words in value.lower() for value in record.properties.values()):
        return False
    groups = body.get("filterGroups") or []
    return not groups or any(
        all(_passes(store.type, record, test) for test in group.get("filters") or ()) for group in groups
    )


def _passes(made: ObjectType, record: Record, test: Mapping[str, Any]) -> bool:
    prop = made.properties.get(test.get("propertyName", ""))
    check = TESTS.get(test.get("operator", ""))
    if prop is None or check is None:
        raise invalid(f"There was a problem with the request: filter {dict(test)} is not understood.")
    numeric = prop.type == "number"
    try:
        by = {
            name: [_comparable(item, numeric=numeric) for item in value]
            if isinstance(value, list)
            else _comparable(value, numeric=numeric)
            for name, value in test.items()
            if name in {"value", "values", "highValue"}
        }
        return check(_comparable(record.properties.get(prop.name), numeric=numeric), by)
    except (KeyError, ValueError) as error:
        raise invalid(f"There was a problem with the request: filter {dict(test)} is not understood.") from error


def _comparable(value: Any, *, numeric: bool) -> Any:
    if value is None:
        return None
    return float(value) if numeric else str(value).lower()


def _ordered(store: Store, found: list[Record], body: Mapping[str, Any]) -> list[Record]:
    for order in reversed(body.get("sorts") or []):
        name = order["propertyName"] if isinstance(order, dict) else order
        prop = store.type.properties.get(name)
        down = isinstance(order, dict) and order.get("direction") == "DESCENDING"
        numeric = prop is not None and prop.type == "number"

        def rank(record: Record, name: str = name, numeric: bool = numeric) -> tuple[bool, Any]:  # noqa: FBT001
            value = record.properties.get(name)
            return value is None, _comparable(value or "0", numeric=numeric)

        found.sort(key=rank, reverse=down)
    return found


def _whole(body: Mapping[str, Any], name: str, default: int) -> int:
    try:
        return int(body.get(name) or default)
    except (TypeError, ValueError) as error:
        raise invalid(f"{name} must be a whole number.") from error
