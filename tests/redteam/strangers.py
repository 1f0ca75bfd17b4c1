"""Attacks on the coordinator from outside, and by a member: crowding, names, vectors, texts.

The real nginx, the real services behind it. Addresses of the loopback stand for hosts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import numpy as np

from common import http_server
from common.cli import console
from common.errors import InputError
from common.protocol import envelopes
from common.protocol.envelopes import Reply
from common.protocol.flower_objects import Reference
from common.storage import files
from common.study import toml
from common.trust import certificates, consortium
from common.trust.certificates import Credential, Kind
from server import participants
from server.commands.provision import provision
from server.host import (
    notify,
    proxy,
    proxy_configuration,
    site_registry,
    superlink_process,
    vector_intake,
)
from server.host.enrolment import EnrolmentHandler
from server.host.notify import Notifier
from server.host.proxy_configuration import LIMITS, SERIAL
from server.host.site_registry import AdmissionError, Enrolment, RegisteredSite
from server.host.throttle import TRIES
from server.host.vector_intake import VectorIntake
from server.host.vector_store import VectorStore
from tests.journeys.watching import descendants
from tests.patience import patient, until
from tests.ports import free_ports
from tests.redteam.attack import Attack, Off, both, replaced
from tests.redteam.stage import Stage

NOW = datetime.now(UTC)
STRANGER = "127.0.0.1"
MEMBER = "127.0.0.2"
_FEW = 64
"""Connections that one address may hold in these plays, of so many:"""
_ALL = 512
HOSTILE = "\x1b]52;c;cm0gLXJmIH4=\x07\x9b2J\u202e"
"""Writes into the clipboard of whoever looks, clears the screen, and turns the line around."""


class Door:
    """nginx with one process and few places, and one member."""

    def __init__(self, folder: Path) -> None:
        self.port, link = free_ports(2)
        table = {"name": "trial", "address": "localhost", "port": self.port, "link_port": link}
        (folder / "c.toml").write_text(toml.dumps({**table, "sites": ["north"]}))
        self.home = folder / "co"
        provision(folder / "c.toml", self.home, NOW)
        for name in ("run", "logs"):
            files.folder(self.home / name)
        ca = Credential((self.home / "ca.crt").read_bytes(), (self.home / "ca.key").read_bytes())
        key = certificates.private_key("tls")
        granted = certificates.grant(
            ca, certificates.request("north", key), "north", "client", NOW, 30
        )
        self.pem = folder / "north.pem"
        self.pem.write_bytes(granted + key)
        node = certificates.public_bytes(certificates.private_key("node"))
        serial = str(certificates.details(granted)["serial"])
        digest = hashlib.sha256(node).hexdigest()
        enrolled = Enrolment("", serial, "", digest, "", "", "")
        self.members = proxy.members({"north": RegisteredSite("", "", enrolled)}, [node])
        self.node = base64.b64encode(node).decode()

    def context(self, pem: Path | None = None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.home / "ca.crt")
        if pem is not None:
            made.load_cert_chain(pem)
        return made

    def half(self, address: str = STRANGER) -> socket.socket | None:
        """A connection with half a header, if it is taken."""
        with suppress(OSError):
            raw = socket.create_connection(("127.0.0.1", self.port), 5, (address, 0))
            wire = self.context().wrap_socket(raw, server_hostname="localhost")
            wire.sendall(b"GET /v1/bell HTTP/1.1\r\nHost: localhost\r\nX-")
            return wire
        return None

    def enters(self) -> bool:
        """Whether the member, elsewhere, gets its answer."""
        transport = httpx.HTTPTransport(verify=self.context(self.pem), local_address=MEMBER)
        client = httpx.Client(transport=transport, timeout=patient(5))
        with client, suppress(httpx.HTTPError):
            url = f"https://localhost:{self.port}/v1/bell?after=5"
            return client.get(url).status_code == 200
        return False


@contextmanager
def door(stage: Stage) -> Iterator[Door]:
    """The door while it stands open."""
    made = Door(stage.folder)
    one = proxy_configuration._CONFIGURATION.replace("worker_processes auto", "worker_processes 1")
    few = replace(proxy_configuration.LIMITS, connections=_FEW)
    with ExitStack() as stack:
        for name, value in (("_CONFIGURATION", one), ("LIMITS", few), ("_CONNECTIONS", _ALL)):
            stack.enter_context(mock.patch.object(proxy_configuration, name, value))
        front = proxy.Proxy(made.home, consortium.read(made.home / "consortium.toml"))
        bell = made.home / "run" / "bell.sock"
        stack.enter_context(notify.serve(Notifier(), bell, front.addresses.note))
        front.start(made.members)
        stack.callback(front.stop)
        until(made.enters, "the door does not open")
        workers = descendants(os.getpid())
        front.learn()
        if front.addresses.listed:
            until(lambda: not set(workers) <= set(descendants(os.getpid())), "it does not learn")
        yield made


def half_sent(stage: Stage) -> bool:
    """One host fills nginx with headers that never end."""
    with door(stage) as there, ExitStack() as held:
        for _ in range(_ALL + 100):
            wire = there.half()
            if wire is not None:
                held.callback(wire.close)
        return not there.enters()


def many_hosts(stage: Stage) -> bool:
    """The same from many hosts, none of which takes more than one may."""
    with door(stage) as there, ExitStack() as held:
        for number in range(2 * _ALL // _FEW):
            for _ in range(_FEW):
                wire = there.half(f"127.0.1.{number + 1}")
                if wire is not None:
                    held.callback(wire.close)
        return not there.enters()


def raw_log(stage: Stage) -> bool:
    """A stranger's words lie in the log of the proxy as they came."""
    with door(stage) as there:
        raw = socket.create_connection(("127.0.0.1", there.port), patient(5))
        with there.context().wrap_socket(raw, server_hostname="localhost") as wire:
            head = "POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n"
            wire.sendall(f"{head}Referer: {HOSTILE}\r\n\r\n".encode())
            wire.recv(1000)
        log = there.home / "logs" / "proxy.log"
        until(lambda: log.exists() and b"too large" in log.read_bytes(), "nothing is written")
        return b"\x1b" in log.read_bytes()


def locked_out(stage: Stage) -> bool:
    """Wrong tokens under a hospital's name, and then the hospital itself."""
    (stage.folder / "c.toml").write_text(
        toml.dumps({"name": "trial", "address": "localhost", "sites": ["north"]})
    )
    home = stage.folder / "co"
    provision(stage.folder / "c.toml", home, NOW)
    handler = EnrolmentHandler(home, lambda site, key: None, lambda: NOW, lambda line: None)
    kinds: tuple[Kind, ...] = ("tls", "identity", "node")
    keys = {kind: certificates.private_key(kind) for kind in kinds}
    request = {
        "site": "north",
        "token": (home / "kits" / "north" / "token").read_text().strip(),
        "tls_request": certificates.request("north", keys["tls"]).decode(),
        "identity_request": certificates.request("north", keys["identity"]).decode(),
        "node_key": certificates.public_bytes(keys["node"]).decode(),
    }
    for _ in range(5 * TRIES):
        handler.respond(json.dumps({**request, "token": "guess"}).encode(), "203.0.113.9")
    # Even behind the address of the one who guesses.
    return handler.respond(json.dumps(request).encode(), "203.0.113.9")[0] != 200


_admitted = EnrolmentHandler._enrol


def _by_name(self: EnrolmentHandler, request: Any) -> Enrolment:
    """As a lock of the name would have it."""
    if self._throttle.refused(request["site"], NOW) > TRIES:
        raise AdmissionError(429, "Too many refused attempts.", "")
    return _admitted(self, request)


SERIALS = {"north": "0A01", "valley": "0B02"}
ASKED = "ab" * 32
VECTOR = np.arange(1000, dtype=np.float32)
REFERENCE = Reference(VECTOR.size, hashlib.sha256(VECTOR.tobytes()).hexdigest())


class Freight:
    """The intake of vectors; a run has asked north for one."""

    def __init__(self, stage: Stage) -> None:
        invited = site_registry.invited("token", NOW)
        sites = {
            name: replace(invited, enrolled=Enrolment("", serial, "", "", "", "", ""))
            for name, serial in SERIALS.items()
        }
        self.home = stage.folder
        self.path = stage.folder / "f.sock"
        (self.home / "sites.json").write_bytes(site_registry.dumps(sites))
        self.store = VectorStore(self.home, 7)
        self.store.expect("north", ASKED, REFERENCE)

    def begin(self, site: str, message: str, length: int, content: bytes) -> socket.socket:
        """An upload, as the proxy passes it on."""
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(patient(10))
        wire.connect(str(self.path))
        head = f"PUT /v1/updates/7/{message} HTTP/1.1\r\n{SERIAL}: {SERIALS[site]}\r\n"
        with suppress(OSError):
            wire.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + content)
        return wire

    def put(self, site: str, message: str, content: bytes = VECTOR.tobytes()) -> int:
        """A whole upload; its status."""
        with self.begin(site, message, len(content), content) as wire:
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            return answer.status

    def files(self) -> set[str]:
        return {file.name for file in (self.home / "freight" / "updates" / "7").iterdir()}


def freight(play: Callable[[Freight], bool]) -> Callable[[Stage], bool]:
    """A play beside the intake."""

    def played(stage: Stage) -> bool:
        made = Freight(stage)
        with vector_intake.serve(made.home, made.path, lambda line: None):
            return play(made)

    return played


def any_name(made: Freight) -> bool:
    """Files without number, until the disk is full."""
    names = [f"{number:064x}" for number in range(20)]
    for name in names:
        made.put("north", name)
    return bool(made.files())


def another_s_name(made: Freight) -> bool:
    """Valley learns what north was asked, and is faster."""
    made.put("valley", ASKED, bytes(4000))
    made.put("north", ASKED)
    return (made.home / "freight" / "updates" / "7" / ASKED).read_bytes() != VECTOR.tobytes()


def again(made: Freight) -> bool:
    """What the run has taken is sent once more, and stays."""
    made.put("north", ASKED)
    made.store.close(ASKED)
    made.store.take(ASKED, REFERENCE)
    made.put("north", ASKED)
    return bool(made.files())


def too_long(made: Freight) -> bool:
    """The right name, and far more than anybody asked for."""
    made.put("north", ASKED, bytes(8 << 20))
    return bool(made.files())


def stalled(made: Freight) -> bool:
    """150 uploads begin and never end; whether they hold the service's threads."""
    before = threading.active_count()
    with mock.patch.object(http_server, "_LONGEST_READ_ON", 0.3), ExitStack() as held:
        for _ in range(150):
            wire = made.begin("north", ASKED, 4000, b"1234")
            held.callback(wire.close)
        # Taken after all the others.
        made.put("valley", ASKED)
        with suppress(AssertionError):
            until(lambda: threading.active_count() - before < 20, "", 3)
        return threading.active_count() - before >= 20


def at_the_terminal(stage: Stage) -> bool:
    """A hospital's name and counts, as the coordinator reads why it was left out."""
    counts = {"train": HOSTILE * 100_000}
    envelope = envelopes.write_reply(Reply(f"north{HOSTILE}", "join", values=counts))
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen):
        reply = envelopes.read_reply(envelope)
        console.out(reply.site)
        try:
            participants._member(1, reply, False)
        except InputError as reason:
            console.out(str(reason))
    shown = screen.getvalue()
    return len(shown) > 2000 or not shown.replace("\n", "").isprintable()


def _whole(text: Any, *_: object) -> Any:
    return text


_UNAWAITED = replaced(VectorIntake, "awaited", lambda *_: None)
_UNCOUNTED: Off = both(
    replaced(proxy, "stream_module", lambda program: None),
    replaced(proxy_configuration, "LIMITS", replace(LIMITS, header_seconds=60)),
)
_RAW_TEXTS = both(
    replaced(envelopes, "cleaned", _whole),
    replaced(envelopes, "printable", _whole),
    replaced(participants, "described", _whole),
    replaced(console, "printable", _whole),
)
_ATTACKS: tuple[tuple[str, Callable[[Stage], bool], Off, str], ...] = (
    ("crowd: headers that never end, from one host", half_sent, _UNCOUNTED, "stranger"),
    (
        "crowd: headers that never end, from many hosts",
        many_hosts,
        replaced(proxy.Addresses, "note", lambda *_: None),
        "stranger",
    ),
    (
        "lock-out: wrong tokens under a hospital's name",
        locked_out,
        replaced(EnrolmentHandler, "_enrol", _by_name),
        "stranger",
    ),
    (
        "terminal: a stranger's header in the proxy's log",
        raw_log,
        replaced(superlink_process, "printable", _whole),
        "stranger",
    ),
    ("vectors: files of any name", freight(any_name), _UNAWAITED, "member"),
    ("vectors: under another's name", freight(another_s_name), _UNAWAITED, "member"),
    (
        "vectors: the same again after it was taken",
        freight(again),
        replaced(VectorStore, "close", lambda *_: None),
        "member",
    ),
    ("vectors: longer than it can be", freight(too_long), _UNAWAITED, "member"),
    (
        "vectors: 150 that stall",
        freight(stalled),
        replaced(VectorIntake, "place", lambda *_: contextlib.nullcontext()),
        "member",
    ),
    ("terminal: a hospital's name and counts", at_the_terminal, _RAW_TEXTS, "member"),
)
ATTACKS = tuple(
    Attack(name, play, off, adversary, speaks=False) for name, play, off, adversary in _ATTACKS
)
