"""The page's small server: a key in the address becomes a cookie, two buttons are pressed.

It listens on this machine alone by default.

What it holds against: other users and programs of the machine (key, then cookie), other sites in
the same browser (cookie SameSite=Strict, Origin, a form token; Fetch standard, HTML standard), a
name that suddenly means this machine (Host; DNS rebinding), a page of another port of this machine,
to which browsers would send the cookie as well (RFC 6265 section 8.5: the cookie's path is secret),
and oversized or slow requests. It writes no log: addresses hold the key.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import platform
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from client.home import SiteHome
from client.view import button, status_page
from client.view.status import Status, Viewer
from common import http_server
from common.errors import ConsiliumError, InputError

_COOKIE = "consilium_view"
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
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


class PageServer(http_server.Server):
    """Listens at once; answers between :func:`open_view`'s beginning and end.

    Attributes:
        address: for the browser; it holds the key.
        loopback: only this machine can connect.
    """

    allow_reuse_address = True
    request_queue_size = 32
    at_once = 16

    def __init__(self, home: SiteHome, host: str, port: int) -> None:
        self._home = home
        self._viewer = Viewer(home)
        # a Viewer is not for several threads, and a stop must not overtake a resume
        self._lock = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(
                f"{host}, port {port}, cannot be listened at ({error.strerror}); "
                "give another --port or --host."
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
        """Whether a request's Host is a name of this server that nobody else can take."""
        try:
            parts = urlsplit(f"//{host}")
            name = parts.hostname or ""
            port = parts.port or 80
        except ValueError:
            return False
        if port != self.server_address[1]:
            return False
        if self.loopback:
            return name == "localhost" or (_is_address(name) and _is_loopback(name))
        return _is_address(name) or name in (self._host.lower(), platform.node().lower())

    def status(self) -> Status:
        """The hospital now; one look at a time."""
        with self._lock:
            return self._viewer.look(datetime.now(UTC))

    def press(self, button_name: str, reason: str) -> None:
        """Stop or resume the hospital.

        Raises:
            ConsiliumError: it cannot be done; the sentence is for the person who pressed.
        """
        with self._lock:
            if button_name == "stop":
                button.stop(self._home.state, reason, datetime.now(UTC), lambda _: None)
            else:
                button.resume(self._home.state)


class _Handler(http_server.Handler):
    server: PageServer
    # one request a connection: nothing is left of one for the next
    protocol_version = "HTTP/1.0"
    largest_body = 4096
    always = _ALWAYS

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        """The key, the page, or its data."""
        if not self._is_ours():
            return
        target = urlsplit(self.path)
        if target.path == "/" and target.query:
            self._enter(target.query)
        elif not self._has_ticket():
            self.refuse(
                HTTPStatus.FORBIDDEN,
                "Open the address that consilium site view has printed; it holds the key.",
            )
        elif self.path == self.server.base:
            self.reply(
                HTTPStatus.OK,
                status_page.render(self.server.status(), self.server.csrf).encode(),
                _HTML,
            )
        elif self.path == f"{self.server.base}status.json":
            status = self.server.status()
            more = {"mark": status_page.mark(status), "clock": status_page.clock(status)}
            content = json.dumps({**status.to_json(), **more}, allow_nan=False).encode()
            self.reply(HTTPStatus.OK, content, http_server.JSON)
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        """The two buttons."""
        if not self._is_ours() or (form := self._form()) is None:
            return
        pressed = self.path.removeprefix(self.server.base)
        if not self._has_ticket() or not self._is_same_origin():
            self.refuse(HTTPStatus.FORBIDDEN, "This was not asked from the page of this server.")
        elif pressed not in ("stop", "resume"):
            self.refuse(HTTPStatus.NOT_FOUND, "There is no such button.")
        elif not hmac.compare_digest(form.get("csrf", "").encode(), self.server.csrf.encode()):
            self.refuse(
                HTTPStatus.FORBIDDEN, "The form is of an earlier view; load the page again."
            )
        else:
            self._press(pressed, form.get("reason", ""))

    def _press(self, pressed: str, reason: str) -> None:
        try:
            self.server.press(pressed, reason)
        except ConsiliumError as error:
            self.refuse(HTTPStatus.CONFLICT, str(error))
        else:
            self.reply(HTTPStatus.SEE_OTHER, kind=_TEXT, Location=self.server.base)

    def _enter(self, query: str) -> None:
        """The key for the cookie."""
        key = parse_qs(query, max_num_fields=4).get("key", [""])[0]
        if not self.server.opens(key):
            self.refuse(
                HTTPStatus.FORBIDDEN,
                "This key is of an earlier view; open the address that was printed last.",
            )
            return
        cookie = (
            f"{_COOKIE}={self.server.ticket}; Path={self.server.base}; HttpOnly; SameSite=Strict"
        )
        self.reply(HTTPStatus.SEE_OTHER, kind=_TEXT, Location=self.server.base, Set_Cookie=cookie)

    def _is_ours(self) -> bool:
        """Whether the request is meant for this server; else it is answered here."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not self.server.knows(hosts[0]):
            self.refuse(HTTPStatus.MISDIRECTED_REQUEST, "This server has another name.")
            return False
        return True

    def _has_ticket(self) -> bool:
        """Whether the cookie is there.

        Other pages of this machine may have put theirs beside it, of whatever form.
        """
        sent = [part.strip() for part in ";".join(self.headers.get_all("Cookie", [])).split(";")]
        ticket = f"{_COOKIE}={self.server.ticket}".encode()
        # the same time for every cookie: how long it takes must not tell how much of it was right
        return any(hmac.compare_digest(part.encode("utf-8", "replace"), ticket) for part in sent)

    def _is_same_origin(self) -> bool:
        """Whether the browser says that a form was sent from this page.

        Fetch standard, Origin; Fetch Metadata.
        """
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site")
        # browsers that send neither are left to the cookie and the form's token
        return origin in (None, f"http://{self.headers['Host']}") and site in (None, "same-origin")

    def _form(self) -> dict[str, str] | None:
        """The fields of a form; None if it is too long or broken, which is answered here."""
        content = self.body()
        if content is None:
            return None
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            self.refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only the page's own form is understood."
            )
            return None
        try:
            fields = parse_qs(content.decode(), max_num_fields=8, keep_blank_values=True)
        except ValueError:
            self.refuse(HTTPStatus.BAD_REQUEST, "The form is broken.")
            return None
        return {key: values[-1] for key, values in fields.items()}

    def problem(self, sentence: str) -> tuple[bytes, str]:
        """An error as a person reads it in a browser."""
        return f"{sentence}\n".encode(), _TEXT


@contextmanager
def open_view(home: SiteHome, host: str, port: int) -> Iterator[PageServer]:
    """Serve the page while the block lasts.

    Args:
        home: an enrolled hospital's folder.
        host: address to listen at.
        port: 0 for any that is free.

    Raises:
        InputError: nobody can listen there.
    """
    with PageServer(home, host, port) as server, http_server.serving(server, "view"):
        yield server


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return ipaddress.ip_address(name).is_loopback
