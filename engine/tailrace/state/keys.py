"""Keys that are made once and must not be lost: those of digests, where the configuration names none."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from tailrace.state.database import Database
from tailrace.state.schema import keys

KEY_BYTES = 32


class Keys(Database):
    """The part of the state database that keeps keys."""

    def key(self, name: str) -> bytes:
        """The key of that name, 32 random bytes; made when it is first asked for."""
        query = sa.select(keys.c.value).where(keys.c.name == name)
        with self.reading() as connection:
            found: bytes | None = connection.scalar(query)
        if found is not None:
            return bytes(found)
        with self.transaction() as connection:
            made = {"name": name, "value": secrets.token_bytes(KEY_BYTES), "made_at": self.now(connection)}
            connection.execute(self.insert(keys).values(**made).on_conflict_do_nothing(index_elements=["name"]))
            return bytes(connection.scalar(query) or b"")
