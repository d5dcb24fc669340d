"""Traces: a span for each run and for its phases, to a real receiver; and nothing where they are not asked for."""

import builtins
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tailrace import tracing
from tailrace.api import Project


@pytest.fixture
def spans(monkeypatch):
    """What was traced, by name."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return lambda: {span.name: span for span in exporter.get_finished_spans()}


def test_a_run_is_a_span_of_spans(workspace, spans):
    """Its phases lie within it; they tell numbers and names, and no value of a row."""
    with Project.load(workspace.root) as project:
        result = project.run("people")
    found = spans()
    assert set(found) == {"tailrace.run", "tailrace.recover", "tailrace.plan", "tailrace.deliver", "tailrace.save"}
    run = found.pop("tailrace.run")
    assert dict(run.attributes) == {
        "tailrace.sync": "people",
        "tailrace.run_id": result.run_id,
        "tailrace.status": "succeeded",
    }
    assert {span.parent.span_id for span in found.values()} == {run.context.span_id}
    assert found["tailrace.plan"].attributes["tailrace.changes"] == 3
    assert found["tailrace.deliver"].attributes["tailrace.acknowledged"] == 3


def test_an_error_marks_its_span_by_its_kind(workspace, spans):
    """Its words may quote rows, and a trace goes to others than the data."""
    workspace.write("models/people.sql", "select 1 as id from nowhere")
    with Project.load(workspace.root) as project:
        project.run("people")
    plan = spans()["tailrace.plan"]
    assert (plan.status.status_code, plan.status.description) == (StatusCode.ERROR, "WarehouseError")
    assert plan.events == ()
    assert spans()["tailrace.run"].attributes["tailrace.status"] == "failed"


def test_nothing_is_traced_unless_it_is_asked_for(workspace):
    """A span is then a block like any other."""
    assert tracing._tracer is None
    with tracing.span("run", sync="people") as told:
        told["rows"] = 1


def test_they_go_where_the_environment_says(workspace):
    """By OTLP over HTTP, from the command line with `--traces`."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }
        workspace.spawn("run", "people", "--traces", env=env)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert {path for path, _ in bodies} == {"/v1/traces"}
    told = b"".join(body for _, body in bodies)  # a run that takes more than some seconds tells of them in parts
    assert b"tailrace.run" in told
    assert b"tailrace.deliver" in told


def test_a_missing_extra_says_what_to_install(workspace, monkeypatch):
    """In words, and not by a traceback."""
    found = builtins.__import__

    def missing(name, *rest):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    answer = workspace.run("status", "--traces", code=2)
    assert "pip install 'tailrace[otel]'" in answer.err
