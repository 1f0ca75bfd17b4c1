"""Masks: found by an image's stem, brought to its size, and what labels.toml says of classes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from client.targets import DecodedImage, ImageFacts
from client.targets.mask import MaskSource
from common.errors import CaseError, SiteError
from common.study.sections import Data

TASK: Any = SimpleNamespace(classes=("liver", "tumour"), mask_values=None)
VALUES = np.array([[0, 1, 2], [2, 0, 0]], np.uint8)


def source(folder: Path) -> MaskSource:
    (folder / "masks").mkdir()
    Image.fromarray(VALUES).save(folder / "masks" / "a.tif")
    return MaskSource(folder, TASK, Data())


def facts(name: str) -> ImageFacts:
    return ImageFacts(name, {}, lambda: None)


def test_a_mask_is_matched_by_stem_and_holds_class_numbers(tmp_path: Path) -> None:
    opened = source(tmp_path)
    stated = opened.find(facts("images/a.png"))
    assert stated == tmp_path / "masks" / "a.tif"
    mask = MaskSource.load(stated, DecodedImage(tmp_path / "a.png", (2, 3)), TASK)
    assert (mask.values.dtype, mask.values.tolist()) == (torch.uint8, [[VALUES.tolist()]])
    assert opened.find(facts("b.png")) is None


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    stated = source(tmp_path).find(facts("a.png"))
    assert stated is not None
    with pytest.raises(CaseError, match="size"):
        MaskSource.load(stated, DecodedImage(tmp_path / "a.png", (3, 2)), TASK)


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="masks"):
        MaskSource(tmp_path, TASK, Data())


@pytest.mark.parametrize(
    ("listed", "states"),
    [
        ("", []),
        ('[masks]\n1 = "liver"\n2 = "tumour"\n', ["ok"]),
        ('[masks]\n1 = "liver"\n', ["warning"]),
        ('[masks]\n1 = "Leber"\n', ["wrong"]),
    ],
)
def test_listed_classes_are_compared_with_the_studys(
    tmp_path: Path, listed: str, states: list[str]
) -> None:
    (tmp_path / "labels.toml").write_text(listed)
    assert [check.state for check in MaskSource.words(tmp_path, TASK)] == states
