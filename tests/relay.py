"""A relay from a port of this machine to a server behind a Unix socket, for tests that meddle with what passes."""

import socket
import threading
from contextlib import suppress


class Relay:
    """Leads each connection to `port` on to the server; as a context it takes no more at its end."""

    def __init__(self, path):
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits for one
        self._listener.close()

    def opening(self, _client):
        """What the server is sent first, before all that is left to read of the client."""
        return b""

    def passes(self, _data, *, answers):
        """Whether the connection goes on with that, which is of the server where it `answers`."""
        return True

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._path)
            server.sendall(self.opening(client))
            back = threading.Thread(target=self._pump, args=(server, client), kwargs={"answers": True}, daemon=True)
            back.start()
            self._pump(client, server, answers=False)
            back.join()

    def _pump(self, source, target, *, answers):
        with suppress(OSError):
            while (data := source.recv(65_536)) and self.passes(data, answers=answers):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
