"""Pictures are shown of sealed phantoms only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from client import phantoms
from client.site import Site
from common.simulation.phantoms import write
from tests import small


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    write.write(folder / "hospitals", hospitals=1, patients=2, size=64)
    return next((folder / "hospitals").iterdir())


def test_what_the_writer_leaves_passes(sealed: Path) -> None:
    assert phantoms.only(sealed) and Site("a", (sealed,), sealed / "state").synthetic


def test_an_added_a_changed_or_a_real_image_does_not(sealed: Path, tmp_path: Path) -> None:
    added, changed, real = (tmp_path / name for name in ("added", "changed", "real"))
    for folder in (added, changed):
        shutil.copytree(sealed, folder)
    (added / "dicom" / "more.dcm").write_bytes(b"x")
    first = next((changed / "dicom").iterdir())
    first.write_bytes(first.read_bytes() + b"\0")
    small.hospital(real, 2)
    (real / "PHANTOM").write_text("all synthetic, believe me")
    assert not any(phantoms.only(folder) for folder in (added, changed, real))
    (real / "PHANTOM").write_text(json.dumps({"sha256": {}}))
    assert not phantoms.only(real)


def test_several_folders_must_all_pass(sealed: Path, tmp_path: Path) -> None:
    assert not Site("a", (sealed, small.hospital(tmp_path / "real", 2)), tmp_path).synthetic
