"""What the console asks of the state database: tokens, and indexes by which pages cost what they show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create tokens; index runs by time and rows in trouble by reason; mark which syncs have such."""
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
    )
    op.create_index("runs_by_time", "runs", ["started_at", "run_id"])
    op.create_index("issues_by_reason", "row_issues", ["sync", "identity", "kind", "code", "state", "key_hash"])
    op.create_table(
        "issue_marks",
        sa.Column("sync", sa.String(200), primary_key=True),
        sa.Column("mark", sa.BigInteger, nullable=False),
    )
    op.execute("insert into issue_marks (sync, mark) select distinct sync, 1 from row_issues")
