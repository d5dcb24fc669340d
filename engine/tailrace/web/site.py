"""What all parts of the console and the API share: the project, the door, plans, and how pages are made."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from tailrace.errors import TailraceError
from tailrace.redact import redact
from tailrace.web import shown
from tailrace.web.refusal import refusal_of

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.web.auth import Door
    from tailrace.web.desk import Desk
    from tailrace.web.plans import Plans
    from tailrace.web.provider import Providers

HERE = Path(str(files("tailrace.web")))
TEMPLATES, STATIC = HERE / "templates", HERE / "static"


@dataclass(frozen=True)
class Site:
    """One console with its API."""

    desk: Desk
    door: Door
    plans: Plans
    providers: Providers
    trouble: Callable[[], str | None]
    """What keeps the scheduler of this process from its work; None where nothing does, or there is none."""

    @cached_property
    def pages(self) -> Environment:
        """The templates; whatever they are given is escaped, and a name they are not given is an error."""
        made = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters |= shown.FILTERS
        return made

    @contextmanager
    def using(self) -> Iterator[Project]:
        """The project, for one request; its errors become refusals."""
        try:
            with self.desk.using() as project:
                yield project
        except TailraceError as error:
            raise refusal_of(error) from error

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """A page, with every known secret taken out."""
        return redact(self.pages.get_template(template).render(context))

    def said(self, text: str) -> str:
        """A line for the next page, as a cookie's value."""
        held = base64.urlsafe_b64encode(text.encode()).decode()
        return f"{held}.{self.door.sealed.sign('said', held)}"

    def heard(self, cookie: str | None) -> str | None:
        """The line that the page before left; None when there is none, or it is not ours."""
        held, _, signature = (cookie or "").partition(".")
        if not held or not self.door.sealed.is_signed("said", held, signature):
            return None
        return base64.urlsafe_b64decode(held).decode("utf-8", "replace")
