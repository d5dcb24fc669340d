"""How a `sql` destination reads in `tailrace.yml`, and what it adds to a sync file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tailrace.project.config import DestinationConfig, SyncOptions
from tailrace.project.types import SecretUrl


class SqlConfig(DestinationConfig):
    """A database, by SQLAlchemy URL. A relative SQLite path starts at the project's folder."""

    type: Literal["sql"]
    url: SecretUrl
    db_schema: Annotated[str | None, Field(alias="schema")] = None
    """Where tables named without a schema are; default: the database's own."""
    create_table: bool = False
    """Make a table that is missing, and columns it lacks, when rows first arrive for them."""


class SqlOptions(SyncOptions):
    """Extra keys of a sync into a `sql` destination."""

    create_table: bool | None = None
    """Overrides the destination's `create_table` for this sync."""
