"""A proxy that breaks connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class BreakingProxy:
    """Passes bytes on, and breaks each connection after so many have come back."""

    def __init__(self, port, limits):
        self._target = ("127.0.0.1", port)
        self._limits = iter(limits)
        self.requests = []
        self._open = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._target)
            self._open += [client, upstream]
            limit = next(self._limits, None)
            for pair in (
                (client, upstream, None),
                (upstream, client, limit),
            ):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source, sink, limit):
        passed = 0
        with suppress(OSError):
            while data := source.recv(1 << 14):
                if limit is None and data[:4] in {b"GET ", b"PUT "}:
                    self.requests.append(data)
                if limit is not None and passed + len(data) > limit:
                    break
                passed += len(data)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def cut(self):
        """Break what is open now."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(60)
