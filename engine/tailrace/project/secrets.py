"""Secrets of the configuration: held as references, resolved on demand, never shown."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tailrace.errors import SecretError
from tailrace.project.reading import parse_field, place_of, problem
from tailrace.project.references import Part, Place, Reference, lookup, reference_pattern, template_pattern
from tailrace.redact import MASK, register


class _Hidden:
    """What `Secret` and `SecretUrl` share: parts and place, equality, a blind repr, the pydantic hooks."""

    __slots__ = ("_parts", "_place")
    _what: ClassVar[str]

    def __init__(self, parts: tuple[Part, ...], place: Place | None = None) -> None:
        self._parts = parts
        self._place = place or Place()

    @classmethod
    def literal(cls, value: str) -> Self:
        """A value given in code, not in a project file."""
        return cls((value,))

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self._place

    @property
    def masked(self) -> str:
        """The references, with every literal part as `***`."""
        return "".join(str(part) if isinstance(part, Reference) else MASK for part in self._parts)

    def _values(self) -> list[str]:
        return [part if isinstance(part, str) else lookup(part, self._place) for part in self._parts]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked!r})"

    def __str__(self) -> str:
        return self.masked

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Hidden) and other._parts == self._parts

    def __hash__(self) -> int:
        return hash((type(self), self._parts))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def _validate(cls, value: object, info: core_schema.ValidationInfo) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise problem("should be a text")
        parts = parse_field(value)
        cls._accept(value, parts, info.field_name or "secret")
        return cls(parts, place_of(value, info.context))

    @classmethod
    def _accept(cls, text: str, parts: tuple[Part, ...], field: str) -> None:
        """Refuse what must not stand in a file, without repeating it."""
        raise NotImplementedError


class Secret(_Hidden):
    """A secret, kept as `${env:NAME}` or `${file:PATH}` until `reveal`."""

    __slots__ = ()

    def reveal(self) -> str:
        """The value, now known to `redact`; SecretError with the place and the reference if there is none."""
        values = self._values()
        value = "".join(values)
        if not value:
            raise SecretError(f"{self._place}: {self.masked} is empty", hint="Give it a value and try again.")
        for part, resolved in zip(self._parts, values, strict=True):
            if isinstance(part, Reference):
                register(resolved)
        register(value)
        return value

    @classmethod
    def _accept(cls, text: str, parts: tuple[Part, ...], field: str) -> None:  # noqa: ARG003  one signature for both
        if not any(isinstance(part, Reference) for part in parts):
            raise problem(
                f'must not stand in the file itself; write a reference such as {field}: "${{env:{field.upper()}}}"'
            )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": template_pattern(referring=True),
            "description": "A secret, by reference: ${env:NAME} or ${file:PATH}.",
        }


MAX_URL = 4096
"""Characters a URL may have."""
_SECRET_PARAMETERS = (
    "password",
    "passwd",
    "pwd",
    "token",
    "access_token",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
)


def _any_case(word: str) -> str:
    return "".join(f"[{char.upper()}{char.lower()}]" if char.isalpha() else char for char in word)


_PARAMETERS = "|".join(_any_case(name) for name in _SECRET_PARAMETERS)
_REF = r"\$\{[^{}\n]*\}"
_USER = rf"(?:[^:/@?#$]|\$(?!\{{)|{_REF})*"
# A password is all between the first colon and the next @, slashes included, as SQLAlchemy reads it.
_LITERAL_PASSWORD = rf"(?:[^:/?#$]|\$(?!\{{)|{_REF})*://{_USER}:(?!(?:{_REF})*@)[^@]+@"
_LITERAL_PARAMETER = rf"[\s\S]*[?&](?:{_PARAMETERS})=(?!(?:{_REF})*(?:[&#]|$(?!\n)))"
_BARE_PASSWORD = re.compile(r"(?<=://)([^:/@?#]*):([^@]+)@")
_WRITTEN_PASSWORD = re.compile(rf"(?<=://)({_USER}):((?:{_REF}|\$(?!\{{)|[^@$])+?)@")
_BARE_PARAMETER = re.compile(rf"([?&](?:{_PARAMETERS}))=([^&#]+)")


class SecretUrl(_Hidden):
    """A URL that may hold references; only its password and the like are secret, and must be references."""

    __slots__ = ()

    def reveal(self) -> str:
        """The URL, its secret parts now known to `redact`; SecretError when a reference has no value."""
        values = self._values()
        url = "".join(values)
        for secret in self._secret_values(url, values):
            register(secret)
        return url

    @property
    def safe(self) -> str:
        """The URL fit for showing: password, token parameters and references in the path are `***`."""
        try:
            return _mask("".join(self._shown(self._values())))
        except SecretError:
            return self.masked

    @property
    def masked(self) -> str:
        """The URL as written, references unresolved; a literal password is `***`."""
        return _mask("".join(str(part) for part in self._parts), keep=re.compile(rf"(?:{_REF})+"))

    def _shown(self, values: list[str]) -> list[str]:
        """Blind references beyond the host, for a webhook's path is often its secret."""
        shown: list[str] = []
        for part, value in zip(self._parts, values, strict=True):
            beyond = isinstance(part, Reference) and _in_path("".join(shown))
            shown.append(MASK if beyond else value)
        return shown

    def _secret_values(self, url: str, values: list[str]) -> list[str]:
        found = [hit.group(2) for hit in (*_BARE_PASSWORD.finditer(url), *_BARE_PARAMETER.finditer(url))]
        for part, value, shown in zip(self._parts, values, self._shown(values), strict=True):
            if isinstance(part, Reference) and (shown == MASK or len(values) == 1):
                found.append(value)
        return found

    @classmethod
    def _accept(cls, text: str, parts: tuple[Part, ...], field: str) -> None:  # noqa: ARG003  one signature for both
        if len(text) > MAX_URL or not re.match(_url_start(), text):
            raise problem("should be a URL such as scheme://host/path, of at most 4096 characters")
        if re.match(f"(?:{_LITERAL_PASSWORD}|{_LITERAL_PARAMETER})", text):
            raise problem(
                "must not hold a password itself; write a reference in its place, such as "
                f'{field}: "scheme://user:${{env:PASSWORD}}@host" (an @ that is no part of a login is written %40)'
            )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "maxLength": MAX_URL,
            "allOf": [{"pattern": template_pattern()}, {"pattern": _url_start()}],
            "not": {"pattern": f"^(?:{_LITERAL_PASSWORD}|{_LITERAL_PARAMETER})"},
            "description": "A URL; its password only by reference: scheme://user:${env:PASSWORD}@host.",
        }


def _url_start() -> str:
    return rf"^(?:[A-Za-z][A-Za-z0-9+.\-]*://|{reference_pattern()})"


def _in_path(before: str) -> bool:
    """Whether what follows this beginning of a URL lies beyond its host."""
    _, marker, rest = before.partition("://")
    return bool(marker) and bool(re.search(r"[/?#]", rest.rpartition("@")[2]))


def _mask(url: str, keep: re.Pattern[str] | None = None) -> str:
    def hide(value: str) -> str:
        return value if keep and keep.fullmatch(value) else MASK

    password = _WRITTEN_PASSWORD if keep else _BARE_PASSWORD
    url = password.sub(lambda hit: f"{hit.group(1)}:{hide(hit.group(2))}@", url)
    return _BARE_PARAMETER.sub(lambda hit: f"{hit.group(1)}={hide(hit.group(2))}", url)
