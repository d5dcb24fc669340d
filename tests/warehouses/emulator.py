"""fakesnow's server, in an environment of its own, made once: a Snowflake over DuckDB for the real connector."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tailrace.project.types import Secret
from tailrace.project.warehouses import WarehouseConfig

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".venv-fakesnow"
REQUIREMENTS = HERE / "fakesnow-requirements.txt"
SERVER = HERE / "fakesnow_server.py"


def python() -> Path:
    """The Python of the environment, made first where it is not what the requirements ask for."""
    HOME.mkdir(exist_ok=True)
    found = HOME / "env" / "bin" / "python"
    made, wanted = HOME / "made", hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not made.exists() or made.read_text() != wanted:
            venv.create(HOME / "env", clear=True, with_pip=True)
            _install(found)
            made.write_text(wanted)
    return found


def _install(found: Path) -> None:
    command = [found, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", REQUIREMENTS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"fakesnow cannot be installed:\n{done.stderr[-2000:]}"


@dataclass(frozen=True)
class Snowflake:
    """A server on this machine."""

    port: int

    def entry(self, database: str = "DB") -> dict[str, str | int]:
        """The warehouse's keys in tailrace.yml, but for its password; a database that is not there is made."""
        place = {"database": database, "schema": "PUBLIC", "warehouse": "WH", "role": "READER"}
        address = {"host": "127.0.0.1", "port": self.port, "protocol": "http"}
        return {"type": "snowflake", "account": "acme", "user": "app", **address, **place}

    def config(self, database: str = "DB") -> WarehouseConfig:
        """The same as an entry that was read."""
        adapter: TypeAdapter[WarehouseConfig] = TypeAdapter(WarehouseConfig)
        return adapter.validate_python({**self.entry(database), "password": Secret.literal("x")})

    def abandon(self) -> None:
        """Have it take back what clients that are gone have left open."""
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/tailrace/abandon", b"", timeout=60).close()

    def logins(self) -> list[dict[str, Any]]:
        """What each session signed in with, oldest first."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/tailrace/logins", timeout=60) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextmanager
def snowflake_server() -> Iterator[Snowflake]:
    """A server without a table, until the block ends."""
    command = [python(), SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline()
            assert port, "fakesnow's server does not start"
            yield Snowflake(int(port))
        finally:
            server.terminate()
