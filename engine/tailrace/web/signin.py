"""Signing in to the console, with a token or with a provider of OpenID Connect; and out."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tailrace.errors import TailraceError
from tailrace.project.oidc import CALLBACK
from tailrace.web.auth import COOKIE
from tailrace.web.browser import error_page, fields_of, frame, keep, keep_session, prove
from tailrace.web.forms import first
from tailrace.web.person import Attempt, Unproven
from tailrace.web.refusal import Refusal, missing, refusal_of

if TYPE_CHECKING:
    from tailrace.project.oidc import Role
    from tailrace.web.auth import Session
    from tailrace.web.person import Person
    from tailrace.web.provider import Provider
    from tailrace.web.site import Site

log = logging.getLogger(__name__)

BEGIN: Final = "/login/oidc"
ATTEMPT: Final = "tailrace_attempt"
ATTEMPT_S: Final = 600
"""How long somebody may take to sign in with the provider."""
_PATH: Final = "/login"
_BAD, _UNAUTHORISED, _FORBIDDEN = 400, 401, 403
_ERROR: Final = 40
"""Characters that the name of an error has at most."""


def signing_in(site: Site) -> tuple[Route, ...]:
    """All that leads in and out."""
    return (
        Route("/login", _login(site), methods=["GET", "POST"]),
        Route(BEGIN, _begin(site), methods=["GET"]),
        Route(CALLBACK, _back(site), methods=["GET"]),
        Route("/logout", _logout(site), methods=["POST"]),
    )


def _login(site: Site) -> Callable[..., Any]:
    def page(request: Request, status: int = 200) -> Response:
        provider = site.providers.now()
        shown = {"wrong": status == _UNAUTHORISED, "provider": provider and provider.config.issuer_host}
        body = site.render("login.html", {**frame(site, request, None), **shown})
        return Response(body, status, media_type="text/html")

    async def endpoint(request: Request) -> Response:
        if request.method != "POST":
            return await run_in_threadpool(page, request)
        session = await run_in_threadpool(site.door.sign_in, first(await fields_of(request), "token"))
        if session is None:
            return await run_in_threadpool(page, request, _UNAUTHORISED)
        answer = RedirectResponse("/", 303)
        keep_session(site, request, answer, session)
        return answer

    return endpoint


def _logout(site: Site) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        who = site.door.who(request)
        fields = await fields_of(request)
        if who is not None:
            try:
                prove(site, who, fields)
            except Refusal as refusal:
                return error_page(site, request, who, refusal)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    return endpoint


def _begin(site: Site) -> Callable[..., Any]:
    """Sends the browser to the provider, with what it must bring back in a cookie."""

    async def endpoint(request: Request) -> Response:
        try:
            provider = _provider(site)
            address, attempt = await run_in_threadpool(_begun, provider)
        except Refusal as refusal:
            return error_page(site, request, None, refusal)
        sealed = site.door.sealed
        held = sealed.sealed("attempt", sealed.until(ATTEMPT_S), list(astuple(attempt)))
        answer = RedirectResponse(address, 303)
        keep(request, answer, ATTEMPT, held, ATTEMPT_S, path=_PATH, secure=provider.config.secure)
        return answer

    return endpoint


def _back(site: Site) -> Callable[..., Any]:
    """Takes in the browser that the provider sends back; it goes on to the first page, whatever it was sent with."""

    async def endpoint(request: Request) -> Response:
        try:
            provider = _provider(site)
            attempt = _attempt(site, provider, request)
        except Refusal as refusal:
            return error_page(site, request, None, refusal)
        answer: Response
        try:
            session = await run_in_threadpool(_session, site, provider, dict(request.query_params), attempt)
        except Refusal as refusal:
            log.warning("somebody did not get in with the provider: %s", refusal.message)
            answer = error_page(site, request, None, refusal)
        else:
            answer = RedirectResponse("/", 303)
            keep_session(site, request, answer, session, secure=provider.config.secure)
        answer.delete_cookie(ATTEMPT, path=_PATH)  # it is good for one answer of the provider
        return answer

    return endpoint


def _provider(site: Site) -> Provider:
    found = site.providers.now()
    if found is None:
        raise missing("people do not sign in with a provider here", hint="`oidc` in tailrace.yml names one")
    return found


def _begun(provider: Provider) -> tuple[str, Attempt]:
    try:
        return provider.begin()
    except TailraceError as error:
        log.warning("nobody can sign in with the provider: %s", error)
        raise refusal_of(error) from error


def _attempt(site: Site, provider: Provider, request: Request) -> Attempt:
    """What this browser was sent away with; a refusal where another state comes back, or none was sent away."""
    kept = site.door.sealed.unsealed("attempt", request.cookies.get(ATTEMPT))
    attempt = None if kept is None else Attempt(*kept[1])
    if attempt is None or not _same(attempt.state, request.query_params.get("state", "")):
        hint = f"begin again at {provider.config.url}, and stay in one tab; the browser must keep the cookie"
        raise Refusal(_BAD, "this sign-in is too old, was used before, or was begun elsewhere", hint=hint)
    return attempt


def _session(site: Site, provider: Provider, query: Mapping[str, str], attempt: Attempt) -> Session:
    """The session of who came back; a refusal where nobody did who may come in."""
    try:
        person = provider.finish(_code(provider, query), attempt)
    except Unproven as error:
        raise Refusal(
            _FORBIDDEN, str(error), hint="sign in again; if that does not help, ask whoever runs this"
        ) from error
    except TailraceError as error:
        raise refusal_of(error) from error
    role = provider.config.role(person.values)
    _note(site, person, role)
    if role is None:
        words = f"nothing in `{provider.config.claim}` gives {person.name} a role here"
        hint = "whoever runs this console decides that: `roles` under `oidc` in tailrace.yml"
        raise Refusal(_FORBIDDEN, words, hint=hint)
    return site.door.sealed.session(person=person)


def _note(site: Site, person: Person, role: Role | None) -> None:
    with site.using() as project:
        action = "sign in" if role is not None else "sign in, refused"
        project.audit(who=person.name, action=action, subject="console", role=role)


def _code(provider: Provider, query: Mapping[str, str]) -> str:
    """The code that was brought back; a refusal where the provider says no, or another one answers."""
    if query.get("iss", provider.config.issuer) != provider.config.issuer:
        raise Refusal(_BAD, "another provider answers than the one that was asked", hint="sign in again")
    if "error" in query:
        error = query["error"]
        known = error if len(error) <= _ERROR and error.isascii() and error.replace("_", "").isalnum() else "an error"
        raise Refusal(_FORBIDDEN, f"the provider says {known}", hint="sign in again, or ask whoever runs the provider")
    code = query.get("code")
    if not code:
        raise Refusal(_BAD, "the provider brings no code back", hint="sign in again")
    return code


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))
