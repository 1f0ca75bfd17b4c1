"""Boxes: a file's entry as a target in the pixels of its decoded image, and its labels."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from client.targets import DecodedImage, ImageFacts
from client.targets.boxes import BoxesSource
from common.errors import CaseError, SiteError
from common.study.sections import Data

TASK: Any = SimpleNamespace(classes=("cyst", "stone"))
SQUARE = {"label": "stone", "box_xyxy": [2, 1, 6, 3]}


def source(folder: Path, **entries: Any) -> BoxesSource:
    table = {
        f"{name}.png": {"width": 10, "height": 5, "objects": objects}
        for name, objects in entries.items()
    }
    (folder / "boxes.json").write_text(json.dumps(table))
    return BoxesSource(folder, TASK, Data())


def facts(name: str) -> ImageFacts:
    return ImageFacts(name, {}, lambda: None)


def test_boxes_are_scaled_to_the_decoded_image(tmp_path: Path) -> None:
    stated = source(tmp_path, a=[SQUARE]).find(facts("a.png"))
    assert stated is not None
    boxes = BoxesSource.load(stated, DecodedImage(Path("a.png"), (10, 20)), TASK)
    assert [corners.tolist() for corners in boxes.corners] == [[[4, 2, 12, 6]]]
    assert [classes.tolist() for classes in boxes.classes] == [[1]]
    assert boxes.corners[0].dtype == torch.float32
    assert BoxesSource.present(stated, TASK) == ["stone"]


def test_an_empty_list_is_stated_and_a_missing_entry_is_not(tmp_path: Path) -> None:
    opened = source(tmp_path, a=[])
    empty = opened.find(facts("a.png"))
    assert empty is not None and BoxesSource.present(empty, TASK) == []
    assert opened.find(facts("b.png")) is None


def test_a_bad_entry_is_the_images_fault_and_a_bad_file_the_folders(tmp_path: Path) -> None:
    with pytest.raises(CaseError):
        source(tmp_path, a=[{"label": "stone"}]).find(facts("a.png"))
    (tmp_path / "boxes.json").unlink()
    with pytest.raises(SiteError, match=r"boxes\.json"):
        BoxesSource(tmp_path, TASK, Data())


def test_strange_labels_are_listed_for_the_hospital(tmp_path: Path) -> None:
    source(tmp_path, a=[SQUARE, {**SQUARE, "label": "stones"}, 3])
    (check,) = BoxesSource.words(tmp_path, TASK)
    assert check.state == "wrong" and "'stones'" in check.text
    source(tmp_path, a=[SQUARE])
    assert [check.state for check in BoxesSource.words(tmp_path, TASK)] == ["ok"]
