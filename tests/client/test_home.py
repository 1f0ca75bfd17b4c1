"""A hospital's folder: settings, presence, modes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from client.home import SiteHome
from client.site_settings import SiteSettings, settings
from common.errors import InputError

TABLE: dict[str, Any] = {
    "name": "north",
    "consortium": "chest-4",
    "address": "fl.example.org",
    "port": 8443,
    "data": "scans",
}


def make(path: Path) -> SiteHome:
    home = SiteHome(path)
    for folder in (home.path, home.gateway, home.worker, home.state, home.run, home.logs):
        folder.mkdir(0o700)
    public = (
        home.ca,
        home.coordinator,
        home.roster_crt,
        home.policy_toml,
        home.tls_crt,
        home.identity_crt,
    )
    for file in (*public, home.tls_key, home.node_key, home.identity_key):
        file.write_bytes(b"x")
        file.chmod(0o600)
    home.site_toml.write_text(settings(SiteSettings, TABLE, "site").to_toml())
    home.site_toml.chmod(0o600)
    return home


def test_settings_make_a_full_turn(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    settings_ = SiteHome.open(home.path).settings()
    assert (
        settings_.device,
        settings_.proxy,
        settings_.min_tls,
        settings_.walls,
        settings_.poll,
    ) == (
        "auto",
        "",
        "1.3",
        "required",
        0.1,
    )
    assert settings(SiteSettings, tomllib.loads(settings_.to_toml()), "site") == settings_
    assert "# where models are trained" in settings_.to_toml()


PARTS = {
    "all": (
        "site.toml",
        "ca.crt",
        "coordinator.crt",
        "roster.crt",
        "policy.toml",
        "gateway/tls.key",
        "gateway/tls.crt",
        "gateway/node.key",
        "worker/identity.key",
        "worker/identity.crt",
    ),
    "gateway": ("gateway/tls.key", "gateway/node.key", "run"),
    "worker": ("worker/identity.key", "worker/state", "roster.crt", "policy.toml", "logs"),
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in PARTS.items() for name in names]
)
def test_each_part_misses_its_files(tmp_path: Path, part: str, name: str) -> None:
    home = make(tmp_path / "home")
    SiteHome.open(home.path, part)
    (home.path / name).rename(tmp_path / "away")
    with pytest.raises(InputError, match=rf"{name} is missing; (restore|make) it"):
        SiteHome.open(home.path, part)


def test_each_part_leaves_the_others_alone(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    home.identity_key.unlink()
    home.policy_toml.unlink()
    SiteHome.open(home.path, "gateway")
    home.policy_toml.write_text("")
    home.policy_toml.chmod(0o600)
    home.tls_key.unlink()
    with pytest.raises(InputError, match=r"identity\.key is missing"):
        SiteHome.open(home.path, "worker")


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("gateway/tls.key", 0o640, "has mode 0640; at most 0600 is allowed, run: chmod 0600"),
        ("worker/identity.key", 0o604, "has mode 0604; at most 0600"),
        ("worker", 0o750, "has mode 0750; at most 0700 is allowed, run: chmod 0700"),
        ("logs", 0o770, "has mode 0770; at most 0750 is allowed, run: chmod 0750"),
        ("run", 0o755, "has mode 0755; at most 0750 is allowed, run: chmod 0750"),
        ("ca.crt", 0o666, "has mode 0666; at most 0644"),
        ("site.toml", 0o644, "has mode 0644; at most 0640"),
        ("policy.toml", 0o644, "has mode 0644; at most 0640"),
        ("roster.crt", 0o666, "has mode 0666; at most 0644"),
    ],
)
def test_open_to_others(tmp_path: Path, name: str, mode: int, words: str) -> None:
    home = make(tmp_path / "home")
    (home.path / name).chmod(mode)
    with pytest.raises(InputError, match=words):
        SiteHome.open(home.path)


def test_a_shared_group_may_pass(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    for folder in (home.path, home.run, home.logs):
        folder.chmod(0o750)
    home.site_toml.chmod(0o640)
    home.ca.chmod(0o644)
    assert SiteHome.open(home.path).socket == home.path / "run" / "worker.sock"


def test_unfinished_and_absent(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    home.enrolling.write_text("{}")
    with pytest.raises(InputError, match="only half enrolled"):
        SiteHome.open(home.path)
    with pytest.raises(InputError, match="is not a folder"):
        SiteHome.open(tmp_path / "none")
