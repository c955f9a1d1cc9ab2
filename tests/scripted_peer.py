"""An HTTP server that answers mPlane requests as a test says."""

from __future__ import annotations

import http.server
import threading

from pilothouse.mplane import model
from pilothouse.mplane.media import MEDIA_TYPE
from web_server import WebServer


class Scripted:
    """An HTTP server that answers what a test says."""

    def __init__(self):
        self.paths = []
        self.bodies = []
        self.answers = {}
        self._lock = threading.Lock()
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                with script._lock:
                    script.bodies.append(body)
                    script.paths.append(f"{self.command} {self.path}")
                answer = script.answers.get(f"{self.command} {self.path}")
                answer = answer() if callable(answer) else answer
                status, content_type, body = answer or (404, "text/plain", b"")
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer  # noqa: N815 - as the base calls them

            def log_message(self, *words):
                pass

        self._server = WebServer(Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def page(self, path, *links):
        body = "".join(f"<a href='{link}'>x</a>" for link in links).encode()
        self.answers[f"GET {path}"] = (200, "text/html", body)

    def message(self, path, message, method="GET", status=200, parameters=""):
        body = model.unparse_json(message).encode()
        self.answers[f"{method} {path}"] = (status, MEDIA_TYPE + parameters, body)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
