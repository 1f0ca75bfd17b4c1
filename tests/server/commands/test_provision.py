"""Provisioning: complete, private, extendable, and all or nothing."""

from __future__ import annotations

import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConsiliumError, InputError
from common.study import toml
from common.trust import certificates, consortium
from server.commands.provision import provision
from server.host.site_registry import Enrolment, Registry, digest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KIT = ("kit.toml", "ca.crt", "coordinator.crt", "roster.crt", "token", "README.md")


def table(path: Path, **change: Any) -> Path:
    path.write_text(
        toml.dumps(
            {"name": "chest-4", "address": "fl.example.org", "sites": ["north", "valley"], **change}
        )
    )
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    provision(table(tmp_path / "c.toml"), tmp_path / "home", NOW)
    return tmp_path / "home"


def enrol(home: Path, site: str) -> Enrolment:
    enrolled = Enrolment(NOW.isoformat(), "0ab1", "c", "n", "i", "tls", "identity")
    token = (home / "kits" / site / "token").read_text().strip()
    return Registry(home).admit(site, token, NOW, lambda _: False, lambda _: enrolled)


def test_everything_is_made_and_private(tmp_path: Path) -> None:
    lines = provision(table(tmp_path / "c.toml"), tmp_path / "home", NOW)
    home = tmp_path / "home"
    top = {
        "ca.crt",
        "ca.key",
        "server.crt",
        "server.key",
        "coordinator.crt",
        "coordinator.key",
        "roster.crt",
        "offline/roster.key",
        "superexec.secret",
        "sites.json",
        "consortium.toml",
    }
    kits = {f"kits/{site}/{name}" for site in ("north", "valley") for name in KIT}
    assert set(tree(home)) == top | kits
    assert {p.stat().st_mode & 0o777 for p in home.rglob("*") if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (home, *home.rglob("*")) if p.is_dir()} == {0o700}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.toml", "home"]
    tokens = [(home / "kits" / site / "token").read_text().strip() for site in ("north", "valley")]
    assert len(set(tokens)) == 2 and not any(token in " ".join(lines) for token in tokens)
    assert not any(
        token.encode() in content
        for token in tokens
        for name, content in tree(home).items()
        if not name.endswith("/token")
    )
    assert f"Next: consilium server start --home {home}" in lines
    assert (
        lines[-2].startswith(f"Move {home / 'offline'} off this machine")
        and "could add hospitals of their own" in lines[-2]
    )
    assert lines[-1].endswith(f"consilium server roster --home {home} --key KEY")


def test_what_is_made_holds_together(home: Path) -> None:
    ca = (home / "ca.crt").read_bytes()
    certificates.check_authority(ca, NOW)
    certificates.check(
        (home / "server.crt").read_bytes(), ca, "fl.example.org", NOW + timedelta(days=364)
    )
    certificates.check(
        (home / "coordinator.crt").read_bytes(), ca, "coordinator", NOW + timedelta(days=3600)
    )
    for name in ("ca", "server", "coordinator"):
        assert certificates.key_in(
            (home / f"{name}.crt").read_bytes()
        ) == certificates.public_bytes((home / f"{name}.key").read_bytes())
    certificates.check((home / "roster.crt").read_bytes(), ca, "roster", NOW + timedelta(days=3600))
    roster_key = (home / "offline" / "roster.key").read_bytes()
    assert certificates.key_in((home / "roster.crt").read_bytes()) == certificates.public_bytes(
        roster_key
    )
    assert (home / "kits/north/roster.crt").read_bytes() == (home / "roster.crt").read_bytes()
    assert consortium.read(home / "consortium.toml").sites == ("north", "valley")
    assert len((home / "superexec.secret").read_text()) == 64
    sites = Registry(home).load()
    assert sites["north"].token_sha256 == digest((home / "kits/north/token").read_text().strip())
    assert sites["north"].token_expires == "2026-03-15T12:00:00+00:00"


def test_the_readme_is_one_page_and_complete(home: Path) -> None:
    text = (home / "kits" / "north" / "README.md").read_text()
    assert "{" not in text
    assert len(text.splitlines()) <= 50
    for words in (
        "north",
        "chest-4",
        "fl.example.org port 443",
        "consilium site enrol KIT --home HOME --data DIR",
        "consilium site start --home HOME",
    ):
        assert words in text


def test_one_file_is_the_same_kit(tmp_path: Path) -> None:
    provision(table(tmp_path / "c.toml"), tmp_path / "home", NOW, single_file=True)
    with zipfile.ZipFile(tmp_path / "home" / "kits" / "north.kit") as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert inside == tree(tmp_path / "home" / "kits" / "north")
    assert (tmp_path / "home" / "kits" / "north.kit").stat().st_mode & 0o777 == 0o600


def test_more_hospitals_touch_nothing_else(tmp_path: Path, home: Path) -> None:
    enrol(home, "north")
    before = tree(home)
    lines = provision(table(tmp_path / "c.toml", sites=["north", "valley", "south"]), home, NOW)
    after = tree(home)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {
        "sites.json",
        "consortium.toml",
        *(f"kits/south/{n}" for n in KIT),
    }
    sites = Registry(home).load()
    assert sites["north"].enrolled is not None and sites["south"].enrolled is None
    assert consortium.read(home / "consortium.toml").sites == ("north", "valley", "south")
    assert "south" in lines[0] and not any("north" in line for line in lines)


def test_the_roster_key_may_be_away(tmp_path: Path, home: Path) -> None:
    (home / "offline").rename(tmp_path / "stick")
    provision(table(tmp_path / "c.toml", sites=["north", "valley", "south"]), home, NOW)
    assert (home / "kits/south/roster.crt").read_bytes() == (home / "roster.crt").read_bytes()
    assert not (home / "offline").exists()


def test_a_folder_of_an_earlier_release(tmp_path: Path, home: Path) -> None:
    (home / "roster.crt").unlink()
    before = tree(home)
    with pytest.raises(
        InputError, match=r"has no roster\.crt: an earlier release made it.* provision a new folder"
    ):
        provision(table(tmp_path / "c.toml", sites=["north", "valley", "south"]), home, NOW)
    assert tree(home) == before


def test_again_without_news_changes_nothing(tmp_path: Path, home: Path) -> None:
    before = tree(home)
    [line] = provision(tmp_path / "c.toml", home, NOW)
    assert "has its kit" in line
    assert {k: v for k, v in tree(home).items() if k != "sites.lock"} == before


def test_the_folders_own_file_may_be_edited(home: Path) -> None:
    text = (home / "consortium.toml").read_text().replace('"valley"]', '"valley", "south"]')
    (home / "consortium.toml").write_text(text)
    provision(home / "consortium.toml", home, NOW)
    assert "south" in Registry(home).load()


def test_renewing_ends_the_earlier_enrolment(tmp_path: Path, home: Path) -> None:
    enrol(home, "north")
    assert not Registry(home).is_revoked("AB1")
    old = (home / "kits" / "north" / "token").read_text().strip()
    lines = provision(
        tmp_path / "c.toml", home, NOW + timedelta(days=20), renew=["north"], single_file=True
    )
    new = (home / "kits" / "north" / "token").read_text().strip()
    site = Registry(home).load()["north"]
    assert site.token_sha256 == digest(new) != digest(old)
    assert site.enrolled is None and [e.serial for e in site.revoked] == ["0ab1"]
    assert Registry(home).is_revoked("AB1")
    assert "The enrolment of north so far has ended." in lines
    assert (home / "kits" / "north.kit").exists()
    provision(tmp_path / "c.toml", home, NOW, renew=["north"])
    assert not (home / "kits" / "north.kit").exists()  # it held the old token


def test_renewing_the_servers_certificate(tmp_path: Path, home: Path) -> None:
    before = tree(home)
    later = NOW + timedelta(days=300)
    provision(tmp_path / "c.toml", home, later, renew=["server"])
    certificates.check(
        (home / "server.crt").read_bytes(),
        (home / "ca.crt").read_bytes(),
        "fl.example.org",
        later + timedelta(days=300),
    )
    assert certificates.key_in((home / "server.crt").read_bytes()) == certificates.public_bytes(
        (home / "server.key").read_bytes()
    )
    assert {n for n, c in tree(home).items() if before.get(n, b"") != c} == {
        "server.crt",
        "server.key",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "heart"}, 'consortium.name is "heart", but the kits were made for "chest-4"'),
        ({"address": "other.org"}, 'consortium.address is "other.org", but'),
        ({"port": 444}, "consortium.port is 444, but"),
        ({"sites": ["North", "valley"]}, r'sites\[0\] is "North", but "north" is registered'),
    ],
)
def test_what_kits_rest_on_cannot_change(
    tmp_path: Path, home: Path, change: dict[str, Any], words: str
) -> None:
    before = tree(home)
    with pytest.raises(InputError, match=words):
        provision(table(tmp_path / "c.toml", **change), home, NOW)
    assert {k: v for k, v in tree(home).items() if k != "sites.lock"} == before


def test_an_address_edited_in_place_is_noticed(home: Path) -> None:
    text = (home / "consortium.toml").read_text().replace("fl.example.org", "other.example.org")
    (home / "consortium.toml").write_text(text)
    with pytest.raises(InputError, match=r"which server\.crt in .* does not serve"):
        provision(home / "consortium.toml", home, NOW)


def test_wrong_folders_and_names(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "c.toml"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("x")
    for out, words in (
        (tmp_path / "foreign", "not a coordinator's folder"),
        (file, "not a coordinator's folder"),
        (tmp_path / "a" / "b", "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            provision(file, out, NOW)
    assert tree(tmp_path / "foreign") == {"thesis.tex": b"x"}
    with pytest.raises(InputError, match=r'"nort" cannot be renewed \(did you mean "north"\?\)'):
        provision(file, home, NOW, renew=["nort"])
    with pytest.raises(InputError, match="has no kit yet"):
        provision(file, tmp_path / "new", NOW, renew=["north"])
    (tmp_path / "empty").mkdir()
    provision(file, tmp_path / "empty", NOW)
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o700


def full_disk(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Writing fails from the ``at``-th file on."""
    real, count = os.fsync, iter(range(1000))

    def fsync(handle: int) -> None:
        if next(count) >= at:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("at", [0, 1, 5, 7, 9, 14, 20, 22])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    file = table(tmp_path / "c.toml")
    full_disk(monkeypatch, at)
    with pytest.raises(ConsiliumError, match="No space left on device"):
        provision(file, tmp_path / "home", NOW)
    assert [p.name for p in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize("at", [0, 3, 5, 6])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    before = tree(home)
    full_disk(monkeypatch, at)
    with pytest.raises(ConsiliumError, match="nothing was changed"):
        provision(table(tmp_path / "c.toml", sites=["north", "valley", "south"]), home, NOW)
    assert {k: v for k, v in tree(home).items() if k != "sites.lock"} == before
    assert sorted(p.name for p in (home / "kits").iterdir()) == ["north", "valley"]


def test_a_kit_without_an_entry_is_replaced(tmp_path: Path, home: Path) -> None:
    """Killed between the renames of the kit and of the registry."""
    (home / "kits" / "south").mkdir()
    (home / "kits" / "south" / "token").write_text("lost")
    provision(table(tmp_path / "c.toml", sites=["north", "valley", "south"]), home, NOW)
    assert Registry(home).load()["south"].token_sha256 == digest(
        (home / "kits/south/token").read_text().strip()
    )
