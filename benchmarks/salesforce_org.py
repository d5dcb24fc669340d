"""A Salesforce org that takes bulk jobs and keeps nothing but their files: what it answers is made of them.

Unlike the sandbox it has no rules and no records, so that millions of rows cost it neither memory nor time.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

ORG_ID = "00D5g000004WaTrEAK"
_PIECE = 1 << 20
_JOB = re.compile(r"/jobs/ingest/(?P<id>\w+)(?:/(?P<what>\w+))?$")


class Taker(BaseHTTPRequestHandler):
    """Answers what a sync by jobs asks; every row is created."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Org

    def do_GET(self) -> None:
        """Limits, the org's name, describe, a job's state, its results."""
        found = _JOB.search(self.path)
        if "/limits" in self.path:
            self._say({"DailyApiRequests": {"Max": 1_000_000, "Remaining": 900_000}})
        elif "/query" in self.path:
            self._say({"totalSize": 1, "done": True, "records": [{"Id": ORG_ID, "Name": "Taker"}]})
        elif self.path.endswith("/describe"):
            self._say(self.server.described)
        elif found is not None and found["what"] is None:
            self._say({"id": found["id"], "state": "JobComplete", "numberRecordsProcessed": 0})
        elif found is not None:
            self._results(found["id"], str(found["what"]))

    def do_POST(self) -> None:
        """Sign in, or open a job."""
        self._body()
        if "/oauth2/token" in self.path:
            here = f"http://127.0.0.1:{self.server.server_port}"
            self._say({"access_token": f"{ORG_ID[:15]}!taker", "instance_url": here, "token_type": "Bearer"})
        else:
            self._say({"id": f"750{next(self.server.numbers):012d}AAA", "state": "Open"})

    def do_PATCH(self) -> None:
        """Start a job."""
        self._body()
        self._say({"state": "UploadComplete"})

    def do_PUT(self) -> None:
        """Keep a job's file, piece by piece."""
        found = _JOB.search(self.path)
        left = int(self.headers["Content-Length"])
        with self.server.file(str(found and found["id"])).open("wb") as file:
            while left > 0:
                piece = self.rfile.read(min(_PIECE, left))
                file.write(piece)
                left -= len(piece)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _results(self, job: str, what: str) -> None:
        """Rows as they came, each with a record id, in a file that is sent and removed."""
        source, made = self.server.file(job), self.server.file(f"{job}-{what}")
        with source.open(encoding="utf-8") as rows, made.open("w", encoding="utf-8") as file:
            header = next(rows)
            told = {"successfulResults": "sf__Id,sf__Created,", "failedResults": "sf__Id,sf__Error,"}
            file.write(told.get(what, "") + header)
            if what == "successfulResults":
                for row in rows:  # no cell of the rows that are sent has a line break
                    file.write(f"003{next(self.server.numbers):012d}AAA,true,{row}")
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(made.stat().st_size))
        self.end_headers()
        with made.open("rb") as data:
            shutil.copyfileobj(data, self.wfile, _PIECE)
        made.unlink()
        if what == "unprocessedrecords":
            source.unlink()

    def _body(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _say(self, data: Mapping[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Org(ThreadingHTTPServer):
    """The server; `described` is what it says of its object."""

    def __init__(self, folder: Path, described: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.folder, self.described = folder, described
        self.numbers = count(1)

    def file(self, name: str) -> Path:
        """Where something of a job is kept."""
        return self.folder / f"{name}.csv"


@contextmanager
def salesforce_org(folder: Path, fields: Mapping[str, str], key: str) -> Iterator[str]:
    """Run an org with one object of these fields (describe's types by name) on this machine; gives its address."""
    key_field = {"name": key, "type": "string", "length": 80, "unique": True, "externalId": True, "idLookup": True}
    described = [{"name": "Id", "type": "id"}, key_field]
    described += [{"name": name, "type": kind, "length": 255} for name, kind in fields.items()]
    able = {"createable": True, "updateable": True, "nillable": True}
    server = Org(folder, {"name": "Contact", "fields": [{**able, **field} for field in described]})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
