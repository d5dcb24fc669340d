"""How far a run is, as it goes on: server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tailrace.errors import TailraceError
from tailrace.redact import redact
from tailrace.web import views
from tailrace.web.operations import admitted, refused
from tailrace.web.refusal import Refusal, missing

if TYPE_CHECKING:
    from tailrace.web.site import Site

EVERY_S: Final = 1.0
MOST: Final = 50
"""Browsers that may watch at once."""


def endpoint(site: Site) -> Callable[..., Any]:
    """Streams the form of `Progress`, each time it changes, until the run has ended."""
    watching = 0

    async def serve(request: Request) -> Response:
        run_id = request.path_params["run_id"]
        try:
            admitted(site, request, "viewer")
            await run_in_threadpool(check, site, run_id, watching)
        except Refusal as refusal:
            return refused(refusal)
        return StreamingResponse(counted(run_id), media_type="text/event-stream")

    async def counted(run_id: str) -> AsyncIterator[str]:
        nonlocal watching
        watching += 1
        try:
            async for event in events(site, run_id):
                yield event
        finally:
            watching -= 1

    return serve


async def events(site: Site, run_id: str) -> AsyncIterator[str]:
    """One event for each change."""
    before: str | None = None
    while not site.desk.closing.is_set():
        try:
            form = await run_in_threadpool(look, site, run_id)
        except TailraceError:
            form = None
        if form is not None:
            text = redact(json.dumps(form, ensure_ascii=False))
            # A comment now and then, so that a connection that nobody reads any more is noticed.
            yield f"data: {text}\n\n" if text != before else ": still here\n\n"
            before = text
        if form is None or form["phase"] == "ended":
            return
        await asyncio.sleep(EVERY_S)


def check(site: Site, run_id: str, watching: int) -> None:
    """A refusal where there is no such run, or where too many watch."""
    if watching >= MOST:
        raise Refusal(503, f"{MOST} browsers watch already", hint="load the page again from time to time")
    if look(site, run_id) is None:
        raise missing(f"there is no run {run_id}")


def look(site: Site, run_id: str) -> dict[str, Any] | None:
    """How far it is now; None where there is no such run."""
    with site.desk.using() as project:
        found = project.known_run(run_id)
        return None if found is None else views.progress(project, found)
