"""From ``provision`` to a hospital whose certificate opens the coordinator's door,
over real TLS on loopback.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from client.commands.enrol import enrol
from client.gateway import connection
from client.home import SiteHome
from client.policy import policy
from common.cli import main
from common.errors import CertificateError, ConsiliumError, InputError
from common.study import toml
from common.trust import certificates
from server.commands.provision import provision
from server.host import enrolment
from server.host.site_registry import REFUSED, Registry
from tests import kept, lane

NOW = datetime.now(UTC)


class Consortium:
    """A coordinator that runs, and hospitals that may join it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "coordinator"
        self.now = NOW
        self.registered: list[tuple[str, bytes]] = []
        self.log: list[str] = []
        self.fault: Exception | None = None
        self.port = 0
        self.lines: list[str] = []
        self.data = folder / "scans"
        self.data.mkdir()

    def provision(self, *sites: str, **arguments: Any) -> list[str]:
        file = self.folder / "c.toml"
        file.write_text(
            toml.dumps(
                {"name": "chest-4", "address": "localhost", "port": self.port, "sites": list(sites)}
            )
        )
        return provision(file, self.home, self.now, **arguments)

    def register(self, site: str, key: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.registered.append((site, key))

    def kit(self, site: str) -> Path:
        return self.home / "kits" / site

    def enrol(self, site: str, home: str = "", **arguments: Any) -> SiteHome:
        path = self.folder / (home or site)
        self.lines = enrol(self.kit(site), path, self.data, self.now, proxy="none", **arguments)
        return SiteHome.open(path)


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    made = Consortium(tmp_path)
    stop = threading.Event()
    inner = tmp_path / "enrol.sock"
    with lane.listening(lane.to_socket(inner), lambda: lane.tls(made.home)) as made.port:
        made.provision("north", "valley")
        arguments = (made.home, inner, made.register, stop, lambda: made.now, made.log.append)
        service = threading.Thread(target=enrolment.serve, args=arguments, daemon=True)
        service.start()
        while not inner.is_socket():
            assert service.is_alive()
        yield made
        stop.set()
        service.join()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_a_hospital_joins_and_its_certificate_opens_the_door(consortium: Consortium) -> None:
    home = consortium.enrol("north", device="cpu")
    names = {
        "site.toml",
        "ca.crt",
        "coordinator.crt",
        "roster.crt",
        "policy.toml",
        *(f"gateway/{n}" for n in ("tls.key", "tls.crt", "node.key")),
        *(f"worker/identity.{n}" for n in ("key", "crt")),
    }
    files = tree(home.path)
    assert set(files) == names
    assert {p.stat().st_mode & 0o777 for p in home.path.rglob("*") if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (home.path, *home.path.rglob("*")) if p.is_dir()} == {
        0o700
    }
    token = (consortium.kit("north") / "token").read_bytes().strip()
    assert not any(
        token in content for content in (*files.values(), " ".join(consortium.log).encode())
    )
    assert files["roster.crt"] == (consortium.home / "roster.crt").read_bytes()
    assert policy.read(home.policy_toml) == policy.Policy()
    site = home.settings()
    assert (site.name, site.data, site.device, site.port) == (
        "north",
        str(consortium.data),
        "cpu",
        consortium.port,
    )
    [(name, node)] = consortium.registered
    assert (name, node) == ("north", certificates.public_bytes(home.node_key.read_bytes()))
    assert not any(
        key in content
        for key in (home.tls_key.read_bytes(), node)
        for content in tree(consortium.home).values()
    )
    with lane.listening(
        lane.fixed("HTTP/1.1 204 Welcome"), lane.tls(consortium.home, mutual=True)
    ) as port:
        pair = (home.tls_crt, home.tls_key)
        with connection.client(replace(site, port=port), home.ca.read_bytes(), pair) as http:
            assert http.get("/").status_code == 204


def test_both_sides_see_one_fingerprint(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the hospital reads out is what the coordinator has before the signing,
    and what other hospitals see after it.
    """
    north = consortium.enrol("north")
    valley = consortium.enrol("valley")
    site = ["site", "fingerprint", "--home"]
    key = consortium.home / "offline" / "roster.key"
    [own] = [
        line for line in consortium.lines if line.startswith("Fingerprint of this hospital's key: ")
    ]
    assert main.main([*site, str(valley.path)]) == 0
    read = capsys.readouterr().out.splitlines()
    assert own == (
        f"Fingerprint of this hospital's key: {read[0].removeprefix('valley  ')}; "
        "read it to the coordinator by phone."
    )
    assert read[1].startswith("No signed roster has come yet")
    assert (
        main.main(["server", "roster", "--home", str(consortium.home), "--key", str(key), "--yes"])
        == 0
    )
    assert f"  {read[0]}  new" in capsys.readouterr().err
    north.roster_json.write_bytes((consortium.home / "roster.json").read_bytes())
    assert main.main([*site, str(north.path)]) == 0
    out, noted = capsys.readouterr()
    assert (
        f"  {read[0]}" in out.splitlines() and "Signed roster, version 1 of " in out and noted == ""
    )
    assert main.main([*site, str(north.path), "--json"]) == 0
    roster = json.loads(capsys.readouterr().out)
    assert (roster["version"], roster["usable"]) == (1, ["north", "valley"])
    assert roster["sites"] == {
        "north": roster["fingerprint"],
        "valley": read[0].removeprefix("valley  "),
    }


def test_a_roster_without_this_hospital_and_a_forged_one(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    north = consortium.enrol("north")
    key = consortium.home / "offline" / "roster.key"
    consortium.enrol("valley")
    assert (
        main.main(
            [
                "server",
                "roster",
                "--home",
                str(consortium.home),
                "--key",
                str(key),
                "--yes",
                "--without",
                "north",
            ]
        )
        == 0
    )
    north.roster_json.write_bytes((consortium.home / "roster.json").read_bytes())
    capsys.readouterr()
    assert main.main(["site", "fingerprint", "--home", str(north.path)]) == 0
    assert "This hospital is not on that roster with its own key" in capsys.readouterr().err
    north.roster_json.write_bytes(
        north.roster_json.read_bytes().replace(b'"version": 1', b'"version": 2')
    )
    assert main.main(["site", "fingerprint", "--home", str(north.path)]) == 1
    assert "is not signed by the consortium's roster key" in capsys.readouterr().err


def test_without_a_certificate_or_with_a_foreign_one_the_door_stays_shut(
    consortium: Consortium, tmp_path: Path
) -> None:
    home = consortium.enrol("north")
    foreign = certificates.authority("chest-4", NOW, 10)
    key = certificates.private_key("tls")
    (tmp_path / "f.crt").write_bytes(
        certificates.grant(foreign, certificates.request("north", key), "north", "client", NOW, 5)
    )
    (tmp_path / "f.key").write_bytes(key)
    with lane.listening(
        lane.fixed("HTTP/1.1 204 Welcome"), lane.tls(consortium.home, mutual=True)
    ) as port:
        for pair in (
            None,
            (tmp_path / "f.crt", tmp_path / "f.key"),
            (home.identity_crt, home.identity_key),
        ):
            with (
                connection.client(
                    replace(home.settings(), port=port), home.ca.read_bytes(), pair
                ) as http,
                pytest.raises(httpx.TransportError),
            ):
                http.get("/")


def test_a_hospital_joins_a_running_coordinator(consortium: Consortium) -> None:
    consortium.enrol("north")
    consortium.provision("north", "valley", "south", single_file=True)
    enrol(
        consortium.home / "kits" / "south.kit",
        consortium.folder / "south",
        consortium.data,
        consortium.now,
        proxy="none",
    )
    assert [name for name, _ in consortium.registered] == ["north", "south"]
    assert SiteHome.open(consortium.folder / "south").settings().name == "south"


def test_through_a_web_proxy(consortium: Consortium) -> None:
    asked: list[str] = []
    with lane.listening(lane.web_proxy(asked, port=consortium.port)) as proxy:
        url = f"http://127.0.0.1:{proxy}"
        enrol(consortium.kit("north"), consortium.folder / "north", consortium.data, NOW, proxy=url)
    assert len(asked) == 1
    assert SiteHome.open(consortium.folder / "north").settings().proxy == url


def test_a_token_is_good_once(consortium: Consortium) -> None:
    consortium.enrol("north")
    with pytest.raises(
        InputError, match="refuses the enrolment: north is already enrolled with other keys"
    ):
        consortium.enrol("north", "again")
    with pytest.raises(InputError, match="is enrolled already; give a new folder"):
        consortium.enrol("north")


def test_a_renewed_kit_ends_the_earlier_enrolment(consortium: Consortium) -> None:
    first = consortium.enrol("north")
    serial = certificates.details(first.tls_crt.read_bytes())["serial"]
    assert not Registry(consortium.home).is_revoked(serial)
    consortium.provision("north", "valley", renew=["north"])
    second = consortium.enrol("north", "again")
    assert Registry(consortium.home).is_revoked(serial)
    assert not Registry(consortium.home).is_revoked(
        certificates.details(second.tls_crt.read_bytes())["serial"]
    )


def test_tokens_that_are_refused(consortium: Consortium) -> None:
    token = consortium.kit("north") / "token"
    right = token.read_bytes()
    token.write_text("wrong")
    with pytest.raises(InputError) as caught:
        consortium.enrol("north")
    assert str(caught.value) == f"The coordinator refuses the enrolment: {REFUSED}"
    token.write_bytes(right)
    consortium.now += timedelta(days=15)
    with pytest.raises(InputError, match="This kit's token expired on"):
        consortium.enrol("north")
    consortium.now = NOW
    consortium.enrol("north")  # the same folder and keys, with the right token in time


@pytest.mark.parametrize("at", range(0, 11, 2))
def test_a_full_disk_at_the_hospital(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Wherever it strikes, the same command finishes the work once there is room."""
    real = os.fsync
    count = iter(range(1000))
    home = str(consortium.folder / "north")

    def fsync(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").startswith(home) and next(count) >= 2 * at:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(
            ConsiliumError,
            match=r"north cannot be written \(No space left on device\); "
            r"mend that and run the same command again",
        ):
            consortium.enrol("north")
    if at:
        with pytest.raises(InputError, match="only half enrolled"):
            SiteHome.open(consortium.folder / "north")
    consortium.enrol("north")
    assert len({key for _, key in consortium.registered}) == 1 or at == 0
    assert not list((consortium.folder / "north").rglob(".*"))


def test_an_answer_that_was_lost(consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> httpx.Response:
        post(*_, **__)
        raise httpx.ReadError("gone")

    post = httpx.Client.post
    with monkeypatch.context() as patch:
        patch.setattr(httpx.Client, "post", lost)
        with pytest.raises(ConsiliumError, match=r"cannot reach the coordinator: .* broke off"):
            consortium.enrol("north")
    home = consortium.enrol("north")
    enrolled = Registry(consortium.home).load()["north"].enrolled
    assert enrolled is not None and enrolled.tls_certificate.encode() == home.tls_crt.read_bytes()
    assert len(consortium.registered) == 1


def test_the_coordinators_own_troubles(consortium: Consortium) -> None:
    consortium.fault = RuntimeError("secret detail")
    with pytest.raises(
        ConsiliumError, match=r"^The coordinator cannot enrol anybody now"
    ) as caught:
        consortium.enrol("north")
    assert "secret detail" not in str(caught.value) and "secret detail" in consortium.log[-1]
    consortium.fault = None
    consortium.enrol("north")


def test_a_coordinator_of_another_consortium_is_not_spoken_to(
    consortium: Consortium, tmp_path: Path
) -> None:
    (tmp_path / "o.toml").write_text(
        toml.dumps(
            {"name": "chest-4", "address": "localhost", "port": consortium.port, "sites": ["north"]}
        )
    )
    provision(tmp_path / "o.toml", tmp_path / "other", NOW)
    with pytest.raises(ConsiliumError, match="not from consortium chest-4's authority"):
        enrol(
            tmp_path / "other" / "kits" / "north",
            tmp_path / "north",
            consortium.data,
            NOW,
            proxy="none",
        )
    assert consortium.log == []


def test_folders_that_cannot_be_used(consortium: Consortium) -> None:
    folder = consortium.folder
    kit = consortium.kit("north")

    def attempt(home: Path, data: Path) -> None:
        enrol(kit, home, data, NOW, proxy="none")

    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("x")
    for home, data, words in (
        (folder / "full", consortium.data, "is not empty; give a new folder"),
        (folder / "c.toml", consortium.data, "is a file"),
        (folder / "a" / "b", consortium.data, "does not exist; make it first"),
        (folder / "h", folder / "none", "The data folder .* does not exist"),
        (consortium.data / "h", consortium.data, "lie within each other"),
        (folder, consortium.data, "lie within each other"),
        (consortium.data, consortium.data, "lie within each other"),
    ):
        with pytest.raises(InputError, match=words):
            attempt(home, data)
    (folder / "link").symlink_to(consortium.data)
    with pytest.raises(InputError, match="lie within each other"):
        attempt(folder / "link" / "h", consortium.data)
    assert consortium.log == [] and list(consortium.data.iterdir()) == []


def test_an_interrupted_folder_belongs_to_one_hospital(consortium: Consortium) -> None:
    consortium.fault = RuntimeError()
    with pytest.raises(ConsiliumError):
        consortium.enrol("north", "home")
    consortium.fault = None
    with pytest.raises(InputError, match="another hospital's enrolment was interrupted"):
        enrol(
            consortium.kit("valley"), consortium.folder / "home", consortium.data, NOW, proxy="none"
        )


def test_an_expired_or_foreign_kit(consortium: Consortium) -> None:
    with pytest.raises(CertificateError, match="expired on"):
        enrol(
            consortium.kit("north"),
            consortium.folder / "h",
            consortium.data,
            NOW + timedelta(days=3651),
            proxy="none",
        )
    (consortium.kit("north") / "ca.crt").write_bytes(
        certificates.authority("chest-4", NOW, 10).certificate
    )
    with pytest.raises(CertificateError, match="not issued by this consortium"):
        consortium.enrol("north")
    assert not (consortium.folder / "h").exists() and not (consortium.folder / "north").exists()


def test_coordinator_and_hospital_hold_what_the_table_says(consortium: Consortium) -> None:
    home = consortium.enrol("north", device="cpu")
    assert [*kept.wrong("site", home.path, 0), *kept.wrong("coordinator", consortium.home, 0)] == []
    made = kept.seen("coordinator", consortium.home)
    assert {
        ("coordinator", name)
        for name in ("*.key", "offline/roster.key", "sites.json", "sites.lock", "kits/*/*")
    } <= made
    (home.path / "gateway" / "more").touch()
    home.tls_key.chmod(0o640)
    assert len(list(kept.wrong("site", home.path, 0))) == 2
