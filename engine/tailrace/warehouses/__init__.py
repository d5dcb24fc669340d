"""Warehouses: where a model runs. DuckDB natively, everything else through SQLAlchemy.

Drivers are imported when a warehouse is opened, not before.
"""

from __future__ import annotations

from pathlib import Path

from tailrace.project.warehouses import DuckDBConfig, WarehouseConfig
from tailrace.warehouses.base import Projection, Warehouse

__all__ = ["Projection", "Warehouse", "open_warehouse"]


def open_warehouse(
    name: str,
    config: WarehouseConfig,
    project_dir: Path,
    *,
    memory: int | None = None,
    spill: Path | None = None,
    patience: float = 0.0,
) -> Warehouse:
    """The warehouse called `name` in `tailrace.yml`; the first use of it connects.

    Of a warehouse that runs in this process, `memory` (bytes) is what it may take, and `spill` a folder for what does
    not fit in. `patience` is how many seconds to wait for a DuckDB file that another process holds.

    Relative paths, also those of files that a model reads, count from `project_dir`. WarehouseError
    when the driver is not installed or the configuration cannot lead to a connection.
    """
    if isinstance(config, DuckDBConfig):
        from tailrace.warehouses.duckdb import DuckDBWarehouse  # noqa: PLC0415 - the driver loads when it is used

        return DuckDBWarehouse(name, config, project_dir, memory=memory, spill=spill, patience=patience)
    from tailrace.warehouses.engines import engine_for  # noqa: PLC0415 - the driver loads when it is used
    from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse  # noqa: PLC0415 - as above

    engine = engine_for(name, config, project_dir)
    if engine.dialect.name == "postgresql":
        from tailrace.warehouses.postgres import PostgresWarehouse  # noqa: PLC0415 - as above

        return PostgresWarehouse(name, engine, timeout=getattr(config, "timeout", None))
    return SQLAlchemyWarehouse(name, engine)
