"""fakesnow's server, whose replies to a login have all that connectors from 5.1 on look for.

Run by the Python of an environment of its own: fakesnow needs an older connector than Tailrace. Prints its port.
"""

from __future__ import annotations

import json
import socket

import uvicorn
from fakesnow.server import login_request, routes
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LOGIN = "/session/v1/login-request"
MISSING = {"masterToken": "master", "validityInSeconds": 3600, "masterValidityInSeconds": 14_400, "sessionId": 1}
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


async def record(_request: Request) -> Response:
    """What sessions signed in with so far."""
    return JSONResponse(logins)


def main() -> None:
    """Serve on a free port of this machine."""
    own = [Route(LOGIN, login, methods=["POST"]), Route("/tailrace/logins", record, methods=["GET"])]
    app = Starlette(routes=[*own, *(route for route in routes if route.path != LOGIN)])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
