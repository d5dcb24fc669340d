"""Where a sync's rows come from: a file under models/, a table, or a model of dbt; and templates in all of that."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tailrace.project.dbt import Manifest, Reference, Relation
from tailrace.project.yaml import Fault

_MARKS: Final = ("{{", "{%", "{#")
_FILE: Final = "<template>"
"""What Jinja calls a template that came from a text."""


class Sources:
    """What models may refer to. `root` is the project's folder, absolute."""

    def __init__(self, root: Path, variables: Mapping[str, Any], manifest: str | None) -> None:
        self._root = root
        self._variables = variables
        self._place = manifest
        self._manifest: Manifest | Fault | None = None

    def relation(self, reference: Reference) -> Relation:
        """What dbt built under a name; Fault when it is not known."""
        if self._place is None:
            raise Fault(f"{reference} is a model of dbt; say where its manifest is, in tailrace.yml: {_HOW}")
        if self._manifest is None:
            self._manifest = self._read(self._place)
        if isinstance(self._manifest, Fault):
            raise self._manifest
        return self._manifest.relation(reference)

    def _read(self, place: str) -> Manifest | Fault:
        try:
            return Manifest.read(self._root / place)
        except Fault as fault:
            return fault

    def rendered(self, text: str, sync: str) -> str:
        """A model's text with its templates filled in; Fault, with a line, for those that cannot be."""
        if not any(mark in text for mark in _MARKS):
            return text
        from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError  # noqa: PLC0415 -- spares start-up time
        from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
        environment.globals = {name: environment.globals[name] for name in ("range", "namespace")}
        try:
            return environment.from_string(text).render(self._names(sync))
        except TemplateSyntaxError as error:
            raise Fault(f"the template is broken: {error.message}{_RAW}", error.lineno, 1) from None
        except Fault as fault:
            raise Fault(fault.message, *_place(fault)) from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise Fault(f"the template cannot be filled in: {error}{_RAW}", *_place(error)) from None

    def _names(self, sync: str) -> dict[str, object]:
        return {
            "sync": sync,
            "var": self._variable,
            "env": _environment,
            "ref": self._named("ref"),
            "source": self._named("source"),
        }

    def _variable(self, name: str, *default: object) -> object:
        if name in self._variables:
            return self._variables[name]
        if default:
            return default[0]
        raise Fault(f"there is no variable {name!r}; set it under `vars` in tailrace.yml, or give a default")

    def _named(self, kind: str) -> Callable[..., str]:
        def relation(*names: str) -> str:
            parts = ", ".join(f"'{name}'" for name in names)
            reference = Reference.read(f"{kind}({parts})")
            if reference is None:
                raise Fault(f"{kind}({parts}) should name one model, or a package or source and a table")
            return self.relation(reference).name

        return relation


_HOW: Final = "`dbt: {manifest: target/manifest.json}`"
_RAW: Final = ". Braces that are no template stand between {% raw %} and {% endraw %}"


def _environment(name: str, *default: str) -> str:
    if name in os.environ:
        return os.environ[name]
    if default:
        return default[0]
    raise Fault(f"the environment variable {name} is not set, and the template has no default for it")


def _place(error: BaseException) -> tuple[int, int]:
    """The template's line at which something went wrong, and its first column; zeros when that is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    return next(((frame.lineno or 0, 1) for frame in reversed(frames) if frame.filename == _FILE), (0, 0))


def table_query(table: str) -> str:
    """All rows of a table or view."""
    return f"SELECT * FROM {table}"  # noqa: S608 - `table` is one name: see TABLE_PATTERN
