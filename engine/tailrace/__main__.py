"""`python -m tailrace`."""

from tailrace.cli import run

run()
