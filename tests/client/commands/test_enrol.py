"""What an enrolment refuses before it asks the coordinator, and how it can be run again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.commands import enrol
from client.commands.kit_reader import Kit
from client.home import SiteHome
from client.site_settings import KitSettings
from common.errors import InputError
from common.trust import certificates
from tests.client.commands import test_kit_reader as kits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def kit(name: str = "north", ca: bytes = b"authority") -> Kit:
    settings = KitSettings(name=name, consortium="chest-4", address="localhost")
    return Kit(settings, ca, b"", b"", token="secret")


@pytest.mark.parametrize(
    ("data", "home", "words"),
    [
        ("none", "home", "does not exist; give the folder with the scans"),
        ("data", "data/home", "lie within each other"),
        ("data", ".", "lie within each other"),
    ],
)
def test_scans_and_keys_lie_apart(tmp_path: Path, data: str, home: str, words: str) -> None:
    (tmp_path / "data").mkdir()
    made = kits.folder(tmp_path / "kit")
    with pytest.raises(InputError, match=words):
        enrol.enrol(made, tmp_path / home, tmp_path / data, NOW)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="is not empty; give a new folder"):
        enrol._begin(SiteHome(tmp_path), kit())
    (tmp_path / "site.toml").touch()
    with pytest.raises(InputError, match="is enrolled already"):
        enrol._begin(SiteHome(tmp_path), kit())
    with pytest.raises(InputError, match="is a file"):
        enrol._begin(SiteHome(tmp_path / "thesis.tex"), kit())


def test_an_interrupted_enrolment_goes_on_with_its_own_keys(tmp_path: Path) -> None:
    home = enrol._begin(SiteHome(tmp_path / "home"), kit())
    keys = enrol._keys(home)
    (home.gateway / ".tls.key.1234").touch()
    again = enrol._begin(SiteHome(tmp_path / "home"), kit())
    assert enrol._keys(again) == keys
    assert not (home.gateway / ".tls.key.1234").exists()
    assert home.tls_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("other", [kit("valley"), kit(ca=b"another authority")])
def test_another_hospital_does_not_go_on_there(tmp_path: Path, other: Kit) -> None:
    enrol._begin(SiteHome(tmp_path / "home"), kit())
    with pytest.raises(InputError, match="another hospital's enrolment was interrupted"):
        enrol._begin(SiteHome(tmp_path / "home"), other)


def test_the_keys_are_of_the_kinds_that_are_certified(tmp_path: Path) -> None:
    keys = enrol._keys(enrol._begin(SiteHome(tmp_path / "home"), kit()))
    assert set(keys) == {"tls", "node", "identity"}
    for key in keys.values():
        assert certificates.public_bytes(key).startswith(b"-----BEGIN PUBLIC KEY")
