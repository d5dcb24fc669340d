"""The copy of what runs did, where two of them are the first at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from tailrace.canonical import dtype
from tailrace.pushdown import audit

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def record(run_id):
    """What there is to write of a run, with nothing in it but its name."""
    return pl.DataFrame(
        [pl.Series(name, [run_id if name == "run_id" else None], dtype(kind)) for name, kind in audit.RUNS.items()]
    )


@pytest.mark.parametrize("made", ["nothing", "the schema"])
def test_two_that_are_the_first_wait_for_each_other(postgres, made):
    """The second comes while the first has made the schema, and not said so yet: both are written."""
    schema = f"audit of {made}"
    if made == "the schema":
        with postgres.desk(write=True) as desk:
            desk.run(f'CREATE SCHEMA "{schema}"')

    def write(run_id):
        with postgres.desk(write=True) as desk:
            audit.write(desk, schema, record(run_id), iter(()))

    with ThreadPoolExecutor(1) as pool:
        with postgres.desk(write=True) as first:
            audit.write(first, schema, record("first"), iter(()))
            second = pool.submit(write, "second")
            with postgres.desk(write=False) as looking:
                while not looking.rows(WAITING)[0][0] and not second.done():
                    threading.Event().wait(0.01)
        second.result()
    with postgres.desk(write=False) as desk:
        found = desk.rows(f'SELECT run_id FROM "{schema}".tailrace_runs ORDER BY run_id')
    assert found == [("first",), ("second",)]


def test_a_run_is_there_once_however_often_it_is_written(warehouse):
    """In each warehouse; its rows are as they were given."""
    rows = pl.DataFrame([pl.Series(n, ["x"], pl.String) for n in audit.ROWS]).with_columns(run_id=pl.lit("run"))
    for _ in range(2):
        with warehouse.desk(write=True) as desk:
            audit.write(desk, "copies", record("run"), iter([rows]))
    with warehouse.desk(write=False) as desk:
        places = (desk.words.place("copies", name) for name in audit.TABLES)
        assert [desk.rows(f"SELECT run_id FROM {place}") for place in places] == [[("run",)], [("run",)]]
