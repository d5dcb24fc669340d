"""TPC-H customers and orders in a DuckDB file, and a project around it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

PROJECT = Path(__file__).parent / "tpch"
CUSTOMERS = 150_000
"""Customers at scale 1, with ten times as many orders."""


def build(folder: Path, scale: float) -> Path:
    """Copy the project to `folder` and fill its warehouse; gives the project's folder."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    generator = Path(sys.executable).with_name("tpchgen-cli")
    options = ["parquet", "-s", str(scale), "--tables", "customer,orders", "--output-dir", str(folder)]
    subprocess.run([str(generator), *options], check=True, capture_output=True)
    with duckdb.connect(folder / "tpch.duckdb") as connection:
        for table in ("customer", "orders"):
            source = folder / f"{table}.parquet"
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM '{source}'")
            source.unlink()
    return folder


def change(folder: Path) -> None:
    """Change about 1% of the customers."""
    with duckdb.connect(folder / "tpch.duckdb") as connection:
        connection.execute((folder / "change.sql").read_text(encoding="utf-8"))
