"""The enrolment service.

What it answers, what it tells only its own log, and that nothing but the one call is served.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConsiliumError
from common.study import toml
from common.trust import certificates
from server.commands.provision import provision
from server.host import enrolment
from server.host.enrolment import EnrolmentHandler
from server.host.site_registry import REFUSED, Registry
from tests.patience import patient

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def new_keys(*kinds: str) -> dict[str, bytes]:
    """A private key of each kind."""
    return {kind: certificates.private_key(kind) for kind in kinds}  # type: ignore[arg-type]


KEYS = new_keys("tls", "identity", "node")
HERE = "192.0.2.7"


class Coordinator:
    """The enrolment service with its surroundings."""

    def __init__(self, folder: Path) -> None:
        (folder / "c.toml").write_text(
            toml.dumps({"name": "chest-4", "address": "localhost", "sites": ["north", "valley"]})
        )
        self.home = folder / "home"
        provision(folder / "c.toml", self.home, NOW)
        self.now, self.log, self.registered = NOW, [""], [("", b"")]
        self.fault: Exception | None = None
        self.handler = EnrolmentHandler(self.home, self.register, lambda: self.now, self.log.append)

    def register(self, site: str, key: bytes) -> None:
        if self.fault:
            raise self.fault
        self.registered.append((site, key))

    def request_for(
        self, site: str = "north", keys: dict[str, bytes] = KEYS, **change: Any
    ) -> dict[str, Any]:
        requests = {
            f"{use}_request": certificates.request(site, keys[use]).decode()
            for use in ("tls", "identity")
        }
        token = (self.home / "kits" / site / "token").read_text().strip()
        return {
            "site": site,
            "token": token,
            **requests,
            "node_key": certificates.public_bytes(keys["node"]).decode(),
            **change,
        }

    def answer(self, **change: Any) -> tuple[int, dict[str, str]]:
        return self.handler.respond(json.dumps(self.request_for(**change)).encode())


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path)


def test_a_hospital_is_enrolled_and_its_lost_answer_given_again(coordinator: Coordinator) -> None:
    status, answer = coordinator.answer()
    assert status == 200 and set(answer) == {"tls_certificate", "identity_certificate"}
    ca = (coordinator.home / "ca.crt").read_bytes()
    for field, key in (("tls_certificate", "tls"), ("identity_certificate", "identity")):
        certificates.check(answer[field].encode(), ca, "north", NOW)
        assert certificates.key_in(answer[field].encode()) == certificates.public_bytes(KEYS[key])
    enrolled = Registry(coordinator.home).load()["north"].enrolled
    details = certificates.details(answer["tls_certificate"].encode())
    assert enrolled is not None
    assert (enrolled.serial, enrolled.certificate_sha256) == (details["serial"], details["sha256"])
    assert coordinator.registered[1:] == [("north", certificates.public_bytes(KEYS["node"]))]
    coordinator.now += timedelta(days=30)
    assert coordinator.answer() == (200, answer)
    assert len(coordinator.registered) == 2


@pytest.mark.parametrize("kind", ["tls", "identity", "node"])
def test_another_key_with_the_same_token_is_refused(coordinator: Coordinator, kind: str) -> None:
    coordinator.answer()
    status, answer = coordinator.answer(keys={**KEYS, kind: certificates.private_key(kind)})
    assert status == 409 and "already enrolled with other keys" in answer["error"]


def test_a_wrong_token_and_a_wrong_name_get_the_same_answer(coordinator: Coordinator) -> None:
    refused = (403, {"error": REFUSED})
    assert coordinator.answer(token="wrong") == refused
    assert (
        coordinator.log[-1] == "enrolment of north refused: wrong token (from an unnamed address)"
    )
    foreign = {
        f"{use}_request": certificates.request("east", KEYS[use]).decode()
        for use in ("tls", "identity")
    }
    assert coordinator.answer(**foreign, site="north", token="") == refused
    east = {**coordinator.request_for(), **foreign, "site": "east"}
    assert coordinator.handler.respond(json.dumps(east).encode()) == refused
    assert coordinator.log[-1].startswith("enrolment of east refused: no hospital is called east")
    assert coordinator.registered == [("", b"")]


def test_no_token_is_ever_logged(coordinator: Coordinator) -> None:
    token = coordinator.request_for()["token"]
    for change in ({}, {"site": "valley"}, {"tls_request": "x"}, {"node_key": token}):
        body = {**coordinator.request_for(), **change}
        coordinator.handler.respond(json.dumps(body).encode())
    assert len(coordinator.log) == 5 and token not in "".join(coordinator.log)


def test_an_expired_token(coordinator: Coordinator) -> None:
    coordinator.now += timedelta(days=15)
    status, answer = coordinator.answer()
    assert status == 403 and answer["error"].startswith("This kit's token expired on 2026-03-15")


def wrong(coordinator: Coordinator, address: str = HERE, **change: Any) -> int:
    body = json.dumps(coordinator.request_for(**{"token": "wrong", **change})).encode()
    return coordinator.handler.respond(body, address)[0]


def test_wrong_tokens_cost_their_sender_and_never_the_owner_of_the_name(
    coordinator: Coordinator,
) -> None:
    assert [wrong(coordinator) for _ in range(12)] == [403] * 10 + [429] * 2
    assert wrong(coordinator, "192.0.2.8") == 403
    right = json.dumps(coordinator.request_for()).encode()
    # Also behind the very address that the stranger shares.
    assert coordinator.handler.respond(right, HERE)[0] == 200
    coordinator.now += timedelta(minutes=11)
    assert wrong(coordinator) == 403


def test_a_flood_of_refusals_does_not_fill_the_log(coordinator: Coordinator) -> None:
    lines = len(coordinator.log)
    for i in range(50):
        wrong(coordinator)
        coordinator.handler.respond(b"nonsense %d" % i, HERE)
    assert len(coordinator.log) - lines == 11
    assert coordinator.log[-1] == f"more refusals of {HERE} are not written down for 10 minutes"


def test_if_registering_fails_the_token_stays_unused(coordinator: Coordinator) -> None:
    coordinator.fault = RuntimeError("the link is down")
    status, answer = coordinator.answer()
    assert status == 503 and "link" not in answer["error"]
    assert "the link is down" in coordinator.log[-1]
    coordinator.fault = None
    assert coordinator.answer()[0] == 200


def test_a_node_key_serves_one_hospital(coordinator: Coordinator) -> None:
    coordinator.answer()
    keys = {**new_keys("tls", "identity"), "node": KEYS["node"]}
    status, answer = coordinator.answer(site="valley", keys=keys)
    assert status == 409 and "north" not in answer["error"]
    assert "node key of north" in coordinator.log[-1]


def test_an_authority_out_of_time_gives_nothing(coordinator: Coordinator) -> None:
    text = (coordinator.home / "sites.json").read_text().replace("2026-03-15", "2099-03-15")
    (coordinator.home / "sites.json").write_text(text)
    coordinator.now += timedelta(days=4000)
    assert coordinator.answer()[0] == 503
    assert "authority expired" in coordinator.log[-1]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b"[" * 60000, b"null", b'{"site": "north"}'],
)
def test_bodies_that_are_no_request(coordinator: Coordinator, body: bytes) -> None:
    assert coordinator.handler.respond(body)[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"site": "a\nb"},
        {"site": "../x"},
        {"token": 5},
        {"token": "é"},
        {"more": "x"},
        {"tls_request": "x"},
        {"identity_request": certificates.request("north", KEYS["tls"]).decode()},
        {"tls_request": certificates.request("valley", KEYS["tls"]).decode()},
        {"node_key": certificates.public_bytes(KEYS["tls"]).decode()},
        {"node_key": KEYS["node"].decode()},
    ],
)
def test_wrong_fields(coordinator: Coordinator, change: dict[str, Any]) -> None:
    body = {**coordinator.request_for(), **change}
    assert coordinator.handler.respond(json.dumps(body).encode())[0] == 400
    assert coordinator.registered == [("", b"")]
    assert coordinator.answer()[0] == 200


@pytest.fixture
def service(coordinator: Coordinator) -> Iterator[Path]:
    path, stop = coordinator.home / "run" / "enrol.sock", threading.Event()
    path.parent.mkdir(0o700)
    path.write_text("left over")
    arguments = (
        coordinator.home,
        path,
        coordinator.register,
        stop,
        lambda: coordinator.now,
        coordinator.log.append,
    )
    thread = threading.Thread(target=enrolment.serve, args=arguments, daemon=True)
    thread.start()
    while not path.is_socket():
        assert thread.is_alive()
    yield path
    stop.set()
    thread.join()
    assert not path.exists()


def send(path: Path, raw: bytes) -> tuple[int, dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patient(20))
        connection.connect(str(path))
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body or b"{}")


def test_the_one_call(coordinator: Coordinator, service: Path) -> None:
    assert service.stat().st_mode & 0o777 == 0o600
    body = json.dumps(coordinator.request_for()).encode()
    status, answer = send(
        service,
        b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
    )
    assert status == 200 and "tls_certificate" in answer


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /v1/enrol HTTP/1.1\r\n\r\n", 404),
        (b"POST /v1/fleet/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST /v1/enrol HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/enrol HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/enrol HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 400),
        (
            b"POST /v1/enrol HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            400,
        ),
        (b"POST /v1/enrol HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST /v1/enrol HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /v1/enrol HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /" + b"x" * 66000, 400),
    ],
)
def test_everything_else(service: Path, raw: bytes, status: int) -> None:
    code, answer = send(service, raw)
    assert code == status and set(answer) == {"error"}


def test_one_service_a_socket(coordinator: Coordinator, service: Path) -> None:
    def serve(path: Path) -> None:
        enrolment.serve(
            coordinator.home,
            path,
            coordinator.register,
            threading.Event(),
            lambda: NOW,
            coordinator.log.append,
        )

    with pytest.raises(ConsiliumError, match="Another enrolment service uses"):
        serve(service)
    with pytest.raises(ConsiliumError, match="cannot be used"):
        serve(coordinator.home / "none" / "enrol.sock")
    with pytest.raises(ConsiliumError, match="cannot be made"):
        serve(coordinator.home / ("x" * 120))
    assert service.is_socket()
