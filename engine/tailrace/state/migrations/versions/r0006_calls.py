"""Requests counted where they are made, and a column for runs that a saved plan out of date stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create calls; add outdated to runs, which was told by how the message began."""
    op.create_table(
        "calls",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
    )
    op.add_column("runs", sa.Column("outdated", sa.Boolean, nullable=False, server_default=sa.false()))
    told = "message like 'the world no longer matches the plan%'"
    op.execute(f"update runs set outdated = true where status = 'blocked' and {told}")  # noqa: S608 - no input
