"""Warehouses of other people's making, each started once where it can be."""

import pytest
from pydantic import TypeAdapter
from tests.e2e.conftest import hook, workspace

from tailrace.project.config import FieldMap
from tailrace.project.warehouses import WarehouseConfig
from tailrace.warehouses import Projection, open_warehouse

__all__ = ["hook", "workspace"]


@pytest.fixture
def opened(tmp_path):
    """Open warehouses by their entries, until the test ends."""
    held = []

    def build(**entry):
        config = TypeAdapter(WarehouseConfig).validate_python(entry)
        held.append(open_warehouse("wh", config, tmp_path))
        return held[-1]

    yield build
    for warehouse in held:
        warehouse.close()


@pytest.fixture
def read():
    """The schema and the rows of columns of a model, keyed and matched by `id`."""

    def run(warehouse, sql, *columns, batch_rows=65_536, **fields):
        maps = {name: FieldMap(column=name) for name in columns}
        maps |= {name: FieldMap(**source) for name, source in fields.items()}
        with warehouse.read(Projection(sql, ("id",), {"Ext": "id"}, maps), batch_rows=batch_rows) as batches:
            found = list(batches)
        assert len({str(batch.schema) for batch in found}) == 1, "types changed from batch to batch"
        assert max(batch.num_rows for batch in found) <= batch_rows
        return found[0].schema, [row for batch in found for row in batch.to_pylist()]

    return run
