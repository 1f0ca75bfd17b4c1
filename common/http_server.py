"""The base of every small HTTP service: so many requests at once, each within limits.

It listens nowhere by itself: a service gives it its socket, its limits and its answers, and no
answer says a word about what answers. Errors are one JSON object, ``{"error": sentence}``. What is
refused is read on for a moment, since closing on a sender would take the answer from it (RFC 9112
section 9.6).
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

JSON = "application/json"
_SENTENCES: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is no such address.",
    HTTPStatus.LENGTH_REQUIRED: "The request needs its length.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.NOT_IMPLEMENTED: "There is no such method.",
}
_MOST_DIGITS = 20
"""Of a stated length; int() takes seconds for millions of digits."""
_BLOCK = 1 << 20
_MOST_READ_ON = 64 << 20
"""Bytes of what was refused that are read on, for the sender's sake."""
_QUIET = 0.5
"""Seconds without a byte after which a body of no stated length is taken to be over."""
_LONGEST_READ_ON = 5.0
"""Seconds for which what was refused is read on: a sender that stalls holds no thread."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection, at most ``at_once``; further connections end at once.

    No thread keeps the process alive.
    """

    daemon_threads = True
    at_once = 32

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(self.at_once)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless too many are at work."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no event: what it sent is thrown away, and it calls again."""


class UnixServer(Server, socketserver.UnixStreamServer):
    """Listens on a Unix socket that only this user may connect to."""

    def __init__(self, path: Path, *arguments: Any) -> None:
        super().__init__(str(path), *arguments)
        path.chmod(0o600)


class Handler(BaseHTTPRequestHandler):
    """One connection's requests.

    Attributes:
        timeout: seconds in which a caller must send or take something.
        longest_target: characters of an address.
        largest_body: bytes of a request's body that :meth:`body` reads.
        always: headers of every answer.
        unread: whether the request's body has not been read.
    """

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # also a broken request gets an answer with a status
    timeout = 10.0
    longest_target = 2048
    largest_body = 0
    always: tuple[tuple[str, str], ...] = ()
    unread = False

    def parse_request(self) -> bool:
        """Whether the request is one, and its address not too long; else it is answered here."""
        if not super().parse_request():
            return False
        self.unread = self.command in ("POST", "PUT") and self.headers.get("Content-Length") != "0"
        if len(self.path) > self.longest_target:
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            return False
        return True

    def length(self) -> int | None:
        """Bytes of the request's body; None if it is not stated as one plain number."""
        text = self.headers.get("Content-Length", "")
        # Both headers at once, or another form of number, is how requests are smuggled past proxies
        # (RFC 9112 section 11.2).
        plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        return int(text) if plain and "Transfer-Encoding" not in self.headers else None

    def body(self) -> bytes | None:
        """The request's body; None if it was answered here: no length, too long, cut short."""
        length = self.length()
        if length is None:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return None
        if length > self.largest_body:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        content = self.rfile.read(length)
        self.unread = False
        if len(content) < length:
            self.refuse(HTTPStatus.BAD_REQUEST, "The request is cut short.")
            return None
        return content

    def reply(self, status: int, content: bytes = b"", kind: str = "", **more: str) -> None:
        """A whole answer; ``kind`` is its media type, ``more`` are headers with ``_`` for ``-``."""
        self.send_response_only(status)
        types = (("Content-Type", kind),) if kind else ()
        own = [(name.replace("_", "-"), value) for name, value in more.items()]
        end = (("Connection", "close"),) if self.close_connection else ()
        length = ("Content-Length", str(len(content)))
        for name, value in (*self.always, *own, *types, length, *end):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, sentence: str) -> None:
        """An error, and the end of the connection."""
        self.close_connection = True
        self.reply(status, *self.problem(sentence))
        if self.unread:
            self._read_on()

    def problem(self, sentence: str) -> tuple[bytes, str]:
        """The body of an error and its media type."""
        return json.dumps({"error": sentence}).encode(), JSON

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One sentence, without what was asked or this program's version."""
        # The base class calls this too, for requests that it could not read so far as a version.
        self.request_version = self.request_version or self.default_request_version
        self.refuse(code, _SENTENCES.get(code, "This request is not understood."))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: each service's own log names what matters, without what requests hold."""

    def _read_on(self) -> None:
        length = self.length()
        # A stated length says when the sender is done, so that a slow one need not be guessed at.
        self.connection.settimeout(_QUIET if length is None else _LONGEST_READ_ON)
        left = min(_MOST_READ_ON if length is None else length, _MOST_READ_ON)
        last = time.monotonic() + _LONGEST_READ_ON
        with contextlib.suppress(OSError):
            while left and time.monotonic() < last:
                block = self.rfile.read1(min(left, _BLOCK))
                if not block:
                    break
                # One read takes what lies in the socket, which may be a few kilobytes: bytes are
                # counted, not reads.
                left -= len(block)


@contextmanager
def serving_alone(server: Server, name: str) -> Iterator[None]:
    """Serve in a thread of that name while the block lasts, then let go of the socket."""
    with server, serving(server, name):
        yield


@contextmanager
def serving(server: Server, name: str) -> Iterator[None]:
    """Answer in a thread of that name while the block lasts."""
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
