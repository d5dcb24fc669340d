"""Who each destination's credentials belonged to, so that a plan needs no network to say so."""

from __future__ import annotations

import sqlalchemy as sa

from tailrace.destination import Account
from tailrace.state.database import Database
from tailrace.state.records import AccountRecord
from tailrace.state.schema import accounts


class Accounts(Database):
    """The part of the state database that remembers accounts."""

    def remember_account(self, destination: str, hint: str, account: Account) -> None:
        """Keep what a sign-in told; `hint` is the adapter's `account_hint` of the configuration."""
        seen = {
            "account_id": account.id,
            "name": account.name,
            "quota_left": account.quota_left,
            "quota_max": account.quota_max,
        }
        with self.transaction() as connection:
            seen["seen_at"] = self.now(connection)  # type: ignore[assignment]
            insert = self.insert(accounts).values(destination=destination, hint=hint, **seen)
            connection.execute(insert.on_conflict_do_update(index_elements=["destination", "hint"], set_=seen))

    def account(self, destination: str, hint: str | None = None) -> AccountRecord | None:
        """The account last seen under that configuration, or under any; None when there is none."""
        query = sa.select(accounts).where(accounts.c.destination == destination)
        if hint is not None:
            query = query.where(accounts.c.hint == hint)
        with self.reading() as connection:
            row = connection.execute(query.order_by(accounts.c.seen_at.desc()).limit(1)).mappings().one_or_none()
        return AccountRecord(**row) if row else None
