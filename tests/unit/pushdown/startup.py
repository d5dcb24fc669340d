"""Lets Redshift's connector in to PostgreSQL, which refuses what it says of itself when a connection begins."""

import struct

from tests.relay import Relay

KNOWN = {b"user", b"database", b"application_name"}


class Door(Relay):
    """Leads to the server, which is told such names alone as PostgreSQL knows."""

    def opening(self, client):
        """The first message without the others."""
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
