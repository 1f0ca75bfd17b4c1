"""The hospital's way to the coordinator: one HTTPS client, and a walk over each hop of the way.

Only the consortium's authority is trusted.
"""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from client.gateway import diagnosis
from client.gateway.diagnosis import CLIENT, HTTP, NAME, PORT, PROXY, TLS, explain, place, proxy_of
from client.site_settings import Route
from common.errors import InputError

__all__ = ["Hop", "client", "context", "explain", "reach"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_TIMEOUT = httpx.Timeout(60.0, connect=10.0, pool=10.0)
_LONGEST_HEAD = 16 << 10
_SERVED = (200, 204, 404, 405, 415, 422)
"""What the service behind the proxy answers to a bare GET: it was reached."""


def client(route: Route, ca: bytes, certificate: tuple[Path, Path] | None) -> httpx.Client:
    """An HTTP client for the coordinator only.

    Args:
        route: settings of a kit or of a site.
        ca: the consortium's authority (PEM); nothing else is trusted.
        certificate: files of the hospital's client certificate and its key; None while it has none.

    Raises:
        InputError: a certificate, key or proxy setting cannot be used.
    """
    proxy = proxy_of(route)
    return httpx.Client(
        base_url=base_url(route),
        verify=context(route, ca, certificate),
        proxy=None if proxy is None else httpx.Proxy(proxy, ssl_context=_proxy_context(proxy)),
        # The environment's proxy was read above; nothing else of it counts.
        trust_env=False,
        follow_redirects=False,
        timeout=_TIMEOUT,
        limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=120.0),
        headers={"User-Agent": "consilium"},
    )


def base_url(route: Route) -> str:
    """``https://host:port``."""
    host = f"[{route.address}]" if ":" in route.address else route.address
    return f"https://{host}:{route.port}"


def context(route: Route, ca: bytes, certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    """TLS settings: certificate and host name are checked, only the consortium's are trusted.

    Raises:
        InputError: a certificate or key is damaged, or they do not belong together.
    """
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.minimum_version = _VERSIONS[route.min_tls]
    settings.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        settings.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        raise InputError(
            "The consortium's certificate ca.crt is damaged; take it from the kit again."
        ) from None
    if certificate is not None:
        try:
            settings.load_cert_chain(*certificate)
        except ssl.SSLError:
            raise InputError(
                f"{certificate[0]} and {certificate[1]} are damaged or not a pair; "
                "restore them from a backup."
            ) from None
        except OSError as error:
            raise InputError(
                f"{certificate[0]} or {certificate[1]} cannot be read ({error.strerror}); "
                "run this as the user that enrolled."
            ) from None
    return settings


@dataclass(frozen=True)
class Hop:
    """One hop of the way: whether it was passed, and a remark on it or what to do."""

    name: str
    ok: bool
    remark: str


@dataclass
class _Walk:
    """The hops passed so far; ``step`` adds one, or records where the way ends and raises."""

    route: Route
    hops: list[Hop] = field(default_factory=list)

    def step(
        self, name: str, remark: str, call: Callable[[], socket.socket | None]
    ) -> socket.socket | None:
        """Try one hop."""
        try:
            result = call()
        except (OSError, httpx.HTTPError) as error:
            broken = diagnosis.fault(error, self.route)
            self.hops.append(
                Hop(broken.hop if broken.hop in (CLIENT, HTTP) else name, False, broken.sentence)
            )
            raise _EndError from error
        self.hops.append(Hop(name, True, remark))
        return result


class _EndError(Exception):
    """The way ends here."""


def reach(
    route: Route, ca: bytes, certificate: tuple[Path, Path] | None, path: str, seconds: float = 10.0
) -> list[Hop]:
    """Walk the way to the coordinator hop by hop, up to the first that breaks.

    Args:
        route: settings of a kit or of a site.
        ca: the consortium's authority (PEM).
        certificate: as for :func:`client`.
        path: what is asked for in the end, with GET; the service behind it need not serve it.
        seconds: how long to wait at each hop.

    Raises:
        InputError: the settings themselves cannot be used.
    """
    tls = context(route, ca, certificate)
    proxy = proxy_of(route)
    walk = _Walk(route)
    with ExitStack() as stack, suppress(_EndError):
        connection = _Connection(stack)
        _dial(walk, connection, proxy, seconds)
        if proxy:
            _pass_proxy(walk, connection, proxy)
        _shake_hands(walk, connection, tls, seconds, certified=certificate is not None)
        walk.step(
            HTTP,
            f"{_target(route)} answers",
            lambda: _ask(connection.now, route, path),
        )
    return walk.hops


def _dial(walk: _Walk, connection: _Connection, proxy: str | None, seconds: float) -> None:
    """Name and port: the proxy's where there is one, else the coordinator's."""
    parts = urlsplit(proxy or base_url(walk.route))
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    walk.step(
        NAME,
        f"{host} is known",
        lambda: _nothing(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)),
    )
    walk.step(
        PORT,
        f"{host}:{port} takes connections",
        lambda: connection.set(socket.create_connection((host, port), seconds)),
    )


def _pass_proxy(walk: _Walk, connection: _Connection, proxy: str) -> None:
    secure = _proxy_context(proxy)
    if secure is not None:
        host = urlsplit(proxy).hostname or ""
        walk.step(
            PROXY,
            f"{place(proxy)} speaks TLS",
            lambda: connection.set(secure.wrap_socket(connection.now, server_hostname=host)),
        )
    walk.step(
        PROXY,
        f"{place(proxy)} connects to {_target(walk.route)}",
        lambda: _tunnel(connection.now, walk.route, proxy),
    )


def _shake_hands(
    walk: _Walk, connection: _Connection, tls: ssl.SSLContext, seconds: float, certified: bool
) -> None:
    route = walk.route
    walk.step(
        TLS,
        f"{_target(route)} shows a certificate of {route.consortium}",
        lambda: connection.set(tls.wrap_socket(connection.now, server_hostname=route.address)),
    )
    walk.step(
        CLIENT,
        f"{_target(route)} does not refuse this hospital's certificate"
        if certified
        else "no certificate was asked for",
        lambda: _unrefused(connection.now, seconds),
    )


def _target(route: Route) -> str:
    return f"{route.address}:{route.port}"


class _Connection:
    """The connection as it is now; closed in the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._socket = socket.socket()
        stack.callback(self._socket.close)

    @property
    def now(self) -> socket.socket:
        """The connection."""
        return self._socket

    def set(self, connection: socket.socket) -> None:
        """Another one takes its place."""
        self._socket = self._stack.enter_context(connection)


def _nothing(_: object) -> None:
    return None


def _tunnel(connection: socket.socket, route: Route, proxy: str) -> None:
    host = base_url(route).removeprefix("https://")
    parts = urlsplit(proxy)
    login = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        login = f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    status, words = _exchange(connection, f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{login}\r\n")
    if status // 100 != 2:
        raise httpx.ProxyError(f"{status} {words}")


def _unrefused(connection: socket.socket, seconds: float) -> None:
    """Wait a moment for a refusal of the hospital's certificate."""
    # In TLS 1.3 the client is done before the server has seen its certificate (RFC 8446 section
    # 4.4.2): a refusal comes a little later.
    connection.settimeout(min(1.0, seconds / 10))
    try:
        if not connection.recv(1):
            raise httpx.RemoteProtocolError("closed without an answer")
    except TimeoutError:
        connection.settimeout(seconds)


def _ask(connection: socket.socket, route: Route, path: str) -> None:
    host = base_url(route).removeprefix("https://")
    status, _ = _exchange(
        connection,
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: consilium\r\nConnection: close\r\n\r\n",
    )
    if status not in _SERVED:
        url = f"{base_url(route)}{path}"
        raise httpx.HTTPStatusError(
            str(status), request=httpx.Request("GET", url), response=httpx.Response(status)
        )


def _exchange(connection: socket.socket, head: str) -> tuple[int, str]:
    """Send a request's head and read that of the answer: its status and words."""
    connection.sendall(head.encode("ascii"))
    answer = bytearray()
    while b"\r\n\r\n" not in answer and len(answer) < _LONGEST_HEAD:
        # Byte by byte: what follows the head belongs to TLS.
        part = connection.recv(1)
        if not part:
            break
        answer += part
    line = bytes(answer).split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(line) < 2 or not line[0].startswith("HTTP/") or not line[1].isdigit():
        raise httpx.RemoteProtocolError(
            "the answer is not HTTP" if answer else "closed without an answer"
        )
    return int(line[1]), line[2] if len(line) > 2 else ""


def _proxy_context(proxy: str) -> ssl.SSLContext | None:
    """TLS settings for a proxy that speaks it; None for one that does not."""
    # Its certificate is one that this machine trusts: the proxy is the hospital's.
    return ssl.create_default_context() if urlsplit(proxy).scheme == "https" else None
