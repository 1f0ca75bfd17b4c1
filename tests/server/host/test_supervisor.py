"""What ``consilium server start`` looks at before anything starts."""

from __future__ import annotations

import shutil
import socket
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import CertificateError, InputError
from common.study import toml
from common.trust import certificates
from common.trust.certificates import Credential
from server.commands.provision import provision
from server.host import proxy, superlink_process, supervisor
from server.host.server_home import ServerHome
from tests.ports import free_ports

UNIT = Path(__file__).parents[3] / "deploy" / "systemd" / "consilium-server.service"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture
def home(tmp_path: Path) -> ServerHome:
    port, link = free_ports(2)
    table = {
        "name": "chest-4",
        "address": "localhost",
        "port": port,
        "link_port": link,
        "sites": ["north"],
    }
    (tmp_path / "c.toml").write_text(toml.dumps(table))
    provision(tmp_path / "c.toml", tmp_path / "home", NOW)
    return ServerHome.open(tmp_path / "home")


def test_a_new_home_may_start(home: ServerHome) -> None:
    supervisor.check(home, NOW)


@pytest.mark.parametrize("place", ["port", "link_port"])
def test_a_port_in_use(home: ServerHome, place: str) -> None:
    port = getattr(home.settings, place)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(InputError) as caught:
        supervisor.check(home, NOW)
    assert str(caught.value) == (
        f"consortium.{place} is {port}, which another program uses; "
        "stop that one or give another port."
    )


def test_a_port_that_was_just_given_back_is_free(home: ServerHome) -> None:
    with (
        socket.create_server(("127.0.0.1", home.settings.port)) as door,
        socket.create_connection(door.getsockname()),
    ):
        door.accept()[0].close()  # this side closes first, so that the port stays in TIME_WAIT
    supervisor.check(home, NOW)


def test_an_expired_server_certificate(home: ServerHome) -> None:
    with pytest.raises(CertificateError, match="expired on 2027-03-01"):
        supervisor.check(home, NOW + timedelta(days=366))


def test_a_server_certificate_of_another_consortium(home: ServerHome) -> None:
    foreign: Credential = certificates.server(
        certificates.authority("other", NOW, 30), "localhost", NOW, 30
    )
    (home.path / "server.crt").write_bytes(foreign.certificate)
    with pytest.raises(CertificateError, match="not issued by this consortium"):
        supervisor.check(home, NOW)


def test_a_full_disk(home: ServerHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 100 << 30, 7 << 20))
    with pytest.raises(InputError) as caught:
        supervisor.check(home, NOW)
    assert (
        str(caught.value)
        == f"The disk of {home.path} has 7 MiB left; at least 1024 MiB are needed, make room."
    )


def test_systemd_waits_until_the_server_has_ended_its_own_processes() -> None:
    """With one study at a time, which is the default."""
    [line] = [line for line in UNIT.read_text().splitlines() if line.startswith("TimeoutStopSec=")]
    run = superlink = superlink_process.STOP_TIMEOUT
    own_time = run + superlink + proxy._STOP_TIMEOUT + supervisor._ENROLMENT_TIMEOUT
    assert own_time < float(line.partition("=")[2]) < 2 * own_time
