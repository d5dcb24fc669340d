"""Bulk API 2.0 ingest: jobs that take one CSV file and work it off in their own time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.faults import Faults, JobFault
from tailrace.sandbox.salesforce.bulkrows import CHUNK, BulkRows, Told
from tailrace.sandbox.salesforce.collections import Collections
from tailrace.sandbox.salesforce.csvform import DELIMITERS, ENDINGS, CsvError, read_csv, write_csv
from tailrace.sandbox.salesforce.errors import SalesforceError, not_found
from tailrace.sandbox.salesforce.fields import moment_text
from tailrace.sandbox.salesforce.ids import make_id, parse_id
from tailrace.sandbox.salesforce.org import USER_ID, Org, external_id_field
from tailrace.sandbox.salesforce.rows import body_of
from tailrace.sandbox.web import json_response

PREFIX = "750"
OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
ORDER = (
    "object",
    "operation",
    "externalIdFieldName",
    "assignmentRuleId",
    "contentType",
    "columnDelimiter",
    "lineEnding",
)
LONGEST_WAIT = 2.0
"""Seconds that a poll waits for a job that is due to end; a larger one answers InProgress once more."""


@dataclass(slots=True)
class Job:
    """One job, as JSON-ready data."""

    id: str
    order: dict[str, Any]
    version: str
    created: str
    state: str = "Open"
    data: str | None = None
    """The file, as it was uploaded; bytes that are not UTF-8 as lone surrogates."""
    polls: int = 0
    told: list[Told] = field(default_factory=list)
    """What became of the rows carried out so far, in the order of the file."""
    message: str | None = None
    due: str | None = None
    """The state it ends in as soon as it has been asked for often enough."""

    def info(self, base: str) -> dict[str, Any]:
        """The job as the vendor shows it."""
        failed = sum(1 for told in self.told if told.error is not None)
        shown = {name: self.order[name] for name in ORDER if self.order.get(name) is not None}
        shown |= {"id": self.id, "createdById": USER_ID, "createdDate": self.created, "systemModstamp": self.created}
        shown |= {"state": self.state, "concurrencyMode": "Parallel", "apiVersion": float(self.version.lstrip("v"))}
        shown |= {"jobType": "V2Ingest", "numberRecordsProcessed": len(self.told), "numberRecordsFailed": failed}
        shown |= {"retries": 0, "totalProcessingTime": 0, "apiActiveProcessingTime": 0, "apexProcessingTime": 0}
        if self.message and self.state in ENDED:
            shown["errorMessage"] = self.message
        return shown | ({"contentUrl": f"{base}/{self.id}/batches"} if self.state == "Open" else {})

    def read(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the file; CsvError."""
        data = (self.data or "").encode(errors="surrogateescape")
        return read_csv(data, self.order["columnDelimiter"], self.order["lineEnding"])


class Jobs:
    """The jobs of an org, and the handlers of their requests."""

    def __init__(self, org: Org, collections: Collections, faults: Faults) -> None:
        self._org = org
        self._collections = collections
        self._faults = faults
        self._jobs: dict[str, Job] = {}
        self._last_number = 0
        self._work: dict[str, asyncio.Task[None]] = {}
        self.polls = org.options.job_polls

    def reset(self) -> None:
        """Forget all jobs."""
        for task in self._work.values():
            task.cancel()
        self._work.clear()
        self._jobs.clear()
        self.polls = self._org.options.job_polls

    def dump(self) -> dict[str, Any]:
        """All jobs as JSON-ready data."""
        return {"last_number": self._last_number, "jobs": [asdict(job) for job in self._jobs.values()]}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self._last_number = int(data["last_number"])
        jobs = [Job(**saved | {"told": [Told(**told) for told in saved["told"]]}) for saved in data["jobs"]]
        self._jobs = {job.id: job for job in jobs}

    async def create(self, request: Request) -> Response:
        """POST jobs/ingest."""
        order = self._order(await body_of(request))
        self._last_number += 1
        job_id = make_id(PREFIX, self._last_number)
        now = moment_text(datetime.now(UTC))
        job = self._jobs[job_id] = Job(job_id, order, request.path_params["version"], now)
        return json_response(job.info(_base(request)))

    def _order(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise SalesforceError(400, "JSON_PARSER_ERROR", "The body must be a JSON object.")
        unknown = sorted(set(body) - set(ORDER))
        if unknown:
            raise SalesforceError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')
        order = {"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"} | body
        known = {"operation": OPERATIONS, "contentType": {"CSV"}, "columnDelimiter": DELIMITERS, "lineEnding": ENDINGS}
        for name, allowed in known.items():
            if not isinstance(order.get(name), str) or order[name] not in allowed:
                raise SalesforceError(
                    400, "INVALIDJOB", f"InvalidJob : {name} is not one of {', '.join(sorted(allowed))}"
                )
        self._check_object(order)
        return order

    def _check_object(self, order: Mapping[str, Any]) -> None:
        try:
            table = self._org.table(str(order.get("object")))
        except SalesforceError:
            message = f"InvalidEntity : Unable to find object: {order.get('object')}"
            raise SalesforceError(400, "INVALIDENTITY", message) from None
        if not table.object.createable:
            raise SalesforceError(
                400, "INVALIDENTITY", f"InvalidEntity : Entity '{table.object.name}' is not supported"
            )
        if order["operation"] == "upsert":
            key = order.get("externalIdFieldName")
            if not key:
                raise SalesforceError(
                    400, "INVALIDJOB", "InvalidJob : An external ID field name is required for upsert"
                )
            try:
                external_id_field(table, str(key))
            except SalesforceError:
                message = f"InvalidJob : Invalid external ID field name: {key}"
                raise SalesforceError(400, "INVALIDJOB", message) from None
        if order["operation"] == "hardDelete" and not self._org.options.hard_delete:
            message = "FeatureNotEnabled : hardDelete needs the permission Bulk API Hard Delete"
            raise SalesforceError(400, "FEATURENOTENABLED", message)
        rule = order.get("assignmentRuleId")
        if rule is not None and parse_id(rule) not in self._org.tables["AssignmentRule"].records:
            raise SalesforceError(400, "INVALIDJOB", f"InvalidJob : Invalid assignment rule: {rule}")

    async def every(self, request: Request) -> Response:
        """GET jobs/ingest."""
        records = [job.info(_base(request)) for job in self._jobs.values()]
        return json_response({"done": True, "records": records, "nextRecordsUrl": None})

    async def upload(self, request: Request) -> Response:
        """PUT the one file of a job."""
        job = self._job(request)
        data = await request.body()
        if job.state != "Open" or job.data is not None:
            message = f"InvalidJobState : Job state {job.state} takes no data, or has its data already"
            raise SalesforceError(400, "INVALIDJOBSTATE", message)
        if not request.headers.get("content-type", "").startswith("text/csv"):
            raise SalesforceError(400, "INVALIDJOB", "InvalidJob : Content-Type must be text/csv")
        if len(data) > self._org.options.largest_upload:
            raise SalesforceError(
                400, "CLIENTINPUTERROR", "ClientInputError : Request size exceeded the limit of 150 MB"
            )
        job.data = data.decode(errors="surrogateescape")
        return Response(status_code=201)

    async def change(self, request: Request) -> Response:
        """PATCH a job's state: UploadComplete or Aborted."""
        job = self._job(request)
        body = await body_of(request)
        wanted = str(body.get("state") if isinstance(body, dict) else None)
        if wanted not in {"UploadComplete", "Aborted"}:
            raise SalesforceError(400, "INVALIDJOB", "InvalidJob : state must be UploadComplete or Aborted")
        if job.state in ENDED or (wanted == "UploadComplete" and job.state != "Open"):
            message = f"InvalidJobState : Changing a job from {job.state} to {wanted} is not allowed"
            raise SalesforceError(400, "INVALIDJOBSTATE", message)
        if wanted == "UploadComplete" and job.data is None:
            raise SalesforceError(400, "INVALIDJOBSTATE", "InvalidJobState : No data was uploaded")
        job.state = wanted
        if wanted == "UploadComplete":
            self._start(job)
        return json_response(job.info(_base(request)))

    async def show(self, request: Request) -> Response:
        """GET a job: each poll counts, and after as many as the options say, it ends."""
        job = self._job(request)
        if job.state in {"UploadComplete", "InProgress"}:
            job.polls += 1
            job.state = "InProgress"
            if job.polls > self.polls and job.due is None:
                await asyncio.wait({self._start(job)}, timeout=LONGEST_WAIT)
            # It may have been aborted meanwhile.
            if job.polls > self.polls and job.due is not None and job.state == "InProgress":
                job.state = job.due
        return json_response(job.info(_base(request)))

    async def delete(self, request: Request) -> Response:
        """DELETE a job that does not work."""
        job = self._job(request)
        if job.state in {"Open", "InProgress"}:
            raise SalesforceError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job state {job.state} cannot be deleted")
        task = self._work.pop(job.id, None)
        if task is not None:
            task.cancel()
        del self._jobs[job.id]
        return Response(status_code=204)

    async def results(self, request: Request) -> Response:
        """GET successfulResults, failedResults or unprocessedrecords of a job that ended."""
        job = self._job(request)
        kind = request.path_params["kind"].lower()
        if kind not in {"successfulresults", "failedresults", "unprocessedrecords"}:
            raise not_found()
        if job.state not in ENDED:
            raise SalesforceError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job state {job.state} has no results yet")
        header, rows = self._told(job, kind)
        locator = request.query_params.get("locator", "0")
        if not locator.isdecimal():
            raise SalesforceError(400, "INVALIDQUERYLOCATOR", f"invalid locator: {locator}")
        first = int(locator)
        most = self._org.options.result_rows or max(1, len(rows))
        told = {"Sforce-NumberOfRecords": str(len(rows[first : first + most]))}
        if self._org.options.result_rows:
            told["Sforce-Locator"] = str(first + most) if first + most < len(rows) else "null"
        body = write_csv(header, rows[first : first + most], job.order["columnDelimiter"], job.order["lineEnding"])
        return Response(body, headers={"Content-Type": "text/csv"} | told)

    def _told(self, job: Job, kind: str) -> tuple[list[str], list[list[str]]]:
        """Header and rows of one result, in an order of its own."""
        try:
            header, rows = job.read()
        except CsvError:
            return [], []
        shown = self._matching(job, header)
        places = [place for place, name in enumerate(shown) if name is not None]
        names = [name for name in shown if name is not None]

        def cells(row: list[str]) -> list[str]:
            whole = len(row) == len(header) == len(places)
            return row if whole else [row[n] if n < len(row) else "" for n in places]

        pairs = zip(job.told, rows, strict=False)
        if kind == "successfulresults":
            found = [[t.id, str(t.created).lower(), *cells(row)] for t, row in pairs if t.error is None]
            names = ["sf__Id", "sf__Created", *names]
        elif kind == "failedresults":
            found = [[t.id, t.error, *cells(row)] for t, row in pairs if t.error is not None]
            names = ["sf__Id", "sf__Error", *names]
        else:
            found = [cells(row) for row in rows[len(job.told) :]]
        random.Random(job.id).shuffle(found)  # noqa: S311 - the same each time, and not the order of the file
        return names, found

    def _matching(self, job: Job, header: list[str]) -> list[str | None]:
        """The header's names as results write them; None for those that match no field."""
        shown: list[str | None] = []
        for name in header:
            try:
                shown.append(BulkRows.column(self._org, job.order["object"], name))
            except CsvError:
                shown.append(None)
        return shown

    def _start(self, job: Job) -> asyncio.Task[None]:
        """The job's work, begun if it is not: also after the sandbox was started anew."""
        task = self._work.get(job.id)
        if task is None:
            task = self._work[job.id] = asyncio.get_running_loop().create_task(self._run(job))
            task.add_done_callback(lambda _done: self._work.pop(job.id, None))
        return task

    async def _run(self, job: Job) -> None:
        fault = self._faults.for_job(str(job.order["object"])) or JobFault(job.order["object"], rows=-1)
        try:
            header, rows = job.read()
            writer = BulkRows(self._org, self._collections, job.order, header)
        except CsvError as error:
            job.due, job.message = "Failed", str(error)
            return
        until = len(rows) if fault.rows < 0 else min(fault.rows, len(rows))
        while len(job.told) < until:
            start = len(job.told)
            job.told += writer.carry_out(rows[start : min(start + CHUNK, until)])
            await asyncio.sleep(0)
            if job.state == "Aborted":
                return
        job.due = "JobComplete" if fault.rows < 0 else "Failed"
        job.message = None if fault.rows < 0 else fault.message

    def _job(self, request: Request) -> Job:
        job = self._jobs.get(parse_id(request.path_params["id"]) or "")
        if job is None:
            raise not_found()
        return job

    def routes(self, prefix: str) -> list[Route]:
        """Routes under /services/data/vNN.0."""
        jobs = f"{prefix}/jobs/ingest"
        routes = [
            ("POST", jobs, self.create),
            ("POST", f"{jobs}/", self.create),
            ("GET", jobs, self.every),
            ("GET", f"{jobs}/", self.every),
            ("GET", f"{jobs}/{{id}}", self.show),
            ("PATCH", f"{jobs}/{{id}}", self.change),
            ("DELETE", f"{jobs}/{{id}}", self.delete),
            ("PUT", f"{jobs}/{{id}}/batches", self.upload),
            ("GET", f"{jobs}/{{id}}/{{kind}}", self.results),
        ]
        return [Route(path, handler, methods=[method]) for method, path, handler in routes]


def _base(request: Request) -> str:
    return f"services/data/{request.path_params['version']}/jobs/ingest"
