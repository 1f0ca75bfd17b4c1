"""Settings of a kit and of a hospital: checked when they are read, explained when written."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from client.site_settings import KitSettings, SiteSettings, settings
from common.errors import InputError

TABLE: dict[str, Any] = {
    "name": "north",
    "consortium": "chest-4",
    "address": "fl.example.org",
    "port": 8443,
    "data": "scans",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pol": 1}, r"site.pol is not a setting \(did you mean 'poll'\?\)"),
        ({"device": "gpu"}, "site.device"),
        ({"walls": "none"}, "site.walls"),
        ({"name": "a/b"}, 'site.name is "a/b"'),
        ({"address": "a b"}, "site.address"),
        ({"proxy": "proxy"}, 'site.proxy is "proxy"; give a URL with a port'),
        ({"proxy": "socks5://p:1"}, "give a URL with a port"),
        ({"proxy": "http://p"}, "give a URL with a port"),
        ({"proxy": "http://p:99999"}, "give a URL with a port"),
        ({"poll": 0}, "site.poll"),
    ],
)
def test_wrong_settings(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings(SiteSettings, {**TABLE, **change}, "site")


def test_a_proxys_password_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        settings(SiteSettings, {**TABLE, "proxy": "http://ann:secret@proxy"}, "site")
    assert "secret" not in str(caught.value)
    assert settings(
        SiteSettings, {**TABLE, "proxy": "http://ann:secret@proxy:3128"}, "site"
    ).proxy.endswith("3128")


def test_a_kit_knows_no_data() -> None:
    with pytest.raises(InputError, match=r"kit\.data is not a setting"):
        settings(KitSettings, TABLE, "kit")


def test_every_setting_is_written_with_its_default_and_its_meaning() -> None:
    written = settings(SiteSettings, TABLE, "site").to_toml()
    table = tomllib.loads(written)
    assert set(table) == set(SiteSettings.__dataclass_fields__)
    assert (table["min_tls"], table["walls"], table["poll"]) == ("1.3", "required", 0.1)
    for line in written.splitlines():
        assert not re.match(r"\w+ = [^#]*$", line), f"not explained: {line}"
