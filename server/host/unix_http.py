"""Small HTTP services of the server host behind Unix sockets, which only this user and the reverse proxy reach."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each connection; none of them keeps the process alive."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no event: what it sent is thrown away, and it calls again."""


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 without a word about what answers, and without a log of requests: both sides' own logs name the messages."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "consilium", ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing."""

    def reply(self, status: int, body: bytes = b"") -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(server: Server, path: Path, name: str) -> Iterator[None]:
    """Serve in a thread of that name while the context lasts; only this user may connect to ``path``."""
    with server:
        path.chmod(0o600)
        threading.Thread(target=server.serve_forever, args=(0.2,), name=name, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
