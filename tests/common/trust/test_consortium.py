"""The consortium file: what it may say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from common.errors import InputError
from common.trust import consortium

TABLE: dict[str, Any] = {
    "name": "chest-4",
    "address": "fl.example.org",
    "sites": ["north", "valley"],
}


def test_defaults_and_a_full_turn() -> None:
    settings = consortium.parse(TABLE)
    assert (
        settings.port,
        settings.link_port,
        settings.token_days,
        settings.certificate_days,
        settings.ca_days,
    ) == (443, 8000, 14, 365, 3650)
    assert (settings.min_tls, settings.parallel_studies) == ("1.3", 1)
    text = settings.to_toml()
    assert consortium.parse(tomllib.loads(text)) == settings
    assert "# host name or IP address that hospitals dial" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"adress": "x"}, r"consortium.adress is not a setting \(did you mean 'address'\?\)"),
        ({"port": 0}, "consortium.port is 0; allowed: 1 to 65535"),
        ({"port": "443"}, "give a whole number"),
        ({"link_port": 443}, "both 443; give two different ports"),
        ({"min_tls": "1.1"}, 'allowed: "1.3", "1.2"'),
        ({"name": "a b"}, 'consortium.name is "a b"; give 1 to 64 letters'),
        ({"address": "https://fl.example.org"}, "give a host name or an IP address alone"),
        ({"address": "fl.example.org:443"}, "give a host name or an IP address alone"),
        ({"address": "300.1.1.1"}, "give a host name or an IP address alone"),
        ({"address": "-x.org"}, "give a host name"),
        ({"address": ""}, "give a host name"),
        ({"sites": []}, "give the name of one hospital or more"),
        ({"sites": ["north", "North"]}, r'sites\[1\] is "North", but "north" is listed before'),
        ({"sites": ["../x"]}, r'sites\[0\] is "../x"; give 1 to 64 letters'),
        ({"sites": ["Coordinator"]}, "which Consilium uses itself"),
        ({"sites": ["roster"]}, "which Consilium uses itself"),
        ({"sites": ["north.kit"]}, "which Consilium uses itself"),
        ({"sites": "north"}, "give a list"),
    ],
)
def test_wrong_values(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        consortium.parse({**TABLE, **change})


@pytest.mark.parametrize(
    "address", ["localhost", "10.0.0.7", "::1", "FL.Example.org", "a-b.c", "7.example.org"]
)
def test_addresses(address: str) -> None:
    assert consortium.parse({**TABLE, "address": address}).address == address


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        consortium.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name =")
    with pytest.raises(InputError, match="not valid TOML"):
        consortium.read(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InputError, match="not UTF-8"):
        consortium.read(tmp_path / "latin.toml")
