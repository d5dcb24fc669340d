"""Warehouses of other people's making, each started once where it can be."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql
import pytest
from pydantic import TypeAdapter
from tests.e2e.conftest import hook, workspace

from tailrace.project.config import FieldMap
from tailrace.project.warehouses import WarehouseConfig
from tailrace.warehouses import Projection, open_warehouse

__all__ = ["hook", "workspace"]
START_S = 60.0
"""Seconds that a server has to start, on a machine that others use too."""


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


@pytest.fixture(scope="session")
def mariadb():
    """Host, port and user of a MariaDB server of our own; skips where there is none."""
    daemon, installer = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if daemon is None or installer is None:
        pytest.skip("mariadbd is not installed (Debian's package is mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="tailrace-maria-"))  # short: a socket's path has at most 107 bytes
    data = [f"--datadir={folder / 'data'}", f"--user={Path.home().owner()}"]
    # Its asynchronous reads and writes are limited for the whole machine, and others may run a server, too.
    data += ["--innodb-use-native-aio=0", "--innodb-buffer-pool-size=32M"]
    made = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    done = subprocess.run([installer, "--no-defaults", *data, *made], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = [f"--socket={folder / 's'}", f"--port={port}", "--bind-address=127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([daemon, "--no-defaults", *data, *place], stdout=log, stderr=log)
    try:
        wait_for(server, lambda: pymysql.connect(host="127.0.0.1", port=port, user="root").close(), folder / "log")
        yield {"host": "127.0.0.1", "port": port, "user": "root"}
    finally:
        server.terminate()
        server.wait(START_S)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(server, reach, log):
    """Wait until a server answers; its log where it does not."""
    end = time.monotonic() + START_S
    while True:
        try:
            return reach()
        except pymysql.Error:
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the server does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
