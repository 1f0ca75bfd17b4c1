"""Which folders are hospitals, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import InputError
from common.simulation.folders import hospital_folders


def test_hospitals_are_numbered_by_name(tmp_path: Path) -> None:
    for name in ("valley", "harbour", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    assert [folder.name for folder in hospital_folders(tmp_path)] == ["harbour", "valley"]


def test_one_hospital_is_not_a_folder_of_hospitals(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="is one hospital; give the folder above it"):
        hospital_folders(tmp_path)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no sub-folder"):
        hospital_folders(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        hospital_folders(tmp_path / "absent")
