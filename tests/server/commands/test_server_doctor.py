"""The coordinator's doctor over real files and ports.

Each planted fault is found, and nothing else.
"""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.checks import CheckResult
from common.cli import main, packages
from common.errors import ConsiliumError
from common.trust import certificates
from common.trust.certificates import Credential
from server.commands import server_doctor
from server.commands.provision import provision
from server.host import proxy
from server.host.site_registry import Enrolment, Registry

NOW = datetime.now(UTC)


def ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages, "look", list)
    monkeypatch.setattr(proxy, "program", lambda: "/bin/true")
    public, link = ports(2)
    (tmp_path / "c.toml").write_text(
        f'name = "trial"\naddress = "localhost"\nport = {public}\nlink_port = '
        f'{link}\nsites = ["north", "valley"]\n'
    )
    provision(tmp_path / "c.toml", tmp_path / "co", NOW)
    return tmp_path / "co"


def states(results: list[CheckResult]) -> dict[str, str]:
    return {
        finding.name.partition(" ")[0]
        if finding.name.startswith("port")
        else finding.name: finding.state
        for finding in results
    }


def wrongs(home: Path) -> list[CheckResult]:
    return [finding for finding in server_doctor.examine(home) if finding.state == "wrong"]


def test_a_server_before_its_start(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_name = states(server_doctor.examine(home))
    assert by_name == {
        **dict.fromkeys(
            (
                "folder",
                "modes",
                "ca.crt",
                "server.crt",
                "coordinator.crt",
                "roster.crt",
                "disk",
                "port",
                "nginx",
                "site north",
                "site valley",
            ),
            "ok",
        ),
        "roster": "ok",
        **dict.fromkeys(("SuperLink", "roster key"), "warning"),
    }
    assert main.main(["server", "doctor", "--home", str(home)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Nothing is wrong, 2 warnings, ")


@pytest.mark.parametrize(
    "name",
    ["ca.key", "superexec.secret", "sites.json", "kits/north/token", "offline/roster.key", "."],
)
def test_a_secret_that_others_may_read(home: Path, name: str) -> None:
    (home / name).chmod(0o744)
    [result] = wrongs(home)
    assert result.name == "modes"
    assert "run: chmod 0700" in result.text


def test_a_port_that_somebody_else_uses(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = int(
        next(
            line
            for line in (home / "consortium.toml").read_text().splitlines()
            if line.startswith("port")
        )
        .split("=")[1]
        .split("#")[0]
    )
    with closing(socket.socket()) as listener:
        listener.bind(("0.0.0.0", port))
        listener.listen()
        assert main.main(["server", "doctor", "--home", str(home), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in result["findings"] if entry["state"] == "wrong"] == [
        f"port {port}"
    ]


def test_no_proxy_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise ConsiliumError("nginx is not installed; install it.")

    monkeypatch.setattr(proxy, "program", missing)
    assert [finding.text for finding in wrongs(home)] == ["nginx is not installed; install it"]


def test_its_version(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "nginx"
    script.write_text("#!/bin/sh\necho 'nginx version: nginx/1.2.3' >&2\nexit ${FAKE:-0}\n")
    script.chmod(0o755)
    monkeypatch.setattr(proxy, "program", lambda: str(script))
    [result] = [finding for finding in server_doctor.examine(home) if finding.name == "nginx"]
    assert (result.state, result.observation) == ("ok", f"1.2.3 at {script}")
    monkeypatch.setenv("FAKE", "1")
    assert [finding.name for finding in wrongs(home)] == ["nginx"]


def test_keys_and_certificates(home: Path) -> None:
    (home / "server.key").write_bytes(certificates.private_key("tls"))
    assert [finding.text for finding in wrongs(home)] == [
        "server.key is not its key; restore both from one backup"
    ]
    ca = Credential((home / "ca.crt").read_bytes(), (home / "ca.key").read_bytes())
    old = certificates.server(ca, "localhost", NOW, 0)
    (home / "server.crt").write_bytes(old.certificate)
    (home / "server.key").write_bytes(old.key)
    [result] = wrongs(home)
    assert "expired on" in result.text
    soon = certificates.server(ca, "localhost", NOW, 10)
    (home / "server.crt").write_bytes(soon.certificate)
    (home / "server.key").write_bytes(soon.key)
    [warned] = [finding for finding in server_doctor.examine(home) if finding.name == "server.crt"]
    assert warned.state == "warning"
    assert "--renew server" in warned.advice


def test_hospitals_whose_token_or_certificate_ends(home: Path) -> None:
    ca = Credential((home / "ca.crt").read_bytes(), (home / "ca.key").read_bytes())
    key = certificates.private_key("tls")
    tls = certificates.grant(ca, certificates.request("north", key), "north", "client", NOW, 10)
    enrolled = Enrolment(NOW.isoformat(), "1", "", "", "", tls.decode(), "")
    registered = Registry(home).load()
    registered["north"] = replace(registered["north"], enrolled=enrolled)
    registered["valley"] = replace(
        registered["valley"], token_expires=(NOW - timedelta(days=1)).isoformat()
    )
    (home / "sites.json").write_text(
        json.dumps({name: asdict(site) for name, site in registered.items()})
    )
    by_name = {finding.name: finding for finding in server_doctor.examine(home)}
    assert by_name["site north"].state == by_name["site valley"].state == "warning"
    assert "enrolled since" in by_name["site north"].text
    assert "not connected, certificate good until" in by_name["site north"].text
    assert by_name["site north"].advice.endswith("--renew north")
    assert "token expired on" in by_name["site valley"].text


def test_the_signed_roster(home: Path) -> None:
    def by_name() -> dict[str, CheckResult]:
        return {finding.name: finding for finding in server_doctor.examine(home)}

    def enrol(*names: str) -> None:
        registered = Registry(home).load()
        for name in names:
            identity = certificates.signer(ca, name, NOW, 100).certificate.decode()
            registered[name] = replace(
                registered[name],
                enrolled=Enrolment(NOW.isoformat(), "1", "", "", "", identity, identity),
            )
        (home / "sites.json").write_text(
            json.dumps({name: asdict(site) for name, site in registered.items()})
        )

    ca = Credential((home / "ca.crt").read_bytes(), (home / "ca.key").read_bytes())
    key = (home / "offline").rename(home.parent / "stick") / "roster.key"
    assert "roster key" not in by_name()
    enrol("north")
    advice = f"run: consilium server roster --home {home} --key KEY"
    assert (by_name()["roster"].state, by_name()["roster"].text) == (
        "warning",
        f"not signed yet; {advice}",
    )
    assert main.main(["server", "roster", "--home", str(home), "--key", str(key), "--yes"]) == 0
    assert (by_name()["roster"].state, by_name()["roster"].text) == (
        "ok",
        "version 1 holds every enrolled hospital",
    )
    enrol("north", "valley")
    assert (
        by_name()["roster"].text
        == f"version 1: valley is enrolled and not on it; north has another key on it; {advice}"
    )
    (home / "roster.json").write_text("{}")
    assert (by_name()["roster"].state, "is not signed" in by_name()["roster"].text) == (
        "wrong",
        True,
    )


def test_a_damaged_registry_and_no_folder(home: Path, tmp_path: Path) -> None:
    (home / "sites.json").write_text("{")
    assert [finding.name for finding in wrongs(home)] == ["hospitals", "roster"]
    shutil.rmtree(home)
    [result] = wrongs(home)
    assert "is not a coordinator's folder" in result.text
