"""Short ways to write a projection down and to read it in full."""

from __future__ import annotations

import pytest

from tailrace.project.config import FieldMap
from tailrace.warehouses import Projection


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
