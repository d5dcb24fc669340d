"""Tokens by which people and programs use the console and the API, hashed at rest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import sqlalchemy as sa

from tailrace.errors import UsageError
from tailrace.jsonform import iso_at
from tailrace.state.database import Database
from tailrace.state.schema import tokens

Role: TypeAlias = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most permitted."""
PREFIX = "tr"
_ID_BYTES, _SECRET_BYTES = 6, 32
_FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without what proves it. Times are seconds since the epoch."""

    token_id: str
    name: str
    """Who or what uses it; the audit log says this."""
    role: Role
    made_at: float
    used_at: float | None

    def to_json(self) -> dict[str, Any]:
        """The form of `token list --json`."""
        return {
            "token_id": self.token_id,
            "name": self.name,
            "role": self.role,
            "made_at": iso_at(self.made_at),
            "used_at": iso_at(self.used_at),
        }


class Access(Database):
    """The part of the state database that knows who may come in.

    A token has 256 random bits, so that a plain SHA-256 of it is as good at rest as any slow hash: there is nothing to
    guess from.
    """

    def make_token(self, name: str, role: Role) -> str:
        """A new token, whole, for the one time it is shown; UsageError when the name is taken or none."""
        if not _NAME.fullmatch(name):
            hint = "at most 64 letters, digits and . _ @ + -, such as ann@shop.example or ci"
            raise UsageError(f"{name!r} cannot name a token", hint=hint)
        token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        with self.transaction() as connection:
            row = {"token_id": token_id, "name": name, "role": role, "made_at": self.now(connection)}
            insert = self.insert(tokens).values(**row, digest=_digest(secret))
            new = insert.on_conflict_do_nothing(index_elements=["name"]).returning(tokens.c.token_id)
            made = connection.scalar(new)
        if made is None:
            raise UsageError(f"there is a token {name} already", hint=f"tailrace token revoke {name} ends it")
        return f"{PREFIX}_{token_id}_{secret}"

    def tokens(self) -> list[Token]:
        """All tokens, by name."""
        with self.reading() as connection:
            return [Token(**row) for row in connection.execute(_SHOWN.order_by(tokens.c.name)).mappings()]

    def token(self, token_id: str) -> Token | None:
        """One token; None once it is revoked."""
        with self.reading() as connection:
            row = connection.execute(_SHOWN.where(tokens.c.token_id == token_id)).mappings().one_or_none()
        return None if row is None else Token(**row)

    def proven(self, text: str) -> Token | None:
        """The token of which this is the whole; None when there is none."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        with self.reading() as connection:
            kept = connection.scalar(sa.select(tokens.c.digest).where(tokens.c.token_id == form[1]))
        # Compared also where there is no such token, so that the time tells nothing.
        if not hmac.compare_digest(_digest(form[2]), kept or "") or kept is None:
            return None
        return self.token(form[1])

    def note_use(self, token_id: str) -> None:
        """Keep when a token was used last."""
        with self.transaction() as connection:
            used = sa.update(tokens).where(tokens.c.token_id == token_id).values(used_at=self.now(connection))
            connection.execute(used)

    def revoke_token(self, name: str) -> None:
        """End a token, and all sessions it began; UsageError where there is none of that name."""
        with self.transaction() as connection:
            gone = connection.execute(sa.delete(tokens).where(tokens.c.name == name)).rowcount
        if not gone:
            raise UsageError(f"there is no token {name}", hint="tailrace token list shows them")


_SHOWN = sa.select(*(tokens.c[name] for name in Token.__slots__))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
