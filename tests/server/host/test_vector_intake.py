"""Who may send which vector, how long, how often; and what is left of one that does not come."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from common.protocol.flower_objects import Reference
from server.host import site_registry, vector_intake
from server.host.proxy_configuration import SERIAL
from server.host.site_registry import Enrolment
from server.host.vector_store import VectorStore
from tests.patience import patient, until

NAME = "ab" * 32
OTHER = "cd" * 32
SERIALS = {"north": "0A01", "valley": "0B02"}
VECTOR = np.random.default_rng(5).normal(size=1000).astype(np.float32)
CONTENT = VECTOR.tobytes()
REFERENCE = Reference(VECTOR.size, hashlib.sha256(CONTENT).hexdigest())
ROOM = (1 << 20) + 4 * VECTOR.size
Usage = namedtuple("Usage", ["total", "used", "free"])


class Host:
    """An intake with two enrolled hospitals, and a run that asked north."""

    def __init__(self, home: Path, socket_path: Path) -> None:
        self.home, self.path = home, socket_path
        self.log: list[str] = []
        invited = site_registry.invited("token", datetime(2026, 3, 1, tzinfo=UTC))
        sites = {
            name: replace(invited, enrolled=Enrolment("", serial.lower(), "", "", "", "", ""))
            for name, serial in SERIALS.items()
        }
        (home / "sites.json").write_bytes(site_registry.dumps(sites))
        self.store = VectorStore(home, 7)
        self.store.expect("north", NAME, REFERENCE)

    def put(
        self,
        body: bytes = CONTENT,
        path: str = f"/v1/updates/7/{NAME}",
        site: str = "north",
        length: str | None = None,
    ) -> int:
        """Status of one upload; ``site`` as the proxy would tell it by the certificate."""
        connection = http.client.HTTPConnection("localhost", timeout=patient(10))
        connection.sock = self.wire()
        connection.putrequest("PUT", path)
        connection.putheader(SERIAL, SERIALS.get(site, site))
        connection.putheader("Content-Length", str(len(body)) if length is None else length)
        connection.endheaders(body)
        status = connection.getresponse().status
        connection.close()
        return status

    def wire(self) -> socket.socket:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(patient(10))
        wire.connect(str(self.path))
        return wire

    def began(self, content: bytes = b"1234") -> socket.socket:
        """An upload of which only the beginning has come."""
        wire = self.wire()
        head = f"PUT /v1/updates/7/{NAME} HTTP/1.1\r\n{SERIAL}: {SERIALS['north']}\r\n"
        wire.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + content)
        until(lambda: self.files(), "nothing begins")
        return wire

    def files(self) -> list[str]:
        """Every vector, whole or not."""
        return sorted(file.name for file in (self.home / "freight" / "updates" / "7").iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    digest = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    short = Path("/tmp") / f"intake-{digest}.sock"
    made = Host(tmp_path, short)
    with vector_intake.serve(tmp_path, short, made.log.append):
        yield made
    short.unlink(missing_ok=True)


def test_what_was_asked_for_is_taken(host: Host) -> None:
    assert host.put() == 201
    assert host.store.take(NAME, REFERENCE).tobytes() == CONTENT
    assert host.log == []


def test_an_answer_that_was_lost_is_given_again_and_the_first_vector_stays(host: Host) -> None:
    assert [host.put(), host.put((-VECTOR).tobytes())] == [201, 200]
    assert host.store.take(NAME, REFERENCE).tobytes() == CONTENT


def test_what_was_taken_is_not_sent_again(host: Host) -> None:
    assert host.put() == 201
    host.store.close(NAME)
    host.store.take(NAME, REFERENCE)
    assert host.put() == 410 and host.files() == []


@pytest.mark.parametrize(
    ("path", "site", "length", "status"),
    [
        (f"/v1/updates/7/{OTHER}", "north", None, 410),
        (f"/v1/updates/8/{NAME}", "north", None, 410),
        (f"/v1/updates/007/{NAME}", "north", None, 410),
        (f"/v1/updates/7/{NAME}", "valley", None, 410),
        (f"/v1/updates/7/{NAME}", "0c03", None, 403),
        (f"/v1/updates/7/{NAME}", "", None, 403),
        (f"/v1/updates/7/{NAME}", "north", str(ROOM + 1), 413),
        (f"/v1/updates/7/../../{NAME}", "north", None, 400),
        (f"/v1/updates/7/{NAME}/x", "north", None, 400),
        (f"/v1/updates/7/{NAME.upper()}", "north", None, 400),
        ("/v1/updates/7/", "north", None, 400),
        (f"/v1/models/7/{NAME}", "north", None, 400),
        (f"/v1/updates/7/{NAME}", "north", "-1", 400),
        (f"/v1/updates/7/{NAME}", "north", "1e3", 400),
        (f"/v1/updates/7/{NAME}", "north", str(1 << 40), 400),
    ],
)
def test_everything_else_writes_nothing_and_is_told_by_its_sender_s_name(
    host: Host, path: str, site: str, length: str | None, status: int
) -> None:
    assert host.put(b"1234", path, site, length) == status
    assert host.files() == []
    [line] = host.log
    sender = site if site in SERIALS else "an unknown sender"
    assert line.startswith(f"a vector of {sender} is not taken: ")


def test_one_sender_gets_one_line_a_minute(host: Host) -> None:
    for _ in range(20):
        host.put(site="valley")
    host.put(path=f"/v1/updates/7/{OTHER}")
    assert [line.split()[3] for line in host.log] == ["valley", "north"]


def test_a_revoked_hospital_sends_nothing(host: Host) -> None:
    text = (host.home / "sites.json").read_text()
    (host.home / "sites.json").write_text(text.replace('"serial": "0a01"', '"serial": "0c03"'))
    assert host.put() == 403


def test_a_sender_that_hangs_up_leaves_nothing_and_may_come_again(host: Host) -> None:
    with host.began() as wire:
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(100) == b""
    until(lambda: host.files() == [], "the part stays")
    assert "of north is not taken: it broke off or stalled" in host.log[0]
    assert host.put() == 201


def test_a_second_upload_beside_the_first_waits(host: Host) -> None:
    with host.began():
        assert [host.put() for _ in range(3)] == [409] * 3
        assert host.files() == [f".{NAME}"]
    until(lambda: host.put() == 201, "the place is not given back")


def test_a_stalled_sender_is_let_go(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_intake._Handler, "timeout", 0.2)
    with host.began() as wire:
        assert wire.recv(100) == b""
    until(lambda: host.files() == [], "the part stays")


def test_a_sender_of_single_bytes_is_let_go(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_intake, "_FIRST_MINUTE", 0.2)
    stop = threading.Event()
    with host.began() as wire:

        def drip() -> None:
            while not stop.wait(0.05):
                try:
                    wire.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        until(lambda: host.files() == [], "the part stays")
        stop.set()
        thread.join()


def test_what_is_on_its_way_has_its_place_on_the_disk(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.store.expect("valley", OTHER, REFERENCE)
    free = vector_intake.LEAST_DISK + 1500
    monkeypatch.setattr(vector_intake.shutil, "disk_usage", lambda _: Usage(free, 0, free))
    with host.began():
        assert host.put(b"x" * 600, f"/v1/updates/7/{OTHER}", "valley") == 507
        assert host.put(b"x" * 400, f"/v1/updates/7/{OTHER}", "valley") == 201


def test_a_question_that_is_over_while_its_vector_comes_takes_nothing(host: Host) -> None:
    with host.began() as wire:
        host.store.expect("north", OTHER, None)
        wire.sendall(bytes(996))
        assert b" 410 " in wire.recv(1000)
    assert host.files() == []


def test_parts_that_a_killed_server_has_left_are_removed(tmp_path: Path) -> None:
    VectorStore(tmp_path, 7)
    part = tmp_path / "freight" / "updates" / "7" / f".{NAME}"
    part.write_bytes(b"1234")
    path = Path("/tmp") / f"intake-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}.sock"
    with vector_intake.serve(tmp_path, path, lambda _: None):
        assert not part.exists()
    path.unlink()
