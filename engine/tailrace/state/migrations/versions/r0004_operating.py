"""What operating shares between machines: pauses, requests, cancels, the audit log, alerts, totals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create pauses, requests, cancels, audit, alerts and totals; add discreet to runs."""
    _controls()
    _requests()
    _watching()
    op.add_column("runs", sa.Column("discreet", sa.Text))


def _controls() -> None:
    op.create_table(
        "pauses",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "cancels",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("role", sa.String(32)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("sync", sa.String(200), nullable=False),
        sa.Column("full", sa.Boolean, nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("overrides", sa.Text, nullable=False),
        sa.Column("plan", sa.LargeBinary),
        sa.Column("planned", sa.Boolean, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("once", sa.String(200), unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("host", sa.Text),
        sa.Column("pid", sa.Integer),
        sa.Column("taken_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.Column("run_id", sa.String(64)),
        sa.Column("result", sa.Text),
        sa.Column("message", sa.Text),
    )
    op.create_index("requests_by_state", "requests", ["state", "at"])


def _watching() -> None:
    op.create_table(
        "alerts",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("told_at", sa.Float),
        sa.Column("ended_at", sa.Float),
    )
    op.create_table(
        "totals",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )
