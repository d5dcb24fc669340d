"""Write requirements.txt: every dependency of every extra, pinned, with hashes, and no address of any index.

Run by `make lock`. The result serves Python 3.11 and newer on all platforms.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# All dependencies of tailrace, pinned and hashed, for Python 3.11 and newer.
# Made by `make lock` from pyproject.toml; do not edit by hand.
# Install with: pip install --no-deps --require-hashes -r requirements.txt
"""
COMPILE = (
    *("pip", "compile", "pyproject.toml", "--quiet", "--universal", "--python-version", "3.11"),
    *("--extra", "all", "--extra", "dev", "--generate-hashes", "--upgrade"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
)
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?| *#.*")


def compile_pins() -> str:
    """The resolver's answer; its own message on stderr when there is none."""
    command = [sys.executable, "-m", "uv", *COMPILE]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("make lock: the dependencies could not be resolved; requirements.txt is unchanged")
    return done.stdout


def check(pins: str) -> None:
    """Refuse a line that is no pin, hash or comment: an option or an address would tie users to one index."""
    strange = [line for line in pins.splitlines() if not PIN.fullmatch(line)]
    if strange:
        raise SystemExit("make lock: unexpected lines, requirements.txt is unchanged:\n" + "\n".join(strange))


def main() -> None:
    """Resolve, check, write."""
    pins = compile_pins()
    check(pins)
    (ROOT / "requirements.txt").write_text(HEADER + pins, encoding="utf-8")


if __name__ == "__main__":
    main()
