"""`python -m tailrace.sandbox`: the process behind `SandboxServer`; not meant to be called by hand."""

import sys

from tailrace.sandbox.server import serve_child

if __name__ == "__main__":
    sys.exit(serve_child())
