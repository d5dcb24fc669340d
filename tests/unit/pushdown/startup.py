"""Lets Redshift's connector in to PostgreSQL, which refuses what it says of itself when a connection begins."""

import socket
import struct
import threading
from contextlib import contextmanager, suppress

KNOWN = {b"user", b"database", b"application_name"}


@contextmanager
def door(path):
    """The port of this machine that leads to the server behind a Unix socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, path), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener, path):
    with suppress(OSError):  # the listener is closed when nobody needs it any more
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_lead, args=(client, path), daemon=True).start()


def _lead(client, path):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        server.sendall(_opening(client))
        back = threading.Thread(target=_pass, args=(server, client), daemon=True)
        back.start()
        _pass(client, server)
        back.join()


def _opening(client):
    """The first message, with such names alone as PostgreSQL knows."""
    (size,) = struct.unpack("!i", _exactly(client, 4))
    body = _exactly(client, size - 4)
    parts = body[4:].rstrip(b"\0").split(b"\0")
    kept = [part for at in range(0, len(parts) - 1, 2) if parts[at] in KNOWN for part in parts[at : at + 2]]
    told = body[:4] + b"".join(part + b"\0" for part in kept) + b"\0"
    return struct.pack("!i", len(told) + 4) + told


def _exactly(client, size):
    found = b""
    while len(found) < size:
        piece = client.recv(size - len(found))
        assert piece, "the connector has gone"
        found += piece
    return found


def _pass(one, other):
    with suppress(OSError):
        while piece := one.recv(65_536):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
