"""Bulk API 2.0 ingest: jobs, from the order to the results.

There is no header for duplicate rules in a job, and an assignment rule runs only if the job names it. So a sync that
sets either uses no jobs, and for leads and cases a job names the active rule, as batches run it by themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote_plus

from tailrace.bulk import JobState
from tailrace.destination import Operation
from tailrace.errors import AnswerLost, BatchRejected, DestinationError, ObjectNotFound, Retriable, StopRun
from tailrace_destinations.salesforce.errors import DELETES
from tailrace_destinations.salesforce.results import KINDS, Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl

    from tailrace.bulk import Order
    from tailrace_destinations.salesforce.client import Client
    from tailrace_destinations.salesforce.csvfile import Layout

_JOBS: Final = "jobs/ingest"
_CSV: Final = "text/csv; charset=UTF-8"
_RECEIPT: Final = re.compile(r"[0-9A-Za-z]{15,18}")
_OPERATIONS: Final = {
    Operation.UPSERT: "upsert", Operation.CREATE: "insert", Operation.UPDATE: "update", Operation.DELETE: "delete",
    Operation.HARD_DELETE: "hardDelete",
}  # fmt: skip
_PHASES: Final[dict[str, Literal["open", "working", "ended"]]] = {
    "Open": "open", "UploadComplete": "working", "InProgress": "working",
    "JobComplete": "ended", "Failed": "ended", "Aborted": "ended",
}  # fmt: skip
_ENDS: Final = {"Failed": "The job failed", "Aborted": "The job was aborted"}
_RULED: Final = frozenset({"lead", "case"})
"""Objects that have assignment rules."""

_HINT: Final = "If this user or object cannot use Bulk API 2.0, set `bulk: never` in the sync."
_HINTS: Final = {
    Operation.HARD_DELETE: "Give the integration user Bulk API Hard Delete, or set `on_delete: delete` in the sync."
}


class JobRefused(StopRun):
    """Salesforce takes no such request about this job."""


class Jobs:
    """The jobs of one org."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rules: dict[str, str | None] = {}

    def open(self, order: Order, layout: Layout) -> str:
        """Begin a job; its id. Without data it changes nothing, so a lost answer costs nothing either."""
        body = {"object": layout.object, "operation": _OPERATIONS[order.operation], "contentType": "CSV"}
        body |= {"columnDelimiter": "COMMA", "lineEnding": "LF"}
        if layout.key is not None:
            body["externalIdFieldName"] = layout.key.name
        rule = self._rule(layout.object) if order.operation not in DELETES else None
        if rule is not None:
            body["assignmentRuleId"] = rule
        answer = self._change("POST", _JOBS, body, _HINTS.get(order.operation, _HINT))
        receipt = str(answer.get("id"))
        if not _RECEIPT.fullmatch(receipt):
            raise Retriable("Salesforce's answer to a new job has no id", code="NO_JSON")
        return receipt

    def upload(self, receipt: str, path: Path) -> None:
        """Send the file. AnswerLost also when the job takes no data any more: another one will."""
        try:
            self._client.send_file(f"{_path(receipt)}/batches", path, _CSV)
        except (BatchRejected, ObjectNotFound) as error:
            if self.state(receipt).phase == "open":
                raise _stopped(error) from None
            raise AnswerLost(f"The job takes no data: {error.message}", code=error.code) from None

    def start(self, receipt: str) -> None:
        """Say that the data is complete; content with a job that was told so before."""
        try:
            self._change("PATCH", _path(receipt), {"state": "UploadComplete"})
        except (JobRefused, ObjectNotFound):
            # What became of it meanwhile shows when its state is asked for.
            if self.state(receipt).phase == "open":
                raise

    def abort(self, receipt: str) -> None:
        """Give a job up; one that ended, or that nobody knows, stays as it is."""
        try:
            self._change("PATCH", _path(receipt), {"state": "Aborted"})
        except (JobRefused, ObjectNotFound):
            if self.state(receipt).phase == "open":
                raise

    def state(self, receipt: str) -> JobState:
        """How far the job is."""
        try:
            found = self._client.ask("GET", _path(receipt))
        except ObjectNotFound:
            return JobState("gone")
        phase = _PHASES.get(str(found.get("state")))
        if phase is None:
            raise Retriable(f"Salesforce calls the job's state {found.get('state')!r}", code="UNKNOWN_STATE")
        message = found.get("errorMessage")
        said = str(message) if message else _ENDS.get(str(found["state"]))
        return JobState(phase, int(found.get("numberRecordsProcessed") or 0), said)

    def collect(self, receipt: str, layout: Layout, folder: Path) -> Iterator[pl.DataFrame]:
        """All three results: on disk before the first row is given, so that it is all or nothing."""
        files = [(kind, file) for kind in KINDS for file in self._fetch(receipt, kind, folder)]
        results = Results(layout)
        for kind, file in files:
            yield from results.read(kind, file)
            file.unlink()

    def _fetch(self, receipt: str, kind: str, folder: Path) -> list[Path]:
        """One result, page by page where it has pages."""
        files: list[Path] = []
        seen: set[str] = set()
        query = ""
        while True:
            files.append(folder / f"{receipt}-{kind}-{len(files)}.csv")
            told = self._client.fetch_file(f"{_path(receipt)}/{kind}{query}", files[-1], "text/csv")
            locator = told.get("sforce-locator", "null")
            if locator in {"", "null"}:
                return files
            if locator in seen:
                raise Retriable(f"The pages of the job's {kind} go round in a circle", code="NO_END")
            seen.add(locator)
            query = f"?locator={quote_plus(locator)}"

    def _rule(self, object: str) -> str | None:
        """The id of the active assignment rule, which a job must name; None where there is none."""
        if object.lower() not in _RULED:
            return None
        if object not in self._rules:
            soql = f"SELECT Id FROM AssignmentRule WHERE SobjectType = '{object}' AND Active = TRUE"  # noqa: S608
            try:
                found = next(self._client.query(soql), None)
            except (ObjectNotFound, StopRun) as error:
                if not _is_plain(error):
                    raise
                raise StopRun(
                    f"The active assignment rule of {object} cannot be read: {error.message}",
                    code=error.code,
                    hint="Give the integration user View Setup and Configuration, or set `bulk: never` in the sync.",
                ) from None
            self._rules[object] = str(found["Id"]) if found else None
        return self._rules[object]

    def _change(self, method: str, path: str, body: Mapping[str, Any], hint: str = _HINT) -> Any:
        """A request that carries no rows: it may be repeated whatever became of it."""
        try:
            return self._client.ask(method, path, body)
        except AnswerLost as error:
            raise Retriable(error.message, code=error.code) from None
        except (BatchRejected, StopRun) as error:
            if not _is_plain(error):
                raise
            raise _stopped(error, hint) from None


def _is_plain(error: DestinationError) -> bool:
    """Whether the error is about this request, and not about the account, its quota or the session."""
    return type(error) in {BatchRejected, ObjectNotFound, StopRun}


def _path(receipt: str) -> str:
    return f"{_JOBS}/{receipt}"


def _stopped(error: DestinationError, hint: str = _HINT) -> JobRefused:
    return JobRefused(
        f"Salesforce refuses the job: {error.message}",
        code=error.code,
        hint=hint,
    )
