"""References such as `${env:NAME}` and `${file:PATH}` inside texts, and how they are resolved.

Grammar: `${provider:argument}` is a reference, `$${` stands for a literal `${`, a `$` elsewhere is just
a dollar. Providers are `env`, `file`, and callables `(argument: str, root: Path) -> str` registered
under the entry point group `tailrace.secrets`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from tailrace.errors import SecretError
from tailrace.installed import entry_points

ENTRY_POINT_GROUP = "tailrace.secrets"
MAX_FILE_BYTES = 1 << 20

Provider: TypeAlias = Callable[[str, Path], str]


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${provider:argument}`."""

    provider: str
    argument: str

    def __str__(self) -> str:
        return f"${{{self.provider}:{self.argument}}}"


Part: TypeAlias = str | Reference


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text was written; line and column count from 1, 0 when it came from code."""

    root: Path = Path()
    file: Path | None = None
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.file is None:
            return "value given in code"
        return f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)


class TemplateError(ValueError):
    """A `${` that starts no reference."""


# In JSON Schema's dialect as well as in Python's: no named groups, no \d, an explicit end of text.
END = r"$(?!\n)"
_PLAIN = r"[^$]|\$(?!\$?\{)|\$\$\{"


@cache
def reference_pattern() -> str:
    """Regular expression of one reference to an installed provider."""
    return rf"\$\{{(?:{'|'.join(sorted(re.escape(name) for name in provider_names()))}):[^{{}}\n]+\}}"


@cache
def template_pattern(*, referring: bool = False) -> str:
    """Regular expression of a whole well-formed text; with `referring` one that has a reference."""
    reference = reference_pattern()
    must = f"(?:{_PLAIN})*{reference}" if referring else ""
    return f"^{must}(?:{_PLAIN}|{reference})*{END}"


_TOKEN = re.compile(r"\$\$\{|\$\{([^{}\n]*)\}?|[^$]+|\$")


def parse(text: str) -> tuple[Part, ...]:
    """Split a text into literal parts and references; TemplateError when a `${` is not well formed."""
    parts: list[Part] = []
    for token in _TOKEN.finditer(text):
        if token.group() == "$${":
            parts.append("${")
        elif token.group(1) is not None:
            parts.append(_reference(token.group()))
        else:
            parts.append(token.group())
    return tuple(parts)


def _reference(text: str) -> Reference:
    provider, colon, argument = text[2:-1].partition(":")
    if not (text.endswith("}") and colon and argument):
        raise TemplateError("`${` must start a reference such as ${env:NAME} or ${file:PATH}; write $${ for a plain ${")
    names = provider_names()
    if provider not in names:
        raise TemplateError(f"there is no secret provider {provider!r}; installed are {', '.join(sorted(names))}")
    return Reference(provider, argument)


def resolve(parts: Iterable[Part], place: Place) -> str:
    """Put the values in; SecretError naming the place and the reference, never a value."""
    return "".join(part if isinstance(part, str) else lookup(part, place) for part in parts)


def lookup(reference: Reference, place: Place) -> str:
    """The value behind one reference; SecretError naming the place and the reference."""
    try:
        return _provider(reference.provider)(reference.argument, place.root)
    except _Unresolved as fault:
        raise SecretError(f"{place}: {reference} {fault}", hint=fault.hint) from None
    except Exception as fault:  # noqa: BLE001  a provider may raise anything, and its words may hold the secret
        raise SecretError(f"{place}: {reference} failed: {type(fault).__name__}") from None


class _Unresolved(Exception):
    """Carries the half sentence that follows the reference, and a hint."""

    def __init__(self, words: str, hint: str) -> None:
        super().__init__(words)
        self.hint = hint


@cache
def provider_names() -> frozenset[str]:
    """Names that may stand before the colon."""
    return frozenset(_BUILT_IN) | entry_points(group=ENTRY_POINT_GROUP).names


def _provider(name: str) -> Provider:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    loaded: Provider = entry_points(group=ENTRY_POINT_GROUP)[name].load()
    return loaded


def _env(name: str, _root: Path) -> str:
    value = os.environ.get(name)
    if value is None:
        raise _Unresolved("is not set", f"Set the environment variable {name} and try again.")
    return value


def _file(argument: str, root: Path) -> str:
    """Read a secret file, without its last line break.

    A relative path counts from the project's folder and must stay in it, links followed. An absolute
    path is taken as it is: that is where container platforms mount secrets.
    """
    path = _inside(argument, root)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _Unresolved("is not a regular file", "Point it to a file that holds the secret alone.")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as fault:
        raise _Unresolved(f"cannot be read: {fault.strerror}", "Check the path and its permissions.") from None
    return _text(data)


def _inside(argument: str, root: Path) -> Path:
    path = Path(argument)
    if path.is_absolute():
        return path
    resolved, base = (root / path).resolve(), root.resolve()
    if not resolved.is_relative_to(base):
        raise _Unresolved("leaves the project's folder", "Use an absolute path for a file outside the project.")
    return resolved


def _text(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise _Unresolved("is over 1 MiB", "Point it to a file that holds the secret alone.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unresolved("is not UTF-8 text", "Point it to a file that holds the secret alone.") from None
    return text.removesuffix("\n").removesuffix("\r")


_BUILT_IN: dict[str, Provider] = {"env": _env, "file": _file}
