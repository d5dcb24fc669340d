"""Spans of OpenTelemetry: one for each run, and one for each of its phases. Nothing at all unless it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from tailrace.errors import UsageError

_NAME: Final = "tailrace"
_tracer: Any = None


def enable() -> None:
    """Have spans made from now on, by the provider that the program has set up; UsageError without the extra."""
    global _tracer  # noqa: PLW0603 - the one setting of this process
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing(error) from error
    _tracer = trace.get_tracer(_NAME, version(_NAME))


def export() -> None:
    """The same, and send them where OTEL_EXPORTER_OTLP_ENDPOINT and its like say, by OTLP over HTTP."""
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from error
    own = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": _NAME}
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    enable()


@contextmanager
def span(name: str, **attributes: str | float) -> Iterator[dict[str, str | int | float]]:
    """A span around the block, within the one that is open in this thread; it tells what is put into what it gives.

    No value of a row belongs into it. Errors mark it by their kind alone, for their words may quote rows.
    """
    told: dict[str, str | int | float] = {}
    if _tracer is None:
        yield told
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

    started = _tracer.start_as_current_span(
        f"{_NAME}.{name}",
        attributes={f"{_NAME}.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    )
    with started as opened:
        try:
            yield told
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            opened.set_attributes({f"{_NAME}.{key}": value for key, value in told.items()})


def _missing(error: ImportError) -> UsageError:
    return UsageError(f"traces need OpenTelemetry ({error.name} is missing)", hint="pip install 'tailrace[otel]'")
