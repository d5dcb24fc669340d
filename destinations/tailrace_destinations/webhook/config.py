"""How a `webhook` destination reads in `tailrace.yml`."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator

from tailrace.project.config import DestinationConfig
from tailrace.project.types import Secret, SecretUrl

_SENSITIVE = re.compile(r"(?i)auth|token|key|secret|cookie|password")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class WebhookConfig(DestinationConfig):
    """A URL that takes POSTed batches; a token in its query or path is written as a reference."""

    type: Literal["webhook"]
    url: SecretUrl
    secret: Secret | None = None
    """Key of the signature; without it requests are not signed."""
    headers: dict[str, Secret | str] = Field(default_factory=dict)
    """Sent with every request, such as `Authorization: "Bearer ${env:TOKEN}"`."""
    ca_file: str | None = None
    """PEM file of the certificate authorities to trust, relative to the project; default: the usual ones."""

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, Secret | str]) -> dict[str, Secret | str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an HTTP header")
            if isinstance(value, str) and _SENSITIVE.search(name):
                raise ValueError(f'{name} must not stand in the file itself; write a reference such as "${{env:NAME}}"')
        return headers


def address(config: WebhookConfig) -> str:
    """Name the receiver: its URL without user, password, query and references."""
    parts = urlsplit(config.url.safe)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
