from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_the_demo_works_twice_in_a_row():
    """The demo checks what it tells, and starts from nothing each time."""
    for _ in range(2):
        command = [sys.executable, ROOT / "scripts" / "demo.py"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Where to look next" in done.stdout
