"""Stands between a client and the API server, and does to requests what a test wants: fail them, lose them, or have somebody killed around them."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .api_server import free_port

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class FaultProxy:
    """Forwards to the API server at ``port``, with its certificate.

    ``fault`` is asked about each write (its number, method and path, before it is made) and answers: ``""`` pass it, ``refuse`` answer 500
    instead, ``lose`` make it and lose the answer, or anything that it does itself by calling, such as a kill, by returning ``""`` after.
    ``after`` is called when a write was made, before its answer is passed on.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = free_port()
        self.writes: list[str] = []
        self.fault: Callable[[int, str], str] = lambda _number, _what: ""
        self.after: Callable[[int, str], None] = lambda _number, _what: None
        self.garbled = False  # answers to reads are no JSON
        self._lock = threading.Lock()
        proxy = self
        trusted = ssl.create_default_context(cafile=str(folder / "apiserver.crt"))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

            def forward(self) -> None:
                """One request."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what, number = f"{self.command} {self.path.partition('?')[0]}", -1
                if self.command in WRITES and "/leases" not in self.path:
                    with proxy._lock:
                        number = len(proxy.writes)
                        proxy.writes.append(what)
                fault = proxy.fault(number, what) if number >= 0 else ""
                if fault == "refuse":
                    self.send_error(500, "the test says no")
                    return
                connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=330)
                try:
                    connection.request(
                        self.command,
                        self.path,
                        body or None,
                        {key: value for key, value in self.headers.items() if key.lower() not in ("host", "accept-encoding")},
                    )
                    answer = connection.getresponse()
                    if number >= 0:
                        proxy.after(number, what)
                    if fault == "lose":
                        self.close_connection = True
                        return
                    self.send_response_only(answer.status)
                    self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                    if "watch=" in self.path:
                        self.send_header("Connection", "close")
                        self.end_headers()
                        while piece := answer.read1(65536):
                            self.wfile.write(piece)
                            self.wfile.flush()
                        self.close_connection = True
                        return
                    data = answer.read()
                    if proxy.garbled and self.command == "GET" and "/leases" not in self.path:
                        data = b"\x1f\x8b"
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (OSError, http.client.HTTPException):
                    self.close_connection = True  # whoever asked is gone, or the API server is
                finally:
                    connection.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 (http.server names them)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: object) -> None:
                """Connections that break are what this is for."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
        self._server.socket = own.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._server.shutdown()
            self._server.server_close()
