"""What delivery shares between processes: budgets and breakers of accounts, gaps between attempts, receipts, holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create limits, limit_windows, permits and holds; add retry_at to row_issues and receipt to batches."""
    _limits()
    _holds()
    op.add_column("row_issues", sa.Column("retry_at", sa.Float))
    op.add_column("batches", sa.Column("receipt", sa.Text))


def _limits() -> None:
    op.create_table(
        "limits",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("paused_until", sa.Float, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("shrunk_at", sa.Float, nullable=False),
        sa.Column("quota_left", sa.Integer),
        sa.Column("quota_max", sa.Integer),
        sa.Column("quota_seen_at", sa.Float),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.Float),
        sa.Column("open_until", sa.Float),
        sa.Column("probe_until", sa.Float),
        sa.Column("last_error", sa.Text),
    )
    op.create_table(
        "limit_windows",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("taken", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "permits",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("since", sa.String(64), primary_key=True),
        sa.Column("reason", sa.String(16), primary_key=True),
        sa.Column("until", sa.Float),
        sa.Column("first_run", sa.String(64), nullable=False),
        sa.Column("first_at", sa.Float, nullable=False),
        sa.Column("last_run", sa.String(64), nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
    )
