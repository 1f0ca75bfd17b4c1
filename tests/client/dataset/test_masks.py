"""Masks: values, size, place and formats."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from client.dataset import masks
from common.errors import CaseError, SiteError

IMAGE = Path("image.png")
VALUES = np.array([[0, 1, 2], [2, 0, 0]], np.uint8)


def task(classes: int, values: tuple[int, ...] | None = None) -> Any:
    return SimpleNamespace(
        needs=frozenset({"mask"}),
        classes=tuple(f"c{i}" for i in range(classes)),
        mask_values=values,
    )


def read(path: Path, array: np.ndarray, asked: Any, image: Path = IMAGE) -> np.ndarray:
    Image.fromarray(array).save(path)
    return masks.read_mask(path, image, (2, 3), asked)


@pytest.mark.parametrize("value", [0, 1, 7, 255])
def test_one_class_takes_one_value_beside_zero(tmp_path: Path, value: int) -> None:
    mask = read(tmp_path / "m.png", (VALUES > 0).astype(np.uint8) * value, task(1))
    assert (str(mask.dtype), mask.shape) == ("uint8", (1, 2, 3))
    np.testing.assert_array_equal(mask[0], (VALUES > 0) & (value > 0))


def test_one_class_refuses_several_values_beside_zero(tmp_path: Path) -> None:
    """Several structures, or edges softened by a resize."""
    with pytest.raises(
        CaseError, match=r"several values beside 0; allowed: 0 and one other value"
    ) as caught:
        read(tmp_path / "m.png", VALUES * 100, task(1))
    assert caught.value.local == f"{tmp_path / 'm.png'}: 2 values beside 0"
    assert "100" not in caught.value.public


def test_several_classes_count_from_one(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path / "m.png", VALUES, task(2))[0], VALUES)


def test_stored_values_can_be_named(tmp_path: Path) -> None:
    stored = np.array([[0, 255, 64], [64, 0, 0]], np.uint8)
    np.testing.assert_array_equal(read(tmp_path / "m.tif", stored, task(2, (255, 64)))[0], VALUES)


@pytest.mark.parametrize("asked", [task(1, (1,)), task(2, (1, 3))])
def test_unexpected_values_are_refused(tmp_path: Path, asked: Any) -> None:
    with pytest.raises(
        CaseError, match=r"does not name; allowed: 0 and those of task\.mask_values"
    ):
        read(tmp_path / "m.png", VALUES, asked)


def test_grey_stored_as_colour_counts_as_grey(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        read(tmp_path / "m.png", np.dstack([VALUES] * 3), task(2))[0], VALUES
    )


def test_true_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="colours"):
        read(tmp_path / "m.png", np.dstack([VALUES, VALUES, VALUES + 1]), task(2))


def test_palette_numbers_are_the_classes(tmp_path: Path) -> None:
    image = Image.fromarray(VALUES).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.putdata(VALUES.ravel().tolist())
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(
        masks.read_mask(tmp_path / "m.png", IMAGE, (2, 3), task(2))[0], VALUES
    )


def test_other_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="size"):
        read(tmp_path / "m.png", VALUES.T.copy(), task(2))


def nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def test_volume_mask_turns_with_its_image_and_must_share_its_place(tmp_path: Path) -> None:
    volume = np.zeros((2, 3, 4), np.uint8)
    volume[0, 0, 0] = 1
    image = nifti(tmp_path / "i.nii.gz", volume, np.diag([-1.0, -1, 1, 1]))
    mask = masks.read_mask(
        nifti(tmp_path / "m.nii.gz", volume, np.diag([-1.0, -1, 1, 1])), image, (2, 3, 4), task(1)
    )
    assert np.argwhere(mask[0]).tolist() == [[1, 2, 0]]
    with pytest.raises(CaseError, match="affine"):
        masks.read_mask(nifti(tmp_path / "n.nii.gz", volume, np.eye(4)), image, (2, 3, 4), task(1))


@pytest.mark.parametrize("value", [0.4, np.nan])
def test_fractions_are_refused(tmp_path: Path, value: float) -> None:
    path = nifti(tmp_path / "m.nii", np.full((2, 3, 4), value, np.float32), np.eye(4))
    with pytest.raises(CaseError, match="whole numbers"):
        masks.read_mask(path, IMAGE, (2, 3, 4), task(1))


def test_files_are_found_by_stem(tmp_path: Path) -> None:
    (tmp_path / "masks" / "sub").mkdir(parents=True)
    for name in ("a.nii.gz", "b.PNG", "sub/c.tif", ".hidden.png", "notes.txt"):
        (tmp_path / "masks" / name).touch()
    assert sorted(masks.find_masks(tmp_path)) == ["a", "b", "sub/c"]
    with pytest.raises(SiteError, match="masks/"):
        masks.find_masks(tmp_path / "masks")


def test_masks_that_cannot_be_listed_are_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masks").mkdir()

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SiteError, match="cannot be listed; let the software's user read it"):
        masks.find_masks(tmp_path)
