"""Measurements in processes of their own, tuned as the program's are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Before any library is loaded, as the program does.
_START = "from tailrace.tuning import prepare; prepare(); import runpy; runpy.run_module({!r}, run_name='__main__')"


def measured(module: str, *words: object, places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The figures that a module prints as its last line, in JSON; `places` are more variables of the environment."""
    environment = {**os.environ, **(places or {})}
    command = _command(module, *words)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def begun(module: str, *words: object) -> subprocess.Popen[str]:
    """The module as a process with pipes for its input and output."""
    pipe = subprocess.PIPE
    return subprocess.Popen(_command(module, *words), cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def _command(module: str, *words: object) -> list[str]:
    return [sys.executable, "-c", _START.format(module), *map(str, words)]
