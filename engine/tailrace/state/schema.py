"""The tables of the state database.

Times are seconds since the epoch as floats: they compare and subtract the same in every dialect.
Blobs are versioned by their first byte, see `tailrace.state.packing`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

HEAD = "0006"
"""The alembic revision these tables belong to; a test keeps it equal to the migrations' head."""

metadata = MetaData()

leases = Table(
    "leases",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("holder", Text),
    Column("host", Text),
    Column("pid", Integer),
    Column("acquired_at", Float),
    Column("expires_at", Float, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("sync", String(200), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("destination", String(200), nullable=False),
    Column("object", Text, nullable=False),
    Column("identity", String(64), nullable=False),
    Column("token", Integer, nullable=False),
    Column("plan_hash", String(64)),
    Column("status", String(16), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("counts", Text, nullable=False),
    Column("tallies", Text, nullable=False),
    Column("errors", Text, nullable=False),
    Column("seconds", Text, nullable=False),
    Column("message", Text),
    Column("discreet", Text),
    Column("outdated", Boolean, nullable=False),
    Index("runs_of_sync", "sync", "started_at"),
    Index("runs_by_time", "started_at", "run_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("operation", String(16), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("intended_at", Float, nullable=False),
    Column("settled_at", Float),
    Column("acknowledged", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("seqs", LargeBinary),
    Column("outcomes", LargeBinary),
    Column("receipt", Text),
)

row_issues = Table(
    "row_issues",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("identity", String(64), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("key_text", Text, nullable=False),
    Column("op", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("payload_hash", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", Boolean, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("retry_at", Float),
    Index("issues_by_reason", "sync", "identity", "kind", "code", "state", "key_hash"),
)

holds = Table(
    "holds",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("identity", String(64), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("since", String(64), primary_key=True),
    Column("reason", String(16), primary_key=True),
    Column("until", Float),
    Column("first_run", String(64), nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_run", String(64), nullable=False),
    Column("last_at", Float, nullable=False),
    Column("runs", Integer, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("destination", String(200), primary_key=True),
    Column("hint", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quota_left", Integer),
    Column("quota_max", Integer),
    Column("seen_at", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("made_at", Float, nullable=False),
)

limits = Table(
    "limits",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("paused_until", Float, nullable=False),
    Column("share", Float, nullable=False),
    Column("shrunk_at", Float, nullable=False),
    Column("quota_left", Integer),
    Column("quota_max", Integer),
    Column("quota_seen_at", Float),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Float),
    Column("open_until", Float),
    Column("probe_until", Float),
    Column("last_error", Text),
)

limit_windows = Table(
    "limit_windows",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("taken", BigInteger, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("sync", String(200), primary_key=True),
    Column("calls", BigInteger, nullable=False),
)

permits = Table(
    "permits",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("who", Text, nullable=False),
    Column("at", Float, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("sync", String(200), nullable=False),
    Column("full", Boolean, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("overrides", Text, nullable=False),
    Column("plan", LargeBinary),
    Column("planned", Boolean, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("once", String(200), unique=True),
    Column("state", String(16), nullable=False),
    Column("host", Text),
    Column("pid", Integer),
    Column("taken_at", Float),
    Column("finished_at", Float),
    Column("run_id", String(64)),
    Column("result", Text),
    Column("message", Text),
    Index("requests_by_state", "state", "at"),
)

cancels = Table(
    "cancels",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", String(32)),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("since", Float, nullable=False),
    Column("mark", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("told_at", Float),
    Column("ended_at", Float),
)

totals = Table(
    "totals",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Float, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("used_at", Float),
)

issue_marks = Table(
    "issue_marks",
    metadata,
    Column("sync", String(200), primary_key=True),
    Column("mark", BigInteger, nullable=False),
)
