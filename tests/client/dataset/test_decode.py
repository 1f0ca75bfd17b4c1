"""One case to one sample: channels, labels, masks, boxes, refusals."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from client.dataset import box_files
from client.dataset.decode import decode
from client.dataset.manifest import Case
from common.errors import CaseError
from common.study.sections import Data
from tests.targets import Seen

TASK: Any = SimpleNamespace(
    needs=frozenset({"mask"}), classes=("x",), multi_label=False, mask_values=None
)
MULTI: Any = SimpleNamespace(multi_label=True)
COLOUR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def save(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


def test_colour_becomes_grey_by_luma(tmp_path: Path) -> None:
    sample = decode(Case(save(tmp_path / "a.png", COLOUR), 7), TASK, Data(channels=1))
    np.testing.assert_allclose(sample.image[0], COLOUR @ np.array([0.299, 0.587, 0.114]), rtol=1e-6)
    assert (sample.image.dtype, sample.patient, sample.spacing) == (torch.float32, 7, (1.0, 1.0))


def test_grey_becomes_colour_by_repetition(tmp_path: Path) -> None:
    deep = COLOUR[..., 0].astype(np.uint16) * 250
    sample = decode(Case(save(tmp_path / "a.png", deep), 0), TASK, Data(channels=3))
    np.testing.assert_array_equal(sample.image, np.stack([deep] * 3))


def test_labels_mask_and_boxes(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", COLOUR)
    one = Seen(decode(Case(image, 0, {"label": 2}), TASK, Data())).label
    assert one is not None
    assert (one.dtype, one.shape, int(one)) == (torch.int64, (), 2)
    several = Seen(decode(Case(image, 0, {"label": (1, 0)}), MULTI, Data())).label
    assert several is not None
    assert (several.dtype, several.tolist()) == (torch.float32, [1.0, 0.0])
    mask = Seen(
        decode(
            Case(
                image, 0, {"mask": save(tmp_path / "m.png", (COLOUR[..., 0] > 0).astype(np.uint8))}
            ),
            TASK,
            Data(),
        )
    ).mask
    assert mask is not None
    assert (mask.dtype, int(mask.sum())) == (torch.uint8, 7)
    drawn = box_files.DrawnBoxes(np.array([[0, 0, 8, 2]], np.float32), np.array([0]), (8.0, 2.0))
    sample = decode(Case(image, 0, {"boxes": drawn}), TASK, Data())
    assert Seen(sample).boxes is not None
    assert Seen(sample).boxes.tolist() == [[0, 0, 4, 2]]
    assert Seen(sample).classes is not None
    assert Seen(sample).classes.dtype == torch.int64


def test_volume(tmp_path: Path) -> None:
    nib.save(
        nib.Nifti1Image(np.ones((2, 3, 4), np.float32), np.diag([1.0, 2, 3, 1])),
        tmp_path / "v.nii.gz",
    )
    sample = decode(Case(tmp_path / "v.nii.gz", 0), TASK, Data(dimensions=3))
    assert (tuple(sample.image.shape), sample.spacing) == ((1, 2, 3, 4), (1.0, 2.0, 3.0))


def test_wrong_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="2 dimensions; the study asks for 3") as caught:
        decode(Case(save(tmp_path / "smith.png", COLOUR), 0), TASK, Data(dimensions=3))
    assert "smith" in caught.value.local
    assert "smith" not in caught.value.public


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    nib.save(nib.Nifti1Image(np.full((2, 3, 4), value, np.float32), np.eye(4)), tmp_path / "v.nii")
    with pytest.raises(CaseError, match="finite"):
        decode(Case(tmp_path / "v.nii", 0), TASK, Data(dimensions=3))


def test_four_channels_are_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4, 4), np.float32), np.eye(4)), tmp_path / "v.nii")
    with pytest.raises(CaseError, match="4 channels"):
        decode(Case(tmp_path / "v.nii", 0), TASK, Data(dimensions=3))
