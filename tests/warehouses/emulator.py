"""fakesnow's server, in an environment of its own, made once: a Snowflake over DuckDB for the real connector."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tests.warehouses.environments import python

from tailrace.project.types import Secret
from tailrace.project.warehouses import WarehouseConfig

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "fakesnow-requirements.txt"
SERVER = HERE / "fakesnow_server.py"


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
    command = [python("fakesnow", REQUIREMENTS), SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline()
            assert port, "fakesnow's server does not start"
            yield Snowflake(int(port))
        finally:
            server.terminate()
