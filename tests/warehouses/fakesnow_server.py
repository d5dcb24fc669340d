"""fakesnow's server, without those of its defects that would keep Tailrace's own statements from being run on it.

Its replies to a login have all that connectors from 5.1 on look for, and a NULL timestamp is one. Run by the Python of
an environment of its own: fakesnow needs an older connector than Tailrace. Prints its port.
"""

from __future__ import annotations

import json
import socket

import fakesnow.arrow
import pyarrow as pa
import uvicorn
from fakesnow.server import login_request, routes, sessions
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LOGIN = "/session/v1/login-request"
MISSING = {"masterToken": "master", "validityInSeconds": 3600, "masterValidityInSeconds": 14_400, "sessionId": 1}
fakesnow_timestamps = fakesnow.arrow.timestamp_to_sf_struct
logins: list[dict[str, object]] = []
"""What each session signed in with."""


async def login(request: Request) -> Response:
    """As fakesnow's own, with the keys that it lacks."""
    body = await request.json()
    logins.append(body["data"])
    reply = await login_request(request)
    told = json.loads(bytes(reply.body))
    told["data"] |= MISSING
    return JSONResponse(told)


async def abandon(_request: Request) -> Response:
    """Take back what sessions have begun and not ended, as Snowflake does some time after their client is gone."""
    for held in sessions.values():
        held.rollback()
    return JSONResponse({})


def timestamps(found: pa.ChunkedArray) -> pa.StructArray:
    """As fakesnow's own, but for NULLs: those it shows as parts that are NULL, and no client can read that."""
    values = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    shown = fakesnow_timestamps(values.fill_null(0))
    return pa.StructArray.from_arrays(shown.flatten(), fields=list(shown.type), mask=values.is_null())


async def record(_request: Request) -> Response:
    """What sessions signed in with so far."""
    return JSONResponse(logins)


def main() -> None:
    """Serve on a free port of this machine."""
    fakesnow.arrow.timestamp_to_sf_struct = timestamps
    own = [Route(LOGIN, login, methods=["POST"]), Route("/tailrace/logins", record, methods=["GET"])]
    own.append(Route("/tailrace/abandon", abandon, methods=["POST"]))
    app = Starlette(routes=[*own, *(route for route in routes if route.path != LOGIN)])
    listener = socket.create_server(("127.0.0.1", 0))
    # An answer whose end waits for the client's word that its beginning has come takes 40 ms longer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
