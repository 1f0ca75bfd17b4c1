"""A coordinator on loopback for tests, and a web proxy.

TLS in front and sockets behind, as the reverse proxy does it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Serve = Callable[[socket.socket], None]
Context = ssl.SSLContext | Callable[[], ssl.SSLContext] | None


@contextmanager
def listening(serve: Serve, context: Context = None) -> Iterator[int]:
    """Serve each connection in a thread; yields the port.

    Behind TLS if a context, or a function that makes one once it is needed, is passed in.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()
        thread = threading.Thread(
            target=_accept, args=(listener, serve, context, stopped), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def tls(home: Path, *, mutual: bool = False) -> ssl.SSLContext:
    """The server side of TLS with the coordinator's certificate; ``mutual`` asks for a client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(home / "server.crt", home / "server.key")
    if mutual:
        context.load_verify_locations(home / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def to_socket(path: Path) -> Serve:
    """Carry bytes to and from a Unix socket."""

    def serve(connection: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(path))
            _both_ways(connection, inner)

    return serve


def web_proxy(asked: list[str], answer: str = "HTTP/1.1 200 OK", port: int = 0) -> Serve:
    """A web proxy that records each CONNECT.

    It leads to ``port`` here, whatever name is asked for.
    """

    def serve(connection: socket.socket) -> None:
        asked.append(_head(connection))
        connection.sendall(f"{answer}\r\n\r\n".encode())
        if " 200 " in answer:
            with socket.create_connection(("127.0.0.1", port)) as inner:
                _both_ways(connection, inner)

    return serve


def fixed(answer: str) -> Serve:
    """One HTTP answer to everything."""

    def serve(connection: socket.socket) -> None:
        _head(connection)
        connection.sendall(f"{answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    return serve


def _accept(
    listener: socket.socket, serve: Serve, context: Context, stopped: threading.Event
) -> None:
    while not stopped.is_set():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            threading.Thread(target=_one, args=(connection, serve, context), daemon=True).start()


def _one(connection: socket.socket, serve: Serve, context: Context) -> None:
    connection.settimeout(60)
    with contextlib.suppress(OSError), connection:
        if context is None:
            serve(connection)
            return
        secured = context if isinstance(context, ssl.SSLContext) else context()
        with secured.wrap_socket(connection, server_side=True) as secure:
            serve(secure)


def _head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(4096)
        if not part:
            raise OSError("closed")
        head += part
    return head.decode("latin-1")


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    """Until either side closes.

    One thread, since a socket must not be closed under another one's read.
    """
    to = {one: other, other: one}
    while True:
        held = [side for side in to if isinstance(side, ssl.SSLSocket) and side.pending()]
        ready = held or select.select(list(to), [], [], 60)[0]
        if not ready:
            return
        for side in ready:
            part = side.recv(1 << 16)
            if not part:
                return
            to[side].sendall(part)
