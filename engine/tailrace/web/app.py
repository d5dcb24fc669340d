"""Joins the parts: the API, the console, what other programs call, and the guard before them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tailrace import metrics
from tailrace.errors import TailraceError
from tailrace.redact import redact
from tailrace.web import hooks, live
from tailrace.web.api import OPERATIONS
from tailrace.web.auth import Who
from tailrace.web.browser import SAID, error_page, fields_of, frame, keep, prove, with_cookies
from tailrace.web.forms import FORMS, Fields, Form, Next
from tailrace.web.guard import Guard, Hosts
from tailrace.web.openapi import document
from tailrace.web.operations import admitted, as_json, enough, refused, route_of
from tailrace.web.pages import PAGES, Page, View
from tailrace.web.refusal import Refusal
from tailrace.web.signin import signing_in
from tailrace.web.site import STATIC

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tailrace.web.site import Site

log = logging.getLogger(__name__)

HOOKS = "/hooks/"
_SERVER = 500


def make_app(site: Site, hosts: Hosts) -> ASGIApp:
    """The whole, ready to be served."""
    openapi = document(OPERATIONS, version("tailrace"))
    routes = [
        *(route_of(site, operation) for operation in OPERATIONS),
        Route("/api/openapi.json", _answer(site, lambda: openapi), methods=["GET"]),
        *(_page_route(site, page) for page in PAGES),
        *(_form_route(site, form) for form in FORMS),
        Route("/runs/{run_id}/events", live.endpoint(site), methods=["GET"]),
        *signing_in(site),
        Route(f"{HOOKS}{{trigger}}", hooks.endpoint(site), methods=["POST"]),
        Route("/healthz", _health, methods=["GET"]),
        Route("/readyz", _ready(site), methods=["GET"]),
        Route("/metrics", _metrics(site), methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handlers: Mapping[Any, Any] = {HTTPException: _http_error(site), Exception: _fault(site)}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, hosts, free=(HOOKS,))


def _page_route(site: Site, page: Page) -> Route:
    async def endpoint(request: Request) -> Response:
        who = site.door.who(request)
        if who is None:
            return RedirectResponse("/login", 303)
        try:
            body = await run_in_threadpool(_page, site, page, request, who)
        except Refusal as refusal:
            return error_page(site, request, who, refusal)
        answer = Response(body.encode("utf-8", "replace"), media_type="text/html")
        return with_cookies(site, request, answer, who)

    return Route(page.path, endpoint, methods=["GET"], name=f"page {page.path}")


def _page(site: Site, page: Page, request: Request, who: Who) -> str:
    with site.using() as project:
        view = View(project, site.plans, who, request.path_params, dict(request.query_params))
        return site.render(page.template, {**frame(site, request, who), **page.make(view)})


def _form_route(site: Site, form: Form) -> Route:
    async def endpoint(request: Request) -> Response:
        who = site.door.who(request)
        if who is None:
            return RedirectResponse("/login", 303)
        try:
            fields = await fields_of(request)
            prove(site, who, fields)
            enough(who, form.role)
            done = await run_in_threadpool(_done, site, form, request, who, fields)
        except Refusal as refusal:
            return error_page(site, request, who, refusal)
        answer = RedirectResponse(done.to, 303)
        if done.said:
            keep(request, answer, SAID, site.said(redact(done.said)), 60)
        return answer

    return Route(form.path, endpoint, methods=["POST"], name=f"form {form.path}")


def _done(site: Site, form: Form, request: Request, who: Who, fields: Fields) -> Next:
    with site.using() as project:
        view = View(project, site.plans, who, request.path_params, dict(request.query_params))
        return form.do(view, fields)


def _answer(site: Site, make: Callable[[], Any]) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        try:
            admitted(site, request, "viewer")
        except Refusal as refusal:
            return refused(refusal)
        return as_json(make())

    return endpoint


async def _health(_request: Request) -> Response:
    """The process answers."""
    return as_json({"status": "ok"})


def _ready(site: Site) -> Callable[..., Any]:
    """The state database answers, the scheduler goes on, and the server is not about to end.

    Anybody may ask, so what is wrong is told in our own words: they name no address and no file.
    """

    def trouble() -> str | None:
        if site.desk.closing.is_set():
            return "the server is about to end"
        try:
            with site.desk.using() as project:
                project.running()
        except TailraceError:
            return "the state database does not answer"
        return site.trouble()

    async def endpoint(_request: Request) -> Response:
        found = await run_in_threadpool(trouble)
        return as_json({"status": "ok"}) if found is None else as_json({"status": "not ready", "problem": found}, 503)

    return endpoint


def _metrics(site: Site) -> Callable[..., Any]:
    def gather() -> str:
        with site.using() as project:
            return metrics.render(project, fault=site.desk.fault is not None)

    async def endpoint(request: Request) -> Response:
        try:
            admitted(site, request, "viewer")
            text = await run_in_threadpool(gather)
        except Refusal as refusal:
            return refused(refusal)
        return PlainTextResponse(redact(text), media_type=metrics.CONTENT_TYPE)

    return endpoint


def _wants_page(request: Request) -> bool:
    return not request.url.path.startswith(("/api/", HOOKS)) and "text/html" in request.headers.get("accept", "")


def _http_error(site: Site) -> Callable[..., Any]:
    def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
        refusal = Refusal(error.status_code, f"{error.detail}: {request.method} {request.url.path}"[:200])
        made = error_page(site, request, None, refusal) if _wants_page(request) else refused(refusal)
        made.headers.update(error.headers or {})
        return made

    return answer


def _fault(site: Site) -> Callable[..., Any]:
    def answer(request: Request, error: Exception) -> Response:
        log.error("a request failed by a fault of Tailrace itself, please report it", exc_info=error)
        refusal = Refusal(_SERVER, "this is a fault of Tailrace itself", hint="its log has more; please report it")
        return error_page(site, request, None, refusal) if _wants_page(request) else refused(refusal)

    return answer
