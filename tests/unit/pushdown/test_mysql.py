"""What is of MySQL's and MariaDB's sessions alone."""

from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from tailrace.project.servers import MySQLConfig
from tailrace.pushdown import audit
from tailrace.warehouses import logins, open_warehouse


def test_rows_are_saved_where_models_are_read_in_sessions_that_may_not_write(mariadb_database, tmp_path, monkeypatch):
    """A warehouse of type mysql reads in such sessions; its desk may write all the same."""
    login, socket = logins.mysql, sa.make_url(mariadb_database)
    monkeypatch.setattr(logins, "mysql", lambda config: replace(login(config), url=socket))
    config = MySQLConfig(type="mysql", host="localhost", user="root", database=socket.database)
    warehouse = open_warehouse("maria", config, tmp_path)
    record = pl.DataFrame([pl.Series(name, ["run" if name == "run_id" else None], pl.String) for name in audit.RUNS])
    with warehouse.desk(write=True) as desk:
        audit.write(desk, "tailrace", record, iter(()))
    with warehouse.desk(write=False) as desk:
        assert desk.rows(f"SELECT run_id FROM {desk.words.place('tailrace', 'tailrace_runs')}") == [("run",)]
    warehouse.close()
