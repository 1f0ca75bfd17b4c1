"""The way to the coordinator, hop by hop, over real sockets.

Each broken hop is the one that is named.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from client.gateway import connection, diagnosis
from client.site_settings import KitSettings
from common.errors import InputError
from common.trust import certificates
from common.trust.certificates import Credential
from tests import lane
from tests.patience import patient

NOW = datetime.now(UTC)
CA = certificates.authority("chest-4", NOW, 30)
OK = lane.fixed("HTTP/1.1 404 Not Found")
SECONDS = patient(2)
"""For each hop; a tenth of it passes before a refusal that does not come counts as none."""


def write(folder: Path, name: str, credential: Credential) -> tuple[Path, Path]:
    (folder / f"{name}.crt").write_bytes(credential.certificate)
    (folder / f"{name}.key").write_bytes(credential.key)
    return folder / f"{name}.crt", folder / f"{name}.key"


def hospital(
    folder: Path, ca: Credential = CA, now: datetime = NOW, days: int = 10
) -> tuple[Path, Path]:
    key = certificates.private_key("tls")
    granted = certificates.grant(
        ca, certificates.request("north", key), "north", "client", now, days
    )
    return write(folder, "north", Credential(granted, key))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path, "ca", CA)
    write(tmp_path, "server", certificates.server(CA, "localhost", NOW, 10))
    return tmp_path


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def route(port: int, proxy: str = "none", address: str = "localhost") -> KitSettings:
    return KitSettings(name="north", consortium="chest-4", address=address, port=port, proxy=proxy)


def both(
    way: KitSettings,
    certificate: tuple[Path, Path] | None = None,
    ca: bytes = CA.certificate,
    seconds: float = SECONDS,
) -> tuple[connection.Hop, str]:
    """The last hop that :func:`reach` tried, and what :func:`explain`
    makes of the client's own exception.
    """
    last = connection.reach(way, ca, certificate, "/v1/fleet/", seconds)[-1]
    with connection.client(way, ca, certificate) as http:
        try:
            http.get("/v1/fleet/", timeout=seconds).raise_for_status()
        except httpx.HTTPError as error:
            return last, connection.explain(error, way)
    return last, ""


def test_every_hop_passed(home: Path) -> None:
    with lane.listening(OK, lane.tls(home, mutual=True)) as port:
        hops = connection.reach(route(port), CA.certificate, hospital(home), "/v1/fleet/", SECONDS)
        assert [(hop.name, hop.ok) for hop in hops] == [
            ("name", True),
            ("port", True),
            ("TLS", True),
            ("client certificate", True),
            ("answer", True),
        ]
        with connection.client(route(port), CA.certificate, hospital(home)) as http:
            assert http.get("/v1/fleet/").status_code == 404


def test_an_unknown_name() -> None:
    last, sentence = both(route(443, address="no-such-host.invalid"))
    assert (last.name, last.ok) == ("name", False)
    assert sentence.startswith(
        "cannot reach the coordinator: the name of no-such-host.invalid is not known here"
    )


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    last, sentence = both(route(port))
    assert (last.name, last.ok) == ("port", False)
    assert sentence == (
        f"cannot reach the coordinator: localhost:{port} refuses connections; "
        "check address and port, and whether a service runs there."
    )


def test_a_server_that_keeps_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        last, sentence = both(route(door.getsockname()[1]), seconds=0.3)
    assert (last.name, last.ok) == ("TLS", False)
    assert "in time" in sentence


def test_a_port_without_tls() -> None:
    with lane.listening(
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    ) as port:
        last, sentence = both(route(port))
    assert (last.name, last.ok) == ("TLS", False)
    assert "does not speak TLS; check that the port" in sentence


EARLY = NOW - timedelta(days=20)
OLD = certificates.authority("chest-4", EARLY, 60)


@pytest.mark.parametrize(
    ("ca", "server", "words"),
    [
        (
            CA,
            certificates.server(OLD, "localhost", NOW, 10),
            "not from consortium chest-4's authority",
        ),
        (
            CA,
            certificates.signer(CA, "coordinator", NOW, 10),
            "not from consortium chest-4's authority",
        ),
        (
            CA,
            certificates.server(CA, "localhost", NOW + timedelta(days=5), 10),
            "not valid yet; check this machine's clock",
        ),
        (OLD, certificates.server(OLD, "localhost", EARLY, 10), "has expired; ask the coordinator"),
    ],
)
def test_a_server_that_is_not_to_be_trusted(
    home: Path, ca: Credential, server: Credential, words: str
) -> None:
    write(home, "server", server)
    with lane.listening(OK, lane.tls(home)) as port:
        last, sentence = both(route(port), ca=ca.certificate)
    assert (last.name, last.ok) == ("TLS", False)
    assert words in sentence


def test_a_server_of_another_name(home: Path) -> None:
    with (
        lane.listening(OK, lane.tls(home)) as port,
        lane.listening(lane.web_proxy([], port=port)) as proxy,
    ):
        for address in ("fl.example.org", "10.0.0.7"):
            last, sentence = both(route(443, f"http://127.0.0.1:{proxy}", address))
            assert (last.name, last.ok) == ("TLS", False)
            assert f"{address}:443 was made for another name" in sentence


def test_old_tls_is_refused_unless_configured(home: Path) -> None:
    old = lane.tls(home)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with lane.listening(OK, old) as port:
        last, sentence = both(route(port))
        assert (last.name, last.ok) == ("TLS", False)
        assert "does not offer TLS 1.3" in sentence
        last, _ = both(replace(route(port), min_tls="1.2"))
        assert (last.name, last.ok) == ("answer", True)


@pytest.mark.parametrize("kind", ["none", "foreign", "expired", "identity"])
def test_a_client_certificate_that_is_refused(home: Path, kind: str) -> None:
    certificate = {
        "none": lambda: None,
        "foreign": lambda: hospital(home, certificates.authority("chest-4", NOW, 30)),
        "expired": lambda: hospital(home, now=NOW - timedelta(minutes=1), days=0),
        "identity": lambda: write(home, "north", certificates.signer(CA, "north", NOW, 5)),
    }[kind]()
    with lane.listening(OK, lane.tls(home, mutual=True)) as port:
        last, sentence = both(route(port), certificate, seconds=patient(10))
    assert (last.name, last.ok) == ("client certificate", False)
    assert "refuses this hospital's client certificate" in last.remark
    assert "certificate" in sentence  # the refusal may be lost with what was sent meanwhile


@pytest.mark.parametrize(
    ("status", "hop", "words"),
    [
        ("403 Forbidden", "client certificate", r"does not accept this hospital (status 403)"),
        ("502 Bad Gateway", "answer", "the service behind it does not (status 502)"),
        ("500 Oops", "answer", "answers with status 500"),
        ("301 Moved", "answer", "answers with status 301"),
    ],
)
def test_answers(home: Path, status: str, hop: str, words: str) -> None:
    with lane.listening(lane.fixed(f"HTTP/1.1 {status}"), lane.tls(home)) as port:
        last, sentence = both(route(port))
    assert (last.name, last.ok) == (hop, False)
    assert words in last.remark and words in sentence


def test_a_server_that_hangs_up(home: Path) -> None:
    with lane.listening(lambda connection: connection.close(), lane.tls(home)) as port:
        last, sentence = both(route(port))
    assert (last.name, last.ok) == ("answer", False)
    assert "broke off" in sentence


@pytest.mark.parametrize("source", ["settings", "environment"])
def test_a_web_proxy_is_honoured(home: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    asked: list[str] = []
    with (
        lane.listening(OK, lane.tls(home)) as port,
        lane.listening(lane.web_proxy(asked, port=port)) as proxy,
    ):
        url = f"http://ann:s%20t@127.0.0.1:{proxy}"
        if source == "environment":
            monkeypatch.setenv("HTTPS_PROXY", url)
        last, sentence = both(route(port, proxy=url if source == "settings" else ""))
        hops = connection.reach(route(port, proxy=url), CA.certificate, None, "/v1/fleet/", SECONDS)
    assert (last.name, last.ok) == ("answer", True) and "404" in sentence
    assert [hop.name for hop in hops] == [
        "name",
        "port",
        "proxy",
        "TLS",
        "client certificate",
        "answer",
    ]
    assert (
        all(head.startswith(f"CONNECT localhost:{port} HTTP/1.1") for head in asked)
        and len(asked) == 3
    )
    assert all("Proxy-Authorization: Basic YW5uOnMgdA==" in head for head in asked)


def test_the_environment_may_except_an_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with lane.listening(OK, lane.tls(home)) as port:
        assert not connection.reach(route(port, proxy=""), CA.certificate, None, "/", SECONDS)[
            -1
        ].ok
        assert connection.reach(route(port), CA.certificate, None, "/", SECONDS)[-1].ok
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert connection.reach(route(port, proxy=""), CA.certificate, None, "/", SECONDS)[-1].ok
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(InputError, match="a proxy of kind socks5"):
        connection.reach(route(443, proxy=""), CA.certificate, None, "/", 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("407 Auth", "wants a user and a password"),
        ("403 No", r'does not connect to localhost:443 ("403 No")'),
    ],
)
def test_a_proxy_that_refuses(status: str, words: str) -> None:
    with lane.listening(lane.web_proxy([], f"HTTP/1.1 {status}")) as proxy:
        last, sentence = both(route(443, proxy=f"http://ann:secret@127.0.0.1:{proxy}"))
    assert (last.name, last.ok) == ("proxy", False)
    assert words in sentence and "secret" not in sentence + last.remark


def test_a_proxy_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    last, sentence = both(route(443, proxy=f"http://127.0.0.1:{port}"))
    assert not last.ok
    assert f"the proxy 127.0.0.1:{port} refuses connections" in sentence


def test_files_that_do_not_belong_together(home: Path) -> None:
    certificate, _ = hospital(home)
    with pytest.raises(InputError, match="not a pair"):
        connection.client(route(443), CA.certificate, (certificate, home / "server.key"))
    with pytest.raises(InputError, match="cannot be read"):
        connection.client(route(443), CA.certificate, (certificate, home / "none.key"))
    with pytest.raises(InputError, match=r"ca\.crt is damaged"):
        connection.client(route(443), b"x", None)


def test_the_client_trusts_nobody_else_and_follows_nobody(home: Path) -> None:
    context = connection.context(route(443), CA.certificate, None)
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert len(context.get_ca_certs()) == 1
    with connection.client(route(443), CA.certificate, None) as http:
        assert not http.follow_redirects and not http.trust_env


def test_addresses_in_urls() -> None:
    assert connection.base_url(route(8443, address="::1")) == "https://[::1]:8443"
    assert diagnosis.place("https://ann:secret@proxy") == "proxy:443"
