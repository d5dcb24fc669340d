"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create leases, runs, batches, row_issues and accounts."""
    _leases()
    _runs()
    _batches()
    _row_issues()
    _accounts()


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("host", sa.Text),
        sa.Column("pid", sa.Integer),
        sa.Column("acquired_at", sa.Float),
        sa.Column("expires_at", sa.Float, nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("sync", sa.String(200), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("plan_hash", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("tallies", sa.Text, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("seconds", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
    )
    op.create_index("runs_of_sync", "runs", ["sync", "started_at"])


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("operation", sa.String(16), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("intended_at", sa.Float, nullable=False),
        sa.Column("settled_at", sa.Float),
        sa.Column("acknowledged", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("unknown", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("seqs", sa.LargeBinary),
        sa.Column("outcomes", sa.LargeBinary),
    )


def _row_issues() -> None:
    op.create_table(
        "row_issues",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("key_text", sa.Text, nullable=False),
        sa.Column("op", sa.String(16), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.Float, nullable=False),
        sa.Column("last_seen", sa.Float, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", sa.Boolean, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("destination", sa.String(200), primary_key=True),
        sa.Column("hint", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("quota_left", sa.Integer),
        sa.Column("quota_max", sa.Integer),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
