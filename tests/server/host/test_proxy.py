"""The reverse proxy.

Who is in the map of members, and what the real nginx lets through with the real configuration.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from common import http_server
from common.errors import ConsiliumError
from common.storage import files
from common.study import toml
from common.trust import certificates, consortium
from common.trust.certificates import Credential
from common.trust.consortium import Consortium
from server.commands.provision import provision
from server.host import notify, proxy
from server.host.notify import Notifier
from server.host.proxy import Addresses, Proxy, members
from server.host.proxy_configuration import SERIAL, configuration
from server.host.site_registry import Enrolment, RegisteredSite
from tests.patience import patient, until
from tests.ports import free_ports

NOW = datetime.now(UTC)
KEYS = {
    name: certificates.public_bytes(certificates.private_key("node"))
    for name in ("north", "valley")
}


def enrolled(key: bytes, serial: str) -> Enrolment:
    return Enrolment(
        "2026-03-01T12:00:00+00:00", serial, "", hashlib.sha256(key).hexdigest(), "", "", ""
    )


def hospital(key: bytes, serial: str) -> RegisteredSite:
    return RegisteredSite("", "2026-03-15T12:00:00+00:00", enrolled(key, serial))


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A provisioned home, at a path with a space in it."""
    top = Path(tempfile.mkdtemp())
    port, link = free_ports(2)
    table = {
        "name": "chest-4",
        "address": "localhost",
        "port": port,
        "link_port": link,
        "sites": ["north", "valley"],
    }
    (top / "c.toml").write_text(toml.dumps(table))
    home = top / "my home"
    provision(top / "c.toml", home, NOW)
    for name in ("run", "logs"):
        files.folder(home / name)
    yield home
    shutil.rmtree(top)


def settings(home: Path) -> Consortium:
    return consortium.read(home / "consortium.toml")


def test_a_member_is_written_as_nginx_writes_its_serial_number() -> None:
    sites = {"valley": hospital(KEYS["valley"], "0abc"), "north": hospital(KEYS["north"], "7f3")}
    keys = {name: base64.b64encode(key).decode() for name, key in KEYS.items()}
    expected = f'"07F3" "{keys["north"]}";\n"0ABC" "{keys["valley"]}";\n'
    assert members(sites, KEYS.values()).decode() == expected


def test_who_is_revoked_not_enrolled_or_unknown_to_the_superlink_is_out() -> None:
    north = hospital(KEYS["north"], "aa")
    assert members({"north": north}, KEYS.values()) != b""
    assert members({"north": north.renewed("token", NOW)}, KEYS.values()) == b""
    assert members({"north": replace(north, enrolled=None)}, KEYS.values()) == b""
    assert members({"north": north}, [KEYS["valley"]]) == b""
    enrolled_anew = replace(north.renewed("token", NOW), enrolled=enrolled(KEYS["valley"], "bb"))
    assert members({"north": enrolled_anew}, KEYS.values()).startswith(b'"BB"')


def test_a_long_serial_number_from_a_real_certificate_is_whole_bytes(home: Path) -> None:
    ca = Credential((home / "ca.crt").read_bytes(), (home / "ca.key").read_bytes())
    key = certificates.private_key("tls")
    granted = certificates.grant(ca, certificates.request("north", key), "north", "client", NOW, 30)
    serial = str(certificates.details(granted)["serial"])
    line = members({"north": hospital(KEYS["north"], serial)}, KEYS.values()).decode()
    written = line.split('"')[1]
    assert (
        len(written) % 2 == 0 and int(written, 16) == int(serial, 16) and written == written.upper()
    )


@pytest.mark.parametrize(("least", "protocols"), [("1.3", "TLSv1.3"), ("1.2", "TLSv1.2 TLSv1.3")])
def test_the_configuration_passes_nginx_s_own_check(home: Path, least: str, protocols: str) -> None:
    text = configuration(home, replace(settings(home), min_tls=least))
    assert f"ssl_protocols {protocols};" in text
    (home / "run" / "members.map").write_bytes(
        members({"north": hospital(KEYS["north"], "aa")}, KEYS.values())
    )
    (home / "run" / "addresses.map").write_bytes(b"192.0.2.7 1; # AA\n2001:db8::/64 1; # AA\n")
    (home / "run" / "trial.conf").write_text(text)
    command = [
        proxy.program(),
        "-t",
        "-p",
        str(home / "run"),
        "-c",
        str(home / "run" / "trial.conf"),
        "-e",
        str(home / "logs" / "proxy.log"),
    ]
    checked = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=patient(60)
    )
    assert checked.returncode == 0, checked.stderr


def test_there_are_six_places_of_which_one_is_for_strangers(home: Path) -> None:
    places = dict(
        re.findall(
            r"^        location (.+?) \{(.*?)\}\n(?=        location|        #|    \})",
            configuration(home, settings(home)),
            re.MULTILINE | re.DOTALL,
        )
    )
    assert places.pop("/").strip() == "return 404;"
    # Not reached from outside: an answer that was made already waits there for its turn.
    for inner in ("@stranger", "@nowhere"):
        assert "limit_req zone=strangers burst=40;" in places.pop(inner)
    assert "client_verify" not in places.pop("= /v1/enrol")
    fleet = places["/v1/fleet/"]
    assert [place.strip('~= "^').split("/")[2] for place in places] == [
        "fleet",
        "bell",
        "models",
        "updates",
    ]
    assert all(
        "if ($ssl_client_verify != SUCCESS) { return 403; }" in inside for inside in places.values()
    )
    assert all('if ($member = "") { return 403; }' in inside for inside in places.values())
    assert "if ($http_flwr_public_key != $member) { return 403; }" in fleet


def test_a_refused_configuration_is_one_sentence(home: Path) -> None:
    with pytest.raises(
        ConsiliumError, match=r"nginx refuses its configuration: unexpected end of file"
    ):
        Proxy(home, settings(home)).start(b'"unfinished')


class Nginx:
    """Real nginx before the real notifier, and hospitals' certificates."""

    def __init__(self, home: Path) -> None:
        self.home, self.settings = home, settings(home)
        self.ca = Credential((home / "ca.crt").read_bytes(), (home / "ca.key").read_bytes())
        self.proxy = Proxy(home, self.settings)

    def certificate(self, name: str, ca: Credential | None = None) -> tuple[Path, str]:
        """A file with certificate and key, and the serial number."""
        key = certificates.private_key("tls")
        granted = certificates.grant(
            ca or self.ca, certificates.request(name, key), name, "client", NOW, 30
        )
        path = self.home.parent / f"{name}-{time.monotonic_ns()}.pem"
        path.write_bytes(granted + key)
        return path, str(certificates.details(granted)["serial"])

    def get(
        self,
        place: str,
        pem: Path | None = None,
        least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        key: str = "",
    ) -> int:
        """Status of an answer."""
        context = ssl.create_default_context(cafile=self.home / "ca.crt")
        context.minimum_version = context.maximum_version = least
        if pem is not None:
            context.load_cert_chain(pem)
        with httpx.Client(verify=context, trust_env=False, timeout=patient(20)) as http:
            return http.get(
                f"https://localhost:{self.settings.port}{place}", headers={"flwr-public-key": key}
            ).status_code


@pytest.fixture(scope="module")
def nginx(home: Path) -> Iterator[Nginx]:
    started = Nginx(home)
    with notify.serve(Notifier(), home / "run" / "bell.sock"):
        started.proxy.start(b"")
        try:
            until(lambda: reached(started))
            yield started
        finally:
            started.proxy.stop()


def reached(nginx: Nginx) -> bool:
    assert nginx.proxy.alive()
    try:
        return nginx.get("/") == 404
    except httpx.TransportError:
        return False


GUARDED = ("/v1/bell", "/v1/fleet/x", f"/v1/models/1/{64 * 'a'}")
PLACES = [
    "/",
    "/questions",
    "/answers",
    "/v1/bell/",
    "/v1/control/list-runs",
    "/v1/runtime/get-nodes",
    "/v1/fleet",
    "/v1/fleet/../control/x",
]


@pytest.mark.parametrize("place", PLACES)
def test_nothing_else_is_reached_even_with_a_member_s_certificate(nginx: Nginx, place: str) -> None:
    pem, serial = nginx.certificate("north")
    nginx.proxy.update(members({"north": hospital(KEYS["north"], serial)}, KEYS.values()))
    until(lambda: nginx.get("/v1/bell?after=5", pem) == 200)
    assert nginx.get(place, pem) in ((301, 404) if place == "/v1/fleet" else (404,))


def test_only_members_come_in_and_a_revoked_one_no_longer(nginx: Nginx) -> None:
    pem, serial = nginx.certificate("north")
    stranger, _ = nginx.certificate("north")
    assert [
        nginx.get(place, certificate) for place in GUARDED for certificate in (None, pem, stranger)
    ] == [403] * 9
    assert nginx.proxy.update(members({"north": hospital(KEYS["north"], serial)}, KEYS.values()))
    until(lambda: nginx.get("/v1/bell?after=5", pem) == 200)
    assert nginx.get("/v1/bell?after=5", stranger) == 403 == nginx.get("/v1/bell?after=5")
    assert not nginx.proxy.update(
        members({"north": hospital(KEYS["north"], serial)}, KEYS.values())
    )
    assert nginx.proxy.update(b"")
    until(lambda: nginx.get("/v1/bell?after=5", pem) == 403)


def test_a_member_may_not_use_another_member_s_node_key(nginx: Nginx) -> None:
    pem, serial = nginx.certificate("north")
    nginx.proxy.update(
        members(
            {"north": hospital(KEYS["north"], serial), "valley": hospital(KEYS["valley"], "01")},
            KEYS.values(),
        )
    )
    keys = {name: base64.b64encode(key).decode() for name, key in KEYS.items()}
    # Let in; no SuperLink stands behind it here. For a moment after a reload a worker with the old
    # list may still take a connection.
    until(lambda: nginx.get("/v1/fleet/x", pem, key=keys["north"]) == 502)
    assert nginx.get("/v1/fleet/x", pem, key=keys["valley"]) == 403


def test_a_certificate_of_another_consortium_is_refused(nginx: Nginx) -> None:
    pem, _ = nginx.certificate("north", certificates.authority("chest-4", NOW, 30))
    assert nginx.get("/v1/bell", pem) in (400, 403)


def test_an_older_tls_is_refused(nginx: Nginx) -> None:
    with pytest.raises(httpx.TransportError):
        nginx.get("/", least=ssl.TLSVersion.TLSv1_2)


class Echo(http_server.Handler):
    """Gives back what the proxy says about who sends."""

    def do_PUT(self) -> None:  # noqa: N802 - named by the base class
        self.reply(200, "|".join(self.headers.get_all(SERIAL, [])).encode())


def member(nginx: Nginx, *names: str) -> list[tuple[Path, str]]:
    """Certificates that open the door."""
    made = [nginx.certificate(name) for name in names]
    keys = [certificates.public_bytes(certificates.private_key("node")) for _ in names]
    sites = {
        name: hospital(key, serial)
        for name, key, (_, serial) in zip(names, keys, made, strict=True)
    }
    nginx.proxy.update(members(sites, keys))
    until(lambda: nginx.get("/v1/bell?after=5", made[-1][0]) == 200)
    return made


def test_who_sends_a_vector_is_told_by_the_certificate_and_by_nothing_else(nginx: Nginx) -> None:
    [(pem, serial)] = member(nginx, "north")
    context = ssl.create_default_context(cafile=nginx.home / "ca.crt")
    context.load_cert_chain(pem)
    server = http_server.UnixServer(nginx.home / "run" / "freight.sock", Echo)
    claims = [(SERIAL, "0B02"), (SERIAL.lower(), "0B02"), (SERIAL.replace("-", "_"), "0B02")]
    with (
        http_server.serving_alone(server, "freight"),
        httpx.Client(verify=context, trust_env=False, timeout=patient(20)) as http,
    ):
        url = f"https://localhost:{nginx.settings.port}/v1/updates/7/{64 * 'a'}"
        answer = http.put(url, content=b"", headers=claims)
    assert (answer.status_code, int(answer.text, 16)) == (200, int(serial, 16))


def test_twenty_hospitals_behind_one_address_hold_all_their_connections(nginx: Nginx) -> None:
    """Eight each, as many as a gateway has at most, from 127.0.0.1."""
    pems = [pem for pem, _ in member(nginx, *[f"site{i}" for i in range(20)])]
    with ExitStack() as held:
        for pem in pems:
            context = ssl.create_default_context(cafile=nginx.home / "ca.crt")
            context.load_cert_chain(pem)
            for _ in range(8):
                raw = socket.create_connection(("localhost", nginx.settings.port), patient(20))
                wire = held.enter_context(context.wrap_socket(raw, server_hostname="localhost"))
                wire.sendall(b"GET /v1/bell?after=5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert wire.recv(12) == b"HTTP/1.1 200"


def test_a_stranger_that_calls_without_end_waits_and_a_member_does_not(nginx: Nginx) -> None:
    [(pem, _)] = member(nginx, "north")
    raw = socket.create_connection(("localhost", nginx.settings.port), patient(20))
    context = ssl.create_default_context(cafile=nginx.home / "ca.crt")

    def call(place: str) -> None:
        with httpx.Client(verify=context, trust_env=False, timeout=patient(30)) as http:
            url = f"https://localhost:{nginx.settings.port}{place}"
            statuses.extend(http.get(url).status_code for _ in range(3))

    statuses: list[int] = []
    places = ["/v1/bell", "/", "/x"] * 30
    threads = [threading.Thread(target=call, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    raw.close()
    answers = [nginx.get("/v1/bell?after=5", pem) for _ in range(10)]
    for thread in threads:
        thread.join()
    assert answers == [200] * 10
    assert set(statuses) == {403, 404, 429}


def test_an_nginx_that_cannot_count_connections_stands_at_the_port_itself(home: Path) -> None:
    text = configuration(home, settings(home), None)
    assert "stream {" not in text and f"listen {settings(home).port} ssl;" in text
    assert "door.sock" not in text


@pytest.mark.parametrize(
    ("version", "module"),
    [
        ("nginx version: nginx/1.31.3\nconfigure arguments: --with-stream --with-x", ""),
        ("nginx version: nginx/1.25.5\nconfigure arguments: --with-stream", ""),
        ("nginx version: nginx/1.22.1\nconfigure arguments: --with-stream", None),
        ("nginx/1.26.0 --modules-path=TMP --with-stream=dynamic", "TMP/ngx_stream_module.so"),
        ("nginx/1.26.0 --modules-path=TMP/none --with-stream=dynamic", None),
        ("nginx/1.26.0 --with-stream=dynamic", None),
        ("nginx/1.26.0 --with-stream_ssl_module", None),
        ("nginx/1.26.0 --with-stream --without-stream_pass_module", None),
        ("something else", None),
    ],
)
def test_which_nginx_counts_connections(tmp_path: Path, version: str, module: str | None) -> None:
    program = tmp_path / "nginx"
    (tmp_path / "ngx_stream_module.so").touch()
    text = version.replace("TMP", str(tmp_path))
    program.write_text(f"#!/bin/sh\ncat >&2 <<END\n{text}\nEND\n")
    program.chmod(0o700)
    expected = None if module is None else module.replace("TMP", str(tmp_path))
    assert proxy.stream_module(str(program)) == expected


def test_a_module_that_counts_connections_is_loaded(home: Path) -> None:
    text = configuration(home, settings(home), "/usr/lib/nginx/modules/ngx_stream_module.so")
    assert text.splitlines()[1] == 'load_module "/usr/lib/nginx/modules/ngx_stream_module.so";'


def test_addresses_of_members_are_kept_and_nothing_else_is(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    assert addresses.write() and not addresses.write()
    for serial, address in (
        ("0A01", "192.0.2.7"),
        ("0A01", "192.0.2.7"),
        ("0B02", "2001:db8:1:2:3::4"),
        ("", "192.0.2.8"),
        ("0A01", ""),
        ("0A01", "192.0.2.9; return 200"),
        ("0A01 # \n", "192.0.2.10"),
    ):
        addresses.note(serial, address)
    assert addresses.write() and not addresses.write()
    listed = "192.0.2.7 1; # 0A01\n2001:db8:1:2::/64 1; # 0B02\n"
    assert (tmp_path / "addresses.map").read_text() == listed
    again = Addresses(tmp_path)
    assert not again.write()
    for number in range(100):
        again.note("0A01", f"198.51.100.{number}")
    assert again.write()
    assert len((tmp_path / "addresses.map").read_text().splitlines()) == 9
