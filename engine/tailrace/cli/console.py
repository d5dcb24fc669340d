"""The console and the API beside `serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tailrace.cli.common import tell


@contextmanager
def console(
    folder: Path,
    *,
    listen: str,
    port: int,
    hosts: tuple[str, ...] = (),
    auth: bool = False,
    trouble: Callable[[], str | None],
) -> Iterator[None]:
    """Serve the console and the API of the project in that folder until the block ends, and say where.

    `trouble` tells what keeps the scheduler from its work.
    """
    from tailrace.extras import need  # noqa: PLC0415

    need("starlette", "uvicorn", "jinja2", extra="serve", what="the console (--no-web goes without)")
    from tailrace.web.server import Listening, serving  # noqa: PLC0415

    with serving(folder, Listening(listen, port, hosts, auth), trouble) as address:
        tell(f"console: {address}", url=address)
        yield
