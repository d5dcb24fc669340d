"""What pages, forms and signing in share of a browser: its cookies, what it sends, and what every page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from tailrace.web.auth import COOKIE, SESSION_S
from tailrace.web.forms import Fields, first
from tailrace.web.operations import read
from tailrace.web.refusal import Refusal

if TYPE_CHECKING:
    from tailrace.web.auth import Session, Who
    from tailrace.web.site import Site

SAID = "tailrace_said"
_FORBIDDEN = 403


async def fields_of(request: Request) -> Fields:
    """What a form sent."""
    return parse_qs((await read(request)).decode("utf-8", "replace"), keep_blank_values=True)


def prove(site: Site, who: Who, fields: Fields) -> None:
    """See that a form came from a page of ours."""
    if who.session is None or not site.door.sealed.is_form(who.session, first(fields, "csrf")):
        raise Refusal(_FORBIDDEN, "this form is too old, or came from elsewhere", hint="go back, load the page again")


def frame(site: Site, request: Request, who: Who | None) -> dict[str, Any]:
    """What every page shows."""
    session = who.session if who else None
    return {
        "who": who,
        "open": site.door.open,
        "csrf": "" if session is None else site.door.sealed.csrf(session),
        "fault": site.desk.fault,
        "place": site.desk.root.name,
        "here": request.url.path,
        "section": section(request.url.path),
        "said": site.heard(request.cookies.get(SAID)),
    }


def section(path: str) -> str:
    """The entry of the menu to which a page belongs that has none of its own."""
    parts = path.split("/")[1:]
    if parts[0] == "syncs" and parts[2:3] == ["rejected"]:
        return "/rejected"
    return {"syncs": "/", "plans": "/", "runs": "/runs"}.get(parts[0], path)


def error_page(site: Site, request: Request, who: Who | None, refusal: Refusal) -> Response:
    """A page that says no, and why."""
    context = {**frame(site, request, who), "refusal": refusal}
    body = site.render("error.html", context)
    return Response(body.encode("utf-8", "replace"), refusal.status, media_type="text/html")


def with_cookies(site: Site, request: Request, answer: Response, who: Who) -> Response:
    """A session for a browser that has none yet, and the line that was shown taken away."""
    session = who.session
    if session is not None and site.door.sealed.opened(request.cookies.get(COOKIE)) != session:
        keep_session(site, request, answer, session)
    if SAID in request.cookies:
        answer.delete_cookie(SAID, path="/")
    return answer


def keep_session(site: Site, request: Request, answer: Response, session: Session, *, secure: bool = False) -> None:
    """Have the browser keep its session."""
    keep(request, answer, COOKIE, site.door.sealed.cookie(session), int(SESSION_S), secure=secure)


def keep(
    request: Request, answer: Response, name: str, value: str, age: int, *, path: str = "/", secure: bool = False
) -> None:
    """Have the browser keep a cookie for so many seconds; it goes over TLS alone where it came so, or if `secure`."""
    secure = secure or request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=age, path=path, secure=secure, httponly=True, samesite="lax")
