"""Kits with their tokens: each its own, and its entry in the registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.storage import files
from common.trust import consortium
from server.commands.kit_issuer import KitIssuer
from server.host import site_registry
from server.host.site_registry import Enrolment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENROLLED = Enrolment(NOW.isoformat(), "0ab1", "c", "n", "i", "tls", "identity")


def issuer(single_file: bool = False) -> KitIssuer:
    settings = consortium.parse(
        {"name": "chest-4", "address": "localhost", "sites": ["north", "valley"], "token_days": 5}
    )
    return KitIssuer(settings, b"CA", b"CO", b"RO", NOW, single_file)


def test_a_token_is_good_for_the_consortium_s_days(tmp_path: Path) -> None:
    assert issuer().until == NOW + timedelta(days=5)
    assert issuer().line("north", tmp_path) == (
        f"Kit of north: {tmp_path / 'north'}; its token is good once, until 2026-03-06."
    )


@pytest.mark.parametrize("single_file", [False, True])
def test_each_kit_has_a_token_of_its_own(tmp_path: Path, single_file: bool) -> None:
    kits = files.folder(tmp_path / "kits")
    tokens = {issuer(single_file).issue(site, kits) for site in ("north", "valley")}
    assert len(tokens) == 2
    assert {(kits / site / "token").read_text().strip() for site in ("north", "valley")} == tokens
    assert (kits / "north.kit").exists() == single_file
    assert ("(and north.kit)" in issuer(single_file).line("north", kits)) == single_file


def test_a_new_kit_ends_an_enrolment_and_makes_an_entry(tmp_path: Path) -> None:
    invited = site_registry.invited("old", NOW)
    registered = {"north": site_registry.RegisteredSite("", NOW.isoformat(), ENROLLED)}
    entries = issuer().issue_all(tmp_path, registered | {"harbour": invited}, ("north", "valley"))
    assert set(entries) == {"north", "valley"}
    assert entries["north"].enrolled is None and entries["north"].revoked == (ENROLLED,)
    for site, entry in entries.items():
        token = (tmp_path / "kits" / site / "token").read_text().strip()
        assert entry.token_sha256 == site_registry.digest(token)
        assert entry.token_expires == "2026-03-06T12:00:00+00:00"
