"""As much of BigQuery's REST API as its client needs to read a query, over DuckDB: jobs, pages of rows, sign-in."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import sqlglot
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BILLED = 10_485_760
_SCALARS = {
    "BIGINT": "INTEGER",
    "INTEGER": "INTEGER",
    "DOUBLE": "FLOAT",
    "VARCHAR": "STRING",
    "BOOLEAN": "BOOLEAN",
    "BLOB": "BYTES",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "JSON": "JSON",
}
MOST_DECIMALS = 9
"""Of NUMERIC; what has more of them is BIGNUMERIC."""


@dataclass
class BigQuery:
    """A project: its jobs, and what was asked of it."""

    page: int = 2
    """Rows of a page, whatever the client asks for."""
    billed: int = BILLED
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Method, path and body of each request."""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, list[Any]] = field(default_factory=dict)
    running: threading.Event = field(default_factory=threading.Event)
    """Set when a result is waited for."""
    endless: bool = False
    """Whether queries run until they are cancelled."""
    host: str = ""
    key: Any = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def credentials(self) -> str:
        """The JSON of a service account that signs in here."""
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "acme",
                "private_key": self.key.private_bytes(*form).decode(),
                "client_email": "reader@acme.example",
                "token_uri": f"{self.host}/token",
            }
        )

    def configurations(self) -> list[dict[str, Any]]:
        """What each job was started with."""
        return [body["configuration"] for _, path, body in self.asked if path.endswith("/jobs")]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of a reply."""
        self.asked.append((method, path, body))
        if path == "/token":
            return 200, {"access_token": "token-of-the-service-account", "expires_in": 3600, "token_type": "Bearer"}
        if method == "POST" and path.endswith("/jobs"):
            return self._started(body)
        if method == "POST" and path.endswith("/cancel"):
            self.endless = False
            return 200, {"job": self.jobs[path.split("/")[-2]]}
        name = path.rsplit("/", maxsplit=1)[-1]
        if "/queries/" in path:
            self.running.set()
            about = {"jobComplete": not self.endless, "jobReference": self.jobs[name]["jobReference"]}
            return 200, {**about, **self.jobs[name]["statistics"]["query"], **self._page(name, query)}
        if path.endswith("/data"):
            return 200, self._page(path.split("/")[-2], query)
        self.jobs[name]["status"] = {"state": "RUNNING" if self.endless else "DONE"}
        return 200, self.jobs[name]

    def _started(self, body: dict[str, Any]) -> tuple[int, Any]:
        asked = body["configuration"]
        name = body.get("jobReference", {}).get("jobId", f"job{len(self.jobs)}")
        dry = asked.get("dryRun", False)
        sql = sqlglot.transpile(asked["query"]["query"], read="bigquery", write="duckdb")[0]
        try:
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                relation = connection.sql(f"SELECT * FROM ({sql}) LIMIT 0" if dry else sql)
                schema = [_field(*each) for each in zip(relation.columns, relation.types, strict=True)]
                lists = [str(kind).endswith("[]") for kind in relation.types]
                self.results[name] = [_row(_stored(row, lists)) for row in relation.fetchall()]
        except duckdb.Error as error:
            told = {"message": str(error), "reason": "invalidQuery"}
            return 400, {"error": {"code": 400, "message": str(error), "errors": [told]}}
        billed = "0" if dry else str(self.billed)
        told = {"schema": {"fields": schema}, "totalBytesBilled": billed, "statementType": "SELECT"}
        table = {"projectId": "acme", "datasetId": "_results", "tableId": name}
        asked["query"]["destinationTable"] = table
        self.jobs[name] = {
            "jobReference": {"projectId": "acme", "jobId": name, "location": "EU"},
            "configuration": asked,
            "status": {"state": "RUNNING" if self.endless else "DONE"},
            "statistics": {"query": told, "totalBytesProcessed": billed},
        }
        return 200, self.jobs[name]

    def _page(self, name: str, query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("pageToken", ["0"])[0])
        rows = self.results[name]
        end = start + min(self.page, int(query.get("maxResults", ["9999"])[0]))
        following = {"pageToken": str(end)} if end < len(rows) else {}
        return {"totalRows": str(len(rows)), "rows": rows[start:end], **following}


def _field(name: str, kind: Any) -> dict[str, Any]:
    text = str(kind)
    if text.endswith("[]"):
        return {**_field(name, kind.child), "mode": "REPEATED"}
    if text.startswith("STRUCT"):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [_field(*each) for each in kind.children]}
    decimal = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", text)
    if decimal:
        return {"name": name, "type": "BIGNUMERIC" if int(decimal[1]) > MOST_DECIMALS else "NUMERIC"}
    return {"name": name, "type": _SCALARS[text], "mode": "NULLABLE"}


def _stored(row: Any, lists: list[bool]) -> list[Any]:
    """BigQuery has no NULL arrays: they come back empty."""
    return [[] if value is None and is_list else value for value, is_list in zip(row, lists, strict=True)]


def _row(values: Any) -> dict[str, Any]:
    return {"f": [{"v": _value(value)} for value in values]}


def _value(value: Any) -> Any:
    """A value as the REST API writes it: everything is text, and instants are whole microseconds."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [{"v": _value(each)} for each in value]
        case dict():
            return _row(value.values())
    if getattr(value, "tzinfo", None) is not None and hasattr(value, "timestamp"):
        return str(round(value.timestamp() * 1_000_000))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@contextmanager
def bigquery_server() -> Iterator[BigQuery]:
    """A server on this machine, until the block ends."""
    project = BigQuery()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(size)
            parts = urlsplit(self.path)
            body = json.loads(text) if text.startswith(b"{") else {"form": text.decode()}
            status, told = project.answer(self.command, parts.path, parse_qs(parts.query), body)
            reply = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = _answer  # noqa: N815 - as the base class calls them

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    project.host = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield project
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
