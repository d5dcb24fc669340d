"""local-bigquery, in an environment of its own, made once: a BigQuery over DuckDB for Google's own client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.warehouses.environments import newer, python

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "local-bigquery-requirements.txt"
SERVER = HERE / "local_bq_server.py"


@dataclass(frozen=True)
class LocalBigQuery:
    """A server on this machine, which has any project that is asked for."""

    host: str
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def credentials(self) -> str:
        """The JSON of a service account that signs in here."""
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        parts = {
            "type": "service_account",
            "project_id": "acme",
            "private_key": self.key.private_bytes(*form).decode(),
            "client_email": "writer@acme.iam.gserviceaccount.com",
            "token_uri": f"{self.host}/token",
        }
        return json.dumps(parts)


@contextmanager
def local_bigquery_server() -> Iterator[LocalBigQuery]:
    """A server without a table, until the block ends; skips where no Python is new enough for it."""
    interpreter = newer(3, 13)
    if interpreter is None:
        pytest.skip("local-bigquery needs Python 3.13 or newer, which is not installed")
    command = [python("local-bigquery", REQUIREMENTS, interpreter), SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline()
            assert port, "local-bigquery's server does not start"
            yield LocalBigQuery(f"http://127.0.0.1:{int(port)}")
        finally:
            server.terminate()
