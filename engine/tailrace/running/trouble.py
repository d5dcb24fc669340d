"""Rows in trouble: rejected ones to look at, retry or dismiss, and keys as people type them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.canonical import parse, python_values
from tailrace.errors import SnapshotError, UsageError, WarehouseError
from tailrace.jsonform import to_json
from tailrace.running.planner import known_identity

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.state import RowIssue
    from tailrace.state.records import IssueKind
    from tailrace.values import LogicalType


def issues_of(session: Session, sync: Sync, kind: IssueKind | None = None) -> tuple[RowIssue, ...]:
    """Rows in trouble of the sync as it is defined now, dismissed ones included."""
    return session.state.issues(sync.name, known_identity(session, sync).digest, kind=kind)


def rejected(session: Session, sync: Sync) -> tuple[RowIssue, ...]:
    """Rows the destination refused and nobody has dismissed."""
    return tuple(issue for issue in issues_of(session, sync, "rejected") if issue.state != "dismissed")


def dismissed(session: Session, sync: Sync) -> tuple[RowIssue, ...]:
    """Rows that were set aside until they change."""
    return tuple(issue for issue in issues_of(session, sync, "rejected") if issue.state == "dismissed")


def retry(session: Session, sync: Sync, key: Mapping[str, str] | None) -> int:
    """Make rejected rows, dismissed ones too, due for the next run; gives how many."""
    return sum(session.state.retry(sync.name, issue.key_text) for issue in _chosen(session, sync, key))


def dismiss(session: Session, sync: Sync, key: Mapping[str, str] | None) -> int:
    """Set rejected rows aside until they change; gives how many."""
    return sum(session.state.dismiss(sync.name, issue.key_text) for issue in _chosen(session, sync, key))


def _chosen(session: Session, sync: Sync, key: Mapping[str, str] | None) -> tuple[RowIssue, ...]:
    issues = issues_of(session, sync, "rejected")
    if key is None:
        return issues
    wanted = typed(session, sync, key)
    found = tuple(issue for issue in issues if issue.key == wanted)
    if not found:
        raise UsageError(
            f"{sync.name} has no rejected row with that key", hint=f"tailrace rejected {sync.name} lists them"
        )
    return found


def typed(session: Session, sync: Sync, key: Mapping[str, str]) -> dict[str, Any]:
    """A key as typed, in the form rows are filed under: `2` finds the decimal 2.00, `true` the boolean."""
    types = _key_types(session, sync)
    return {name: _typed(text, types.get(f"k:{name}")) for name, text in key.items()}


def _key_types(session: Session, sync: Sync) -> Mapping[str, LogicalType]:
    """The key's types, from the latest run that had changes, else from the snapshot."""
    runs = session.files.runs(sync.name)
    if runs:
        return session.files.load_types(sync.name, runs[-1])
    try:
        return session.snapshot(sync, known_identity(session, sync)).types
    except (SnapshotError, WarehouseError):
        return {}


def _typed(text: str, logical: LogicalType | None) -> Any:
    if logical is None:
        return text
    values = python_values(parse(pl.Series([text]), logical), logical)
    return text if values[0] is None else to_json(values[0])
