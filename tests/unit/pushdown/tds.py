"""A server of SQL Server's protocol, TDS 7.4, that leaves statements to somebody else: what pymssql needs, and no more.

No encryption, any password, batches of text alone. By [MS-TDS], the protocol's specification.
"""

import socketserver
import struct
import threading
from contextlib import suppress
from decimal import Context, Decimal

NULL = b"\xff" * 8
"""Of a value whose length is not limited."""
COLLATION = bytes.fromhex("0904d00034")
PRELOGIN, LOGIN, BATCH, ATTENTION = 0x12, 0x10, 0x01, 0x06
PACKET = 4096
ERROR, COUNT, ATTENDED = 0x02, 0x10, 0x20
"""Flags of what ends an answer."""


def text(value):
    """In the protocol's characters."""
    return value.encode("utf-16-le")


def unlimited(value):
    """Bytes of any length: how many, a piece, and the end."""
    return struct.pack("<Q", len(value)) + (struct.pack("<I", len(value)) + value if value else b"") + bytes(4)


def short(value):
    """Bytes behind their number."""
    return bytes([len(value)]) + value


def day(value):
    """Days from the first of the year 1."""
    return (value.toordinal() - 1).to_bytes(3, "little")


def ticks(value):
    """Tenths of a microsecond since midnight."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return (seconds * 10**7 + value.microsecond * 10).to_bytes(5, "little")


def decimal(scale):
    """The type, and the form of its values."""

    def form(value):
        number = int(Decimal(value).scaleb(scale, Context(prec=60)))
        return short(bytes([number >= 0]) + abs(number).to_bytes(16, "little"))

    return bytes([0x6A, 17, 38, scale]), form


TYPES = {
    "BIT": (b"\x68\x01", lambda value: short(bytes([value]))),
    "INT": (b"\x26\x04", lambda value: short(struct.pack("<i", value))),
    "BIGINT": (b"\x26\x08", lambda value: short(struct.pack("<q", value))),
    "REAL": (b"\x6d\x04", lambda value: short(struct.pack("<f", value))),
    "FLOAT": (b"\x6d\x08", lambda value: short(struct.pack("<d", value))),
    "NVARCHAR": (b"\xe7\xff\xff" + COLLATION, lambda value: unlimited(text(value))),
    "VARBINARY": (b"\xa5\xff\xff", unlimited),
    "DATE": (b"\x28", lambda value: short(day(value))),
    "TIME": (b"\x29\x07", lambda value: short(ticks(value))),
    "DATETIME2": (b"\x2a\x07", lambda value: short(ticks(value) + day(value))),
    "DATETIMEOFFSET": (b"\x2b\x07", lambda value: short(ticks(value) + day(value) + bytes(2))),
    "UNIQUEIDENTIFIER": (b"\x24\x10", lambda value: short(value.bytes_le)),
}
"""Each type as columns have it, and the form of its values; moments with an offset are given in UTC."""


def done(flags=0, rows=0):
    """The end of an answer."""
    return struct.pack("<BHHQ", 0xFD, flags, 0, rows)


def failed(message):
    """An answer that is an error."""
    said = struct.pack("<iBBH", 50_000, 1, 16, len(message)) + text(message) + bytes(2) + struct.pack("<i", 1)
    return struct.pack("<BH", 0xAA, len(said)) + said + done(ERROR)


def answered(columns, rows):
    """Rows, of columns with a name and a type."""
    found = struct.pack("<BH", 0x81, len(columns))
    for name, (kind, _) in columns:
        found += struct.pack("<IH", 0, 1) + kind + bytes([len(name)]) + text(name)
    for row in rows:
        found += b"\xd1"
        for value, (_, (kind, form)) in zip(row, columns, strict=True):
            nothing = NULL if kind[1:3] == b"\xff\xff" else b"\0"
            found += nothing if value is None else form(value)
    return found + done(COUNT, len(rows))


def logged_in():
    """What a login is answered."""
    acknowledged = b"\x01\x74\x00\x00\x04" + bytes([len("tests")]) + text("tests") + b"\x10\0\0\0"
    return struct.pack("<BH", 0xAD, len(acknowledged)) + acknowledged + done()


UNENCRYPTED = bytes.fromhex("00000b0006 0100110001 ff 100000000000 02".replace(" ", ""))
"""A version, and that there is no encryption."""


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self):
        answer, sent = self.server.session(), b""
        with suppress(ConnectionError):
            while (kind := self._message()) is not None:
                if kind[0] == PRELOGIN:
                    sent = UNENCRYPTED
                elif kind[0] == LOGIN:
                    sent = logged_in()
                elif kind[0] == ATTENTION:
                    sent = done(ATTENDED)
                else:
                    (headers,) = struct.unpack_from("<I", kind[1])
                    sent = answer(kind[1][headers:].decode("utf-16-le"))
                self._send(sent)

    def _message(self):
        """The type of what came, and its content; None at the end."""
        found = b""
        while header := self._exactly(8):
            kind, status, size = struct.unpack_from(">BBH", header)
            found += self._exactly(size - 8)
            if status & 1:
                return kind, found
        return None

    def _exactly(self, size):
        found = b""
        while len(found) < size:
            piece = self.request.recv(size - len(found))
            if not piece:
                return b""
            found += piece
        return found

    def _send(self, content):
        pieces = [content[at : at + PACKET - 8] for at in range(0, len(content), PACKET - 8)]
        for number, piece in enumerate(pieces, 1):
            last = number == len(pieces)
            self.request.sendall(struct.pack(">BBHHBB", 4, last, len(piece) + 8, 0, number % 256, 0) + piece)


class Server(socketserver.ThreadingTCPServer):
    """At a port of its own; `session` makes what answers the statements of one connection."""

    daemon_threads = True

    def __init__(self, session):
        super().__init__(("127.0.0.1", 0), Handler)
        self.session = session
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        """Take no more connections."""
        self.shutdown()
        self.server_close()
