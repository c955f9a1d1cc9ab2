"""A web server on a free port of loopback, for handlers that a test writes."""

import http.server
import sys


class WebServer(http.server.ThreadingHTTPServer):
    """Clients may hang up when they like: that is no error of the server."""

    daemon_threads = True

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
