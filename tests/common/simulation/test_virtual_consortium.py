"""A simulation's consortium passes the same checks as a real one's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import InputError
from common.simulation import virtual_consortium
from common.trust import certificates
from common.trust import roster as rosters

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITES = ["vidir_modern_at", "site0", "Klinik Süd, Haus 3", "server", "SITE0", "x" * 64]


def test_everything_holds_together(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "consortium"
    virtual_consortium.make(folder, SITES, NOW)
    ca, pinned = ((folder / name).read_bytes() for name in ("ca.crt", "roster.crt"))
    signed = rosters.loads((folder / "roster.json").read_bytes())
    roster = rosters.verify(signed, pinned, ca, "simulation", NOW + timedelta(days=300))
    assert roster.version == 1 and sorted(roster.sites) == sorted(SITES)
    keys = rosters.keys(roster, ca, NOW + timedelta(days=300))
    for name in SITES:
        key = certificates.load_key((folder / name / "identity.key").read_bytes())
        assert key.public_key().public_bytes_raw() == keys[name]  # type: ignore[union-attr]
    assert {p.stat().st_mode & 0o777 for p in folder.rglob("*") if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (folder, *folder.rglob("*")) if p.is_dir()} == {0o700}
    assert len(list(folder.rglob("*.key"))) == len(SITES)


def test_keys_are_never_the_same_twice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        virtual_consortium.make(tmp_path / name, ["north"], NOW)
    assert (tmp_path / "a/north/identity.key").read_bytes() != (
        tmp_path / "b/north/identity.key"
    ).read_bytes()
    before = (tmp_path / "a/north/identity.key").read_bytes()
    virtual_consortium.make(tmp_path / "a", ["north"], NOW)  # a run that is done again
    assert (tmp_path / "a/north/identity.key").read_bytes() != before


@pytest.mark.parametrize("name", ["ü" * 33, "x" * 65, "roster.json"])
def test_a_name_that_no_certificate_can_carry(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="has a name that no certificate can carry"):
        virtual_consortium.make(tmp_path / "c", ["north", name], NOW)
    assert not (tmp_path / "c").exists()
