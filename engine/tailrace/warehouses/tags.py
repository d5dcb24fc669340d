"""How each warehouse is told whose work a query is: in the words of its driver, or in a comment before the SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tailrace.tagging import NAME, current

_QUERY_TAG: Final = "QUERY_TAG"
_NAME_IN: Final[Mapping[str, str]] = {
    "postgresql": "application_name",
    "redshift": "application_name",
    "snowflake": _QUERY_TAG,
    "mssql": "appname",
    "clickhousedb": "log_comment",
    "trino": "source",
}
"""What a driver's `connect` calls the name of what connects, by dialect."""
_UNTOLD: Final = frozenset({"bigquery", "sqlite"})
"""BigQuery has labels, and nobody else looks at what is asked of a file."""
_MAX_NAME: Final = 63
"""Bytes that PostgreSQL keeps of an application's name."""
_MAX_LABEL: Final = 63


def connect_args(dialect: str, given: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to connect with beside `given`; None where the driver cannot say it, or the URL's query says otherwise."""
    name = _NAME_IN.get(dialect)
    if name is None or name in query:
        return None
    tag = current().tag
    if name == _QUERY_TAG:
        return {"session_parameters": {**given.get("session_parameters", {}), _QUERY_TAG: tag}}
    return {name: tag[:_MAX_NAME]}


def commented(dialect: str, sql: str) -> str:
    """The statement, after a comment where there is no other way. It stays on the same line: faults name lines."""
    return sql if dialect in _NAME_IN or dialect in _UNTOLD else f"/* {current().tag} */ {sql}"


def labels() -> dict[str, str]:
    """BigQuery's labels of a job: lower-case letters, digits, _ and -, at most 63 of them."""
    work = current()
    known = {"sync": work.sync, "run": work.run_id}
    return {NAME: "true", **{f"{NAME}_{key}": _label(value) for key, value in known.items() if value}}


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:_MAX_LABEL]
