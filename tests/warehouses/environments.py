"""Environments of their own for emulators whose packages do not go with Tailrace's, each made once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(name: str, requirements: Path, interpreter: str = sys.executable) -> Path:
    """The Python of the environment `.venv-NAME`, made first where it is not what the requirements ask for."""
    home = ROOT / f".venv-{name}"
    home.mkdir(exist_ok=True)
    found = home / "env" / "bin" / "python"
    version = subprocess.run([interpreter, "--version"], check=True, capture_output=True).stdout
    made, wanted = home / "made", hashlib.sha256(requirements.read_bytes() + version).hexdigest()
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not made.exists() or made.read_text() != wanted:
            subprocess.run([interpreter, "-m", "venv", "--clear", home / "env"], check=True, capture_output=True)
            _install(found, requirements, name)
            made.write_text(wanted)
    return found


def newer(major: int, minor: int) -> str | None:
    """A Python of this machine that is at least so new; None where there is none."""
    if sys.version_info >= (major, minor):
        return sys.executable
    names = [f"python{major}.{number}" for number in range(minor, minor + 4)]
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    tried = [shutil.which(name) for name in names]
    tried += [str(path) for name in names for path in sorted(versions.glob(f"*/bin/{name}"))]
    return next((path for path in tried if path and _starts(path)), None)


def _starts(path: str) -> bool:
    """Whether it is one, and no stand-in for a version that is not installed."""
    return subprocess.run([path, "-c", "import venv"], check=False, capture_output=True).returncode == 0


def _install(found: Path, requirements: Path, name: str) -> None:
    command = [found, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", requirements]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{name} cannot be installed:\n{done.stderr[-2000:]}"
