"""Enrolment: a hospital shows its token and the public parts of its keys, and gets them certified.

A small HTTP service on a Unix socket.

The reverse proxy lets ``POST /v1/enrol`` through to it without a client certificate: who enrols has
none yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from common import http_server
from common.errors import CertificateError, ConsiliumError
from common.storage import files
from common.study import config
from common.trust import certificates, consortium
from common.trust.certificates import Credential
from server.host.proxy_configuration import SOURCE
from server.host.site_registry import REFUSED, AdmissionError, Enrolment, RegisteredSite, Registry
from server.host.throttle import TRIES, Throttle, source_of

PATH = "/v1/enrol"
FIELDS = ("site", "token", "tls_request", "identity_request", "node_key")
_NOT_SERVED = (404, f"Only POST {PATH} is served here.")
_ERRORS = {
    400: (400, "This is not a request that is understood here."),
    **dict.fromkeys((404, 405, 501), _NOT_SERVED),
    413: (413, "The request is too large."),
}
Answer = tuple[int, dict[str, str]]


class EnrolmentHandler:
    """Answers one request after the other; knows nothing of HTTP.

    Args:
        home: the coordinator's folder.
        register: registers a hospital's node key (PEM) with the SuperLink; may be called again with
            the same key.
        clock: now, UTC.
        log: takes one line; gets the reasons that callers are not told.
    """

    def __init__(
        self,
        home: Path,
        register: Callable[[str, bytes], None],
        clock: Callable[[], datetime],
        log: Callable[[str], None],
    ) -> None:
        self._home = home
        self._register = register
        self._clock = clock
        self._log = log
        self._registry = Registry(home)
        self._throttle = Throttle()

    def respond(self, body: bytes, address: str = "") -> Answer:
        """HTTP status and JSON object for a request's body; ``address``: where it came from."""
        source = source_of(address)
        try:
            request = _parsed(body)
        except AdmissionError as error:
            return self._refuse("enrolment", source, error)
        site = request["site"]
        try:
            enrolled = self._enrol(request)
        except AdmissionError as error:
            return self._refuse(f"enrolment of {site}", source, error)
        except (ConsiliumError, OSError) as error:
            self._log(f"enrolment of {site} failed: {error}")
            return 503, {
                "error": (
                    "The coordinator cannot enrol anybody now; "
                    "it knows why from its log. Run the same command again later."
                )
            }
        self._log(f"enrolment of {site}: certificate {enrolled.serial} given")
        return 200, {
            "tls_certificate": enrolled.tls_certificate,
            "identity_certificate": enrolled.identity_certificate,
        }

    def _refuse(self, what: str, source: str, error: AdmissionError) -> Answer:
        """Count it against who asked, never against the name that was asked for."""
        now = self._clock()
        count = self._throttle.refused(source, now)
        if count <= TRIES:
            self._log(f"{what} refused: {error.reason} (from {source})")
        elif count == TRIES + 1:
            self._log(f"more refusals of {source} are not written down for 10 minutes")
        if count > TRIES and error.public == REFUSED:
            error = self._throttle.wait(source, now)
        return error.status, {"error": error.public}

    def _enrol(self, request: Mapping[str, str]) -> Enrolment:
        site = request["site"]
        now = self._clock()

        def has_same_keys(earlier: Enrolment) -> bool:
            tls, identity, node = _keys(request)
            keys = [
                certificates.key_in(text.encode())
                for text in (earlier.tls_certificate, earlier.identity_certificate)
            ]
            return keys == [tls, identity] and earlier.node_key_sha256 == _sha256(node)

        def enrol(sites: Mapping[str, RegisteredSite]) -> Enrolment:
            # After the token: to look at keys takes a hundred times as long.
            _, _, node = _keys(request)
            _refuse_shared(node, sites)
            enrolled = self._grant(request, node, now)
            self._register_node(site, node)
            return enrolled

        return self._registry.admit(site, request["token"], now, has_same_keys, enrol)

    def _grant(self, request: Mapping[str, str], node: bytes, now: datetime) -> Enrolment:
        days = consortium.read(self._home / "consortium.toml").certificate_days
        ca = Credential((self._home / "ca.crt").read_bytes(), (self._home / "ca.key").read_bytes())
        certificates.check_authority(ca.certificate, now)
        try:
            tls = certificates.grant(
                ca, request["tls_request"].encode(), request["site"], "client", now, days
            )
            identity = certificates.grant(
                ca, request["identity_request"].encode(), request["site"], "identity", now, days
            )
        except CertificateError as error:
            raise AdmissionError(400, str(error), str(error)) from None
        details = certificates.details(tls)
        identity_sha256 = certificates.details(identity)["sha256"]
        return Enrolment(
            now.isoformat(),
            details["serial"],
            details["sha256"],
            _sha256(node),
            identity_sha256,
            tls.decode(),
            identity.decode(),
        )

    def _register_node(self, site: str, node: bytes) -> None:
        try:
            self._register(site, node)
        # whatever the caller's function raises: the token must stay unused and the service up
        except Exception as error:
            raise ConsiliumError(
                f"the node key was not registered ({type(error).__name__}: {error})"
            ) from error


def serve(
    home: Path,
    socket: Path,
    register: Callable[[str, bytes], None],
    stop: threading.Event,
    clock: Callable[[], datetime],
    log: Callable[[str], None],
) -> None:
    """Serve until ``stop`` is set; when the socket is there, it answers.

    Raises:
        ConsiliumError: the socket's folder is missing, its path is too long, or another service has
            it.
    """
    handler = EnrolmentHandler(home, register, clock, log)
    with _listening(socket, handler) as server, http_server.serving(server, "enrolment requests"):
        stop.wait()


class _Server(http_server.UnixServer):
    at_once = 32

    def __init__(self, path: Path, handler: EnrolmentHandler) -> None:
        self.handler = handler
        super().__init__(path, _Handler)


class _Handler(http_server.Handler):
    server: _Server
    protocol_version = "HTTP/1.0"
    largest_body = 64 << 10
    always = (("Cache-Control", "no-store"),)

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        """The one call there is."""
        if self.path != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif (body := self.body()) is not None:
            address = self.headers.get(SOURCE, "")
            status, answer = self.server.handler.respond(body, address)
            self.reply(status, json.dumps(answer).encode(), http_server.JSON)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Everything else; callers that are nobody yet learn no more than these three."""
        status, sentence = _ERRORS.get(code, _ERRORS[400])
        self.refuse(status, sentence)


@contextmanager
def _listening(path: Path, handler: EnrolmentHandler) -> Iterator[_Server]:
    """Bind under another name, then rename: a socket that can be seen listens.

    The lock tells a left-over socket from one in use.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        handle = files.only_one(path.with_name(f".{path.name}.lock"))
    except BlockingIOError:
        raise ConsiliumError(
            f"Another enrolment service uses {path}; stop that one first."
        ) from None
    except OSError as error:
        raise ConsiliumError(
            f"The folder {path.parent} of the enrolment socket cannot be used "
            f"({error.strerror}); make it first."
        ) from None
    try:
        try:
            draft.unlink(missing_ok=True)
            server = _Server(draft, handler)
        except OSError as error:
            raise ConsiliumError(
                f"The enrolment socket {path} cannot be made ({error.strerror or error})."
            ) from None
        with server:
            draft.replace(path)
            yield server
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _parsed(body: bytes) -> dict[str, str]:
    refusal = AdmissionError(
        400,
        f"The request must be a JSON object of {', '.join(FIELDS)}, each a text.",
        "not the expected JSON",
    )
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise refusal from None
    if (
        not isinstance(request, dict)
        or set(request) != set(FIELDS)
        or not all(isinstance(v, str) and v.isascii() for v in request.values())
    ):
        raise refusal
    if not config.NAME.fullmatch(request["site"]):
        raise AdmissionError(
            400, f"A hospital's name has {config.NAME_RULE}.", "not a hospital's name"
        )
    return request


def _keys(request: Mapping[str, str]) -> tuple[bytes, bytes, bytes]:
    """The three public keys: TLS, identity, node."""
    try:
        certificates.check_key(request["node_key"].encode(), "node")
        tls, identity, node = (
            certificates.key_in(request[field].encode())
            for field in ("tls_request", "identity_request", "node_key")
        )
    except CertificateError as error:
        raise AdmissionError(400, str(error), str(error)) from None
    return tls, identity, node


def _refuse_shared(node: bytes, sites: Mapping[str, RegisteredSite]) -> None:
    for name, site in sites.items():
        if any(
            e.node_key_sha256 == _sha256(node)
            for e in (site.enrolled, *site.revoked)
            if e is not None
        ):
            raise AdmissionError(
                409,
                "This node key was enrolled before; make new keys in a new, empty folder.",
                f"node key of {name}",
            )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
