"""Small HTTP services of the server host behind Unix sockets, for its user and the proxy."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import http_server


class UnixServer(http_server.Server, socketserver.UnixStreamServer):
    """Listens on a Unix socket that only this user may connect to."""

    def __init__(self, path: Path, handler: type[http_server.Handler]) -> None:
        super().__init__(str(path), handler)
        path.chmod(0o600)


@contextmanager
def serving(server: UnixServer, name: str) -> Iterator[None]:
    """Serve in a thread of that name while the context lasts, then let go of the socket."""
    with server, http_server.serving(server, name):
        yield
