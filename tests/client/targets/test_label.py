"""Labels: what a table's row states, as a target, and what a readiness check says of its words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from client.targets import DecodedImage, ImageFacts
from client.targets.label import LabelSource
from common.errors import CaseError
from common.study.sections import Data

ONE: Any = SimpleNamespace(columns=("dx",), classes=("no", "yes"), multi_label=False)
TWO: Any = SimpleNamespace(columns=("a", "b"), classes=("0", "1"), multi_label=True)
IMAGE = DecodedImage(Path("a.png"), (4, 5))


def facts(**row: str) -> ImageFacts:
    return ImageFacts("a.png", row, lambda: None)


def test_a_class_is_a_whole_number_and_spreads_patients(tmp_path: Path) -> None:
    stated = LabelSource(tmp_path, ONE, Data()).find(facts(dx="yes"))
    assert stated == 1 == LabelSource.stratum(stated)
    values = LabelSource.load(stated, IMAGE, ONE).values
    assert (values.dtype, values.tolist()) == (torch.int64, [1])
    assert LabelSource.present(stated, ONE) == ["yes"]
    assert LabelSource.counted(ONE) == ("no", "yes")


def test_several_columns_are_floats_and_spread_nobody(tmp_path: Path) -> None:
    stated = LabelSource(tmp_path, TWO, Data()).find(facts(a="0", b="1"))
    assert stated == (0, 1)
    assert LabelSource.stratum(stated) is None
    values = LabelSource.load(stated, IMAGE, TWO).values
    assert (values.dtype, values.tolist()) == (torch.float32, [[0.0, 1.0]])
    assert LabelSource.present(stated, TWO) == ["b"]
    assert LabelSource.counted(TWO) == LabelSource.columns(TWO) == ("a", "b")


def test_a_row_without_a_value_states_nothing_and_a_strange_one_is_refused(tmp_path: Path) -> None:
    source = LabelSource(tmp_path, ONE, Data())
    assert source.find(facts()) is None
    with pytest.raises(CaseError):
        source.find(facts(dx="maybe"))


def test_strange_values_are_listed_for_the_hospital(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,dx\na.png,yes\nb.png,maybe\nc.png,\n")
    (check,) = LabelSource.words(tmp_path, ONE)
    assert check.state == "wrong" and "'maybe'" in check.text and "'yes'" not in check.text
    table.write_text("file,dx\na.png,yes\nb.png,no\n")
    assert [check.state for check in LabelSource.words(tmp_path, ONE)] == ["ok"]
