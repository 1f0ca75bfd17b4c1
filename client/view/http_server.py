"""The page's small server: this machine alone by default, a key in the address that becomes a cookie, two buttons.

What it holds against: other users and programs of the machine (key, then cookie), other sites in the same browser (cookie SameSite=Strict,
Origin, a form token; Fetch standard, HTML standard), a name that suddenly means this machine (Host; DNS rebinding), a page of another port
of this machine, to which browsers would send the cookie as well (RFC 6265 section 8.5: the cookie's path is secret), and oversized or slow
requests. It writes no log: addresses hold the key.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import platform
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from client.home import SiteHome
from client.view import button, status_page
from client.view.status import Status, Viewer
from common.errors import ConsiliumError, InputError

_COOKIE = "consilium_view"
_LARGEST_BODY, _MOST_READ, _LONGEST_TARGET = 4096, 1 << 16, 2048
_MOST_AT_ONCE = 16
_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
_ALWAYS = (
    ("Content-Security-Policy", status_page.POLICY),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)


class Server(ThreadingHTTPServer):
    """Listens at once; answers between :func:`open_view`'s beginning and end.

    Attributes:
        address: for the browser; it holds the key.
        loopback: only this machine can connect.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, home: SiteHome, host: str, port: int) -> None:
        self._home, self._viewer = home, Viewer(home)
        self._one, self._places = threading.Lock(), threading.BoundedSemaphore(_MOST_AT_ONCE)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(
                f"{host}, port {port}, cannot be listened at ({error.strerror}); give another --port or --host."
            ) from None
        self.loopback = _is_loopback(str(self.server_address[0]))
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self.server_address[1]}"
        self._key, self.ticket, self.csrf = (secrets.token_urlsafe(32) for _ in range(3))
        self.base = f"/{secrets.token_hex(16)}/"
        self._host = host

    @property
    def address(self) -> str:
        """Address of the page with its key."""
        return f"{self.origin}/?key={self._key}"

    def opens(self, key: str) -> bool:
        """Whether this is the key."""
        return hmac.compare_digest(key.encode(), self._key.encode())

    def knows(self, host: str) -> bool:
        """Whether a request's Host names this server by an address or a name that nobody else can give to it."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self.server_address[1]:
            return False
        if self.loopback:
            return name == "localhost" or (_is_address(name) and _is_loopback(name))
        return _is_address(name) or name in (self._host.lower(), platform.node().lower())

    def status(self) -> Status:
        """The hospital now; one look at a time."""
        with self._one:
            return self._viewer.look(datetime.now(UTC))

    def press(self, what: str, reason: str) -> None:
        """Stop or resume the hospital.

        Raises:
            ConsiliumError: it cannot be done; the sentence is for the person who pressed.
        """
        with self._one:
            if what == "stop":
                button.stop(self._home.state, reason, datetime.now(UTC), lambda _: None)
            else:
                button.resume(self._home.state)

    def server_bind(self) -> None:
        """Listen, without asking anybody for this machine's name."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless too many are at work; then the connection ends."""
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
        """A browser that went away is nobody's fault, and nothing is logged."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10
    protocol_version = "HTTP/1.0"  # one request a connection: nothing is left of one for the next

    def do_GET(self) -> None:
        """The key, the page, or its data."""
        if not self._is_ours():
            return
        target = urlsplit(self.path)
        if target.path == "/" and target.query:
            self._enter(target.query)
        elif not self._has_ticket():
            self._refuse(
                HTTPStatus.FORBIDDEN,
                "Open the address that consilium site view has printed; it holds the key.",
            )
        elif self.path == self.server.base:
            self._send(
                HTTPStatus.OK, _HTML, status_page.render(self.server.status(), self.server.csrf)
            )
        elif self.path == f"{self.server.base}status.json":
            status = self.server.status()
            more = {"mark": status_page.mark(status), "clock": status_page.clock(status)}
            self._send(
                HTTPStatus.OK, _JSON, json.dumps({**status.to_json(), **more}, allow_nan=False)
            )
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        """The two buttons."""
        if not self._is_ours() or (form := self._form()) is None:
            return
        what = self.path.removeprefix(self.server.base)
        if not self._has_ticket() or not self._is_same_origin():
            self._refuse(HTTPStatus.FORBIDDEN, "This was not asked from the page of this server.")
        elif what not in ("stop", "resume"):
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such button.")
        elif not hmac.compare_digest(form.get("csrf", "").encode(), self.server.csrf.encode()):
            self._refuse(
                HTTPStatus.FORBIDDEN, "The form is of an earlier view; load the page again."
            )
        else:
            self._press(what, form.get("reason", ""))

    def _press(self, what: str, reason: str) -> None:
        try:
            self.server.press(what, reason)
        except ConsiliumError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        else:
            self._send(HTTPStatus.SEE_OTHER, _TEXT, "", Location=self.server.base)

    def _enter(self, query: str) -> None:
        """The key for the cookie."""
        key = parse_qs(query, max_num_fields=4).get("key", [""])[0]
        if not self.server.opens(key):
            self._refuse(
                HTTPStatus.FORBIDDEN,
                "This key is of an earlier view; open the address that was printed last.",
            )
            return
        cookie = (
            f"{_COOKIE}={self.server.ticket}; Path={self.server.base}; HttpOnly; SameSite=Strict"
        )
        self._send(
            HTTPStatus.SEE_OTHER, _TEXT, "", Location=self.server.base, **{"Set-Cookie": cookie}
        )

    def _is_ours(self) -> bool:
        """Whether the request is meant for this server and small; else it is answered here."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not self.server.knows(hosts[0]):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "This server has another name.")
            return False
        if len(self.path) > _LONGEST_TARGET:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
            return False
        return True

    def _has_ticket(self) -> bool:
        """Whether the cookie is there; other pages of this machine may have put theirs beside it, of whatever form."""
        sent = [part.strip() for part in ";".join(self.headers.get_all("Cookie", [])).split(";")]
        wanted = f"{_COOKIE}={self.server.ticket}".encode()
        return any(hmac.compare_digest(part.encode("utf-8", "replace"), wanted) for part in sent)

    def _is_same_origin(self) -> bool:
        """What the browser says about where a form was sent from (Fetch standard, Origin; Fetch Metadata)."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        return origin in (None, f"http://{self.headers['Host']}") and site in (None, "same-origin")

    def _form(self) -> dict[str, str] | None:
        """The fields of a form; None if it is too long or broken, which is answered here."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not (
            length.isascii() and length.isdigit() and len(length) < 10
        ):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "A form needs its length.")
            return None
        content = self.rfile.read(
            min(int(length), _MOST_READ)
        )  # also of one that is refused, or the browser would not see why
        if int(length) > _LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too long.")
        elif self.headers.get_content_type() != "application/x-www-form-urlencoded":
            self._refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only the page's own form is understood."
            )
        else:
            try:
                found = parse_qs(content.decode(), max_num_fields=8, keep_blank_values=True)
                return {key: values[-1] for key, values in found.items()}
            except ValueError:
                self._refuse(HTTPStatus.BAD_REQUEST, "The form is broken.")
        return None

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, _TEXT, sentence + "\n")

    def _send(self, status: HTTPStatus, kind: str, text: str, **more: str) -> None:
        content = text.encode()
        self.send_response_only(status)
        for name, value in (
            *_ALWAYS,
            *more.items(),
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One plain sentence, without what was asked and without this server's version."""
        self.request_version, self.command = "HTTP/1.0", self.command or ""
        self._refuse(
            HTTPStatus(code),
            "This request is not understood."
            if code != HTTPStatus.NOT_IMPLEMENTED
            else "Only GET and POST are.",
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's word)
        """Nothing: addresses hold the key."""


@contextmanager
def open_view(home: SiteHome, host: str, port: int) -> Iterator[Server]:
    """Serve the page while the block lasts.

    Args:
        home: an enrolled hospital's folder.
        host: address to listen at.
        port: 0 for any that is free.

    Raises:
        InputError: nobody can listen there.
    """
    server = Server(home, host, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="view", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return ipaddress.ip_address(name).is_loopback
