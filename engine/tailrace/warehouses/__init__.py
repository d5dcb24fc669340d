"""Warehouses: where a model runs. DuckDB natively, everything else through SQLAlchemy.

Drivers are imported when a warehouse is opened, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.project.warehouses import BigQueryConfig, DuckDBConfig, EngineConfig, WarehouseConfig
from tailrace.warehouses.base import Projection, Warehouse

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
        from tailrace.warehouses.duckdb import DuckDBWarehouse

        return DuckDBWarehouse(name, config, project_dir, memory=memory, spill=spill, patience=patience)
    from tailrace.warehouses.engines import engine_for

    return _over(name, config, engine_for(name, config, project_dir))


def _over(name: str, config: EngineConfig, engine: Engine) -> Warehouse:
    """What reads from the engine in the way that suits its driver."""
    # ruff: noqa: PLC0415 - each loads when it is used
    match engine.dialect.name:
        case "postgresql":
            from tailrace.warehouses.postgres import PostgresWarehouse

            return PostgresWarehouse(name, engine, timeout=getattr(config, "timeout", None))
        case "snowflake":
            from tailrace.warehouses.snowflake import SnowflakeWarehouse

            return SnowflakeWarehouse(name, engine)
        case "bigquery":
            from tailrace.warehouses.bigquery import BigQueryWarehouse

            return BigQueryWarehouse(name, engine, config if isinstance(config, BigQueryConfig) else None)
        case "databricks":
            from tailrace.warehouses.databricks import DatabricksWarehouse

            return DatabricksWarehouse(name, engine)
        case "redshift":
            from tailrace.warehouses.redshift import RedshiftWarehouse

            return RedshiftWarehouse(name, engine)
    from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse

    return SQLAlchemyWarehouse(name, engine)
