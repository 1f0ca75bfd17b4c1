"""Why the coordinator cannot be reached: the hop that broke and what to do, in one sentence."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from client.site_settings import Route
from common.errors import InputError
from common.study.config import shown

NAME = "name"
PROXY = "proxy"
PORT = "port"
TLS = "TLS"
CLIENT = "client certificate"
HTTP = "answer"
HOPS = (NAME, PROXY, PORT, TLS, CLIENT, HTTP)
"""The hops in the order in which they are passed.

There is no proxy hop without a proxy, and with one no name or port is looked at behind it.
"""
_VERSION_WORDS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW")
# X509_V_ERR_..., openssl/x509_vfy.h
_EXPIRED = (10,)
_EARLY = (9,)
_OTHER_NAME = (62, 64)


@dataclass(frozen=True)
class Fault:
    """The hop that broke and what to say about it."""

    hop: str
    sentence: str


def proxy_of(route: Route) -> str | None:
    """URL of the proxy that leads to the coordinator, from the settings or from the environment.

    Raises:
        InputError: the environment names a proxy of a kind that is not served.
    """
    if route.proxy:
        return None if route.proxy == "none" else route.proxy
    if proxy_bypass(route.address):
        return None
    proxies = getproxies()
    url = proxies.get("https") or proxies.get("all")
    if not url:
        return None
    url = url if "://" in url else f"http://{url}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(
            f"The environment names a proxy of kind {urlsplit(url).scheme}; "
            'http and https are served, set site.proxy to such a URL or "none".'
        )
    return url


def place(url: str) -> str:
    """``host:port`` of a proxy, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def explain(error: BaseException, route: Route) -> str:
    """One sentence that names the broken hop.

    Args:
        error: any exception that a client of :func:`client.gateway.connection.client` raises.
        route: the settings that it was made with.
    """
    return f"cannot reach the coordinator: {fault(error, route).sentence}"


def fault(error: BaseException, route: Route) -> Fault:
    """The hop that an exception speaks of."""
    proxy = proxy_of(route)
    there = f"{route.address}:{route.port}"
    through = f" through the proxy {place(proxy)}" if proxy else ""
    for cause in _causes(error):
        diagnosed = (
            _of_tls(cause, route, through)
            or _of_network(cause, proxy, there)
            or _of_http(cause, proxy, there)
        )
        if diagnosed is not None:
            return diagnosed
    text = str(error).strip() or type(error).__name__
    why = f"{there} broke off{through} ({shown(text[:200])})"
    return Fault(
        HTTP,
        f"{why}; "
        "it may be restarting, or not accept this hospital's certificate: run consilium doctor.",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from, the innermost first: that one saw the network."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    yield from reversed(chain)


def _of_tls(error: BaseException, route: Route, through: str) -> Fault | None:
    there = f"{route.address}:{route.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(TLS, _distrust(error, route, through))
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or str(error)
    if any(word in reason for word in _VERSION_WORDS):
        return Fault(
            TLS,
            f"{there} does not offer TLS {route.min_tls}{through}; "
            "the coordinator, or a firewall that opens TLS, must be mended.",
        )
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return Fault(
            CLIENT,
            f"{there} refuses this hospital's client certificate ({_words(reason)}); "
            "it is missing, expired or revoked, ask the coordinator.",
        )
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
        return Fault(
            TLS,
            f"{there} does not speak TLS{through}; "
            f"check that the port {route.port} is the coordinator's.",
        )
    return Fault(
        TLS,
        f"the TLS handshake with {there} failed{through} ({_words(reason)}); "
        "a firewall may be cutting it, ask your network team.",
    )


def _distrust(error: ssl.SSLCertVerificationError, route: Route, through: str) -> str:
    there = f"the certificate of {route.address}:{route.port}"
    if error.verify_code in _EXPIRED:
        return (
            f"{there} has expired; ask the coordinator to renew it, and check this machine's clock."
        )
    if error.verify_code in _EARLY:
        return f"{there} is not valid yet; check this machine's clock."
    if error.verify_code in _OTHER_NAME:
        return f"{there} was made for another name; dial the address that the kit names."
    return (
        f"{there} is not from consortium {route.consortium}'s authority{through} "
        f"({error.verify_message}); "
        "if a firewall opens TLS here, except this address from it."
    )


def _of_network(error: BaseException, proxy: str | None, there: str) -> Fault | None:
    target, hop = (f"the proxy {place(proxy)}", PROXY) if proxy else (there, PORT)
    if isinstance(error, socket.gaierror):
        name = target.rpartition(":")[0]
        return Fault(
            PROXY if proxy else NAME,
            f"the name of {name} is not known here ({error.strerror}); "
            "check it, and this machine's DNS.",
        )
    if isinstance(error, ConnectionRefusedError):
        return Fault(
            hop,
            f"{target} refuses connections; "
            "check address and port, and whether a service runs there.",
        )
    if isinstance(error, OSError) and error.errno in (
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.EACCES,
        errno.EPERM,
    ):
        return Fault(
            hop,
            f"there is no way to {target} ({error.strerror}); "
            "check this machine's network and firewall.",
        )
    if isinstance(error, httpx.ConnectTimeout) or (
        isinstance(error, TimeoutError) and not isinstance(error, ssl.SSLError)
    ):
        return Fault(
            hop,
            f"{target} does not answer in time; "
            "a firewall may drop outbound TCP to it, ask your network team.",
        )
    return None


def _of_http(error: BaseException, proxy: str | None, there: str) -> Fault | None:
    if isinstance(error, httpx.ProxyError):
        status = str(error).strip()
        where = f"the proxy {place(proxy)}" if proxy else "a proxy"
        if status.startswith("407"):
            return Fault(
                PROXY,
                f"{where} wants a user and a password (407); "
                "put them into site.proxy: http://user:password@host:port.",
            )
        return Fault(
            PROXY,
            f"{where} does not connect to {there} ({shown(status[:80])}); "
            "ask your network team to allow it.",
        )
    if isinstance(error, httpx.HTTPStatusError):
        return of_status(error.response.status_code, there)
    if isinstance(error, httpx.TimeoutException):
        return Fault(
            HTTP,
            f"{there} took the request and gives no answer in time; "
            "ask the coordinator whether its service runs.",
        )
    return None


def of_status(status: int, there: str) -> Fault:
    """What an HTTP status says about the hop behind TLS."""
    if status in (400, 401, 403, 495, 496):
        return Fault(
            CLIENT,
            f"{there} does not accept this hospital (status {status}); "
            "ask the coordinator whether its enrolment was revoked.",
        )
    if status in (502, 503, 504):
        return Fault(
            HTTP,
            f"{there} answers, but the service behind it does not (status {status}); "
            "ask the coordinator to start it.",
        )
    return Fault(
        HTTP,
        f"{there} answers with status {status}; check that address and port are the coordinator's.",
    )


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
