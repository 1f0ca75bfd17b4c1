"""What keeps a hospital from starting: one sentence each, before any process starts."""

from __future__ import annotations

import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.home import SiteHome
from client.isolation import preflight
from client.site_settings import SiteSettings, settings
from common.cli import main
from common.errors import CertificateError, InputError
from common.trust import certificates

NOW = datetime.now(UTC)
CA = certificates.authority("chest-4", NOW, 3650)


def hospital(
    path: Path, ca: certificates.Credential = CA, days: int = 100, **changes: object
) -> SiteHome:
    """An enrolled hospital's folder with its data beside it."""
    home = SiteHome(path)
    for folder in (home.path, home.gateway, home.worker, home.state, home.run, home.logs):
        folder.mkdir(0o700, parents=True)
    (path.parent / "data").mkdir(exist_ok=True)
    keys = {home.tls_key: "tls", home.node_key: "node", home.identity_key: "identity"}
    files = {
        file: certificates.private_key(kind)  # type: ignore[arg-type]
        for file, kind in keys.items()
    }
    for key, crt, usage in (
        (home.tls_key, home.tls_crt, "client"),
        (home.identity_key, home.identity_crt, "identity"),
    ):
        files[crt] = certificates.grant(
            ca, certificates.request("north", files[key]), "north", usage, NOW, days
        )  # type: ignore[arg-type]
    files[home.ca] = CA.certificate
    files[home.coordinator] = certificates.signer(CA, "coordinator", NOW, 3650).certificate
    files[home.roster_crt] = certificates.signer(CA, "roster", NOW, 3650).certificate
    files[home.policy_toml] = b""
    about = {
        "name": "north",
        "consortium": "chest-4",
        "address": "localhost",
        "port": 9,
        "proxy": "none",
        "data": str(path.parent / "data"),
    }
    files[home.site_toml] = settings(SiteSettings, {**about, **changes}, "site").to_toml().encode()
    for file, content in files.items():
        file.write_bytes(content)
        file.chmod(0o600)
    return home


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main.main(list(words)) == 2
    out, sentence = capsys.readouterr()
    assert out == ""
    assert sentence.count("\n") == 1
    return sentence


def test_a_hospital_may_start(tmp_path: Path) -> None:
    for part in ("all", "gateway", "worker"):
        preflight.check(hospital(tmp_path / part / "home"), part, NOW)


def test_an_expired_certificate(tmp_path: Path) -> None:
    home = hospital(tmp_path / "home", days=10)
    with pytest.raises(
        CertificateError, match=r"tls\.crt cannot be used: The certificate of \"north\" expired on"
    ):
        preflight.check(home, "all", NOW + timedelta(days=11))
    with pytest.raises(CertificateError, match=r"identity\.crt cannot be used"):
        preflight.check(home, "worker", NOW + timedelta(days=11))


def test_a_foreign_certificate_at_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = hospital(tmp_path / "home", ca=certificates.authority("chest-4", NOW, 100))
    assert "was not issued by this consortium" in refusal(
        capsys, "site", "start", "--home", str(home.path)
    )


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = hospital(tmp_path / "home")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, (200 << 20) - 1))
    with pytest.raises(
        InputError, match="has 199 MiB left; at least 200 MiB are needed, make room"
    ):
        preflight.check(home, "gateway", NOW)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, 200 << 20))
    preflight.check(home, "gateway", NOW)


def test_data_that_is_gone(tmp_path: Path) -> None:
    home = hospital(tmp_path / "home")
    (tmp_path / "data").rmdir()
    preflight.check(home, "gateway", NOW)
    with pytest.raises(InputError, match=r"The data folder .* does not exist; mount it"):
        preflight.check(home, "worker", NOW)


def test_the_sockets_folder_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = hospital(tmp_path / "home")
    home.run.rmdir()
    assert f"{home.run} is missing; make it again: mkdir -m 700 {home.run}" in refusal(
        capsys, "site", "start", "--home", str(home.path)
    )


def test_a_folder_of_the_other_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hospitals = hospital(tmp_path / "home").path
    co = tmp_path / "co"
    (tmp_path / "c.toml").write_text('name = "chest-4"\naddress = "localhost"\nsites = ["north"]\n')
    assert main.main(["provision", str(tmp_path / "c.toml"), "--out", str(co)]) == 0
    capsys.readouterr()
    assert "is a hospital's folder" in refusal(capsys, "server", "start", "--home", str(hospitals))
    assert "is a hospital's folder" in refusal(capsys, "server", "status", "--home", str(hospitals))
    assert "is a coordinator's folder" in refusal(capsys, "site", "start", "--home", str(co))
    assert "is a coordinator's folder" in refusal(capsys, "site", "studies", "--home", str(co))
