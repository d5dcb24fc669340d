"""A query over SQLAlchemy that would take hours ends when the run is asked to stop: in the driver, not after it."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import SQLAlchemyConfig
from tailrace.stopping import RunStop, StopNow, heeding
from tailrace.warehouses import open_warehouse

FOREVER = "with recursive t(id) as (select 1 union all select id + 1 from t) select {} as id from t"


class Reader:
    """A run that reads, in a thread; `first` is called with the first batch. What it raised is kept."""

    def __init__(self, warehouse, projection, first=lambda: None):
        self.stop, self.raised = RunStop(), None
        self.thread = threading.Thread(target=self._read, args=(warehouse, projection, first))
        self.thread.start()

    def _read(self, warehouse, projection, first):
        try:
            with heeding(self.stop), warehouse.read(projection, batch_rows=1) as batches:
                for _ in batches:
                    first()
        except BaseException as error:  # noqa: BLE001 - it is looked at
            self.raised = error

    def end(self):
        """Ask it to stop; it has, and no query of it goes on in the driver."""
        self.stop.ask("by ann")
        self.thread.join(60)
        assert isinstance(self.raised, StopNow)
        assert not [thread for thread in threading.enumerate() if thread.name == "query"]


def opened(tmp_path, url):
    """A warehouse that is read by SQLAlchemy."""
    return open_warehouse("any", SQLAlchemyConfig(type="sqlalchemy", url=SecretUrl.literal(url)), tmp_path)


@pytest.mark.parametrize("url", ["sqlite:///w.db", "sqlite://"])
def test_sqlite_is_interrupted(tmp_path, projection, url):
    """While it counts to no end, before there is a first row."""
    sqlite3.connect(tmp_path / "w.db").close()
    warehouse, begun = opened(tmp_path, url), threading.Event()

    def connected(connection, _record):
        connection.create_function("begun", 1, lambda value: begun.set() or value)

    sa.event.listen(warehouse._engine, "connect", connected)
    reader = Reader(warehouse, projection(FOREVER.format("sum(begun(id))")))
    assert begun.wait(60)
    reader.end()
    warehouse.close()


def asleep(url):
    """How many sessions of that database wait for the time to pass."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        count = connection.exec_driver_sql(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        ).scalar()
    engine.dispose()
    return count


@pytest.fixture
def plain(monkeypatch):
    """Without ADBC, PostgreSQL is read as any other."""
    monkeypatch.setattr("tailrace.warehouses.postgres.find_spec", lambda _name: None)


@pytest.mark.parametrize("rows", [0, 3])
def test_postgres_is_cancelled(tmp_path, projection, postgres_database, plain, rows):
    """Before the first row, and between two batches; the server's session does not go on."""
    warehouse = opened(tmp_path, postgres_database)
    sql = f"select id, case when id > {rows} then pg_sleep(3600)::text end as slept from generate_series(1, 9) as t(id)"
    got = []
    reader = Reader(warehouse, projection(sql, Slept="slept"), lambda: got.append(1))
    pause = threading.Event()
    while not asleep(postgres_database):  # the test's own timeout ends the wait
        pause.wait(0.05)
    reader.end()
    assert len(got) <= rows
    while asleep(postgres_database):
        pause.wait(0.05)
    warehouse.close()


def test_a_driver_without_a_way_works_in_the_runs_own_thread(tmp_path, projection, monkeypatch):
    """Nothing could end it elsewhere; the run stops at the next batch, as it hears of it then."""
    sqlite3.connect(tmp_path / "w.db").close()
    warehouse, seen = opened(tmp_path, "sqlite:///w.db"), []
    monkeypatch.setattr("tailrace.warehouses.sqlalchemy.canceller", lambda _connection: None)

    def connected(connection, _record):
        connection.create_function("seen", 1, lambda value: seen.append(threading.current_thread()) or value)

    sa.event.listen(warehouse._engine, "connect", connected)
    with heeding(RunStop()), warehouse.read(projection("select seen(1) as id")) as batches:
        list(batches)
    assert set(seen) == {threading.current_thread()}
    warehouse.close()
