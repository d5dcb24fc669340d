"""Which warehouses behind SQLAlchemy can hold snapshots; of all others, why they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tailrace.errors import WarehouseError
from tailrace.pushdown.dbapi import DBAPIDesk, ending

if TYPE_CHECKING:
    from sqlalchemy import URL

    from tailrace.warehouses.dialects import Dialect

Fault = Callable[[str, Exception], WarehouseError]
_NO_TRANSACTION: Final = "has no transactions of several statements, so that a crash could leave half a snapshot"
_REASONS: Final = {
    "clickhouse": f"ClickHouse {_NO_TRANSACTION}",
    "clickhousedb": f"ClickHouse {_NO_TRANSACTION}",
    "trino": f"Trino {_NO_TRANSACTION}",
}
_OFFERED: Final = {
    ("sqlite", ""),
    ("sqlite", "pysqlite"),
    ("mysql", "pymysql"),
    ("mariadb", "pymysql"),
    ("snowflake", ""),
    ("snowflake", "snowflake"),
    ("redshift", "redshift_connector"),
    ("mssql", ""),
    ("mssql", "pymssql"),
    ("mssql", "pyodbc"),
    ("bigquery", ""),
    ("databricks", ""),
}
_HINT: Final = "leave `snapshots: warehouse` out of tailrace.yml, and they are kept in a folder"


def holds(name: str, url: URL) -> None:
    """WarehouseError where the warehouse `name` at that address can hold no snapshots."""
    backend, _, driver = url.drivername.partition("+")  # the URL itself would have to load the driver
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise _refused(name, "it is an SQLite in memory")
    if (backend, driver) not in _OFFERED:
        tried = f"that has not been tried with {url.drivername}"
        raise _refused(name, _REASONS.get(backend, tried))


@contextmanager
def opened(
    backend: str, driver: str, connection: Any, dialect: Dialect, fault: Fault, *, write: bool
) -> Iterator[DBAPIDesk]:
    """The desk over a driver's connection, of a warehouse that can hold snapshots."""
    desk: DBAPIDesk
    if backend == "sqlite":
        from tailrace.pushdown.sqlite import SQLiteDesk  # noqa: PLC0415 - only what is used

        desk = SQLiteDesk(connection, dialect, fault, write=write)
    elif backend == "snowflake":
        from tailrace.pushdown.snowflake import SnowflakeDesk  # noqa: PLC0415 - as above

        desk = SnowflakeDesk(connection, dialect, fault, write=write)
    elif backend == "redshift":
        from tailrace.pushdown.redshift import RedshiftDesk  # noqa: PLC0415 - as above

        desk = RedshiftDesk(connection, dialect, fault, write=write)
    elif backend == "mssql":
        from tailrace.pushdown.mssql import MSSQLDesk  # noqa: PLC0415 - as above

        desk = MSSQLDesk(connection, dialect, fault, driver=driver, write=write)
    else:
        from tailrace.pushdown.mysql import MySQLDesk  # noqa: PLC0415 - as above

        desk = MySQLDesk(connection, dialect, fault, write=write)
    with ending(desk):
        yield desk


def _refused(name: str, why: str) -> WarehouseError:
    return WarehouseError(f"warehouse {name!r} cannot hold snapshots: {why}", hint=_HINT)
