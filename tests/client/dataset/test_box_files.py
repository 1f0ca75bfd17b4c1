"""boxes.json: checks, scaling and what the refusals tell."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from client.dataset import box_files
from common.errors import CaseError, SiteError

TASK: Any = SimpleNamespace(needs=frozenset({"boxes"}), classes=("cyst", "stone"))


def entry(*corners: list[Any], label: str = "stone", **size: Any) -> dict[str, Any]:
    return {
        "width": 100,
        "height": 50,
        **size,
        "objects": [{"label": label, "box_xyxy": list(c)} for c in corners],
    }


def test_boxes_and_classes(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(
        '\ufeff{"images/a.png": {"width": 100, "height": 50, "objects": []}}', "utf-8"
    )
    drawn = box_files.parse_boxes(box_files.read_boxes(tmp_path)["a.png"], TASK, 2)
    assert (drawn.corners.shape, drawn.classes.shape) == ((0, 4), (0,))
    drawn = box_files.parse_boxes(entry([1, 2, 3, 4], [0, 0, 100, 50]), TASK, 2)
    assert (str(drawn.corners.dtype), str(drawn.classes.dtype)) == ("float32", "int64")
    assert drawn.classes.tolist() == [1, 1]


def test_scaling_follows_the_decoded_size() -> None:
    drawn = box_files.parse_boxes(entry([10, 10, 20, 30]), TASK, 2)
    np.testing.assert_allclose(
        drawn.on((100, 50)), [[5, 20, 10, 60]]
    )  # half as wide, twice as high


def test_volumes_use_six_numbers() -> None:
    item = {
        "width": 10,
        "height": 20,
        "depth": 30,
        "objects": [{"label": "cyst", "box_xyzxyz": [1, 2, 3, 4, 5, 6]}],
    }
    np.testing.assert_allclose(
        box_files.parse_boxes(item, TASK, 3).on((20, 10, 60)), [[1, 2, 6, 4, 5, 12]]
    )


def test_rounding_at_the_edge_is_cut() -> None:
    drawn = box_files.parse_boxes(entry([-0.4, 0, 100.4, 50]), TASK, 2)
    np.testing.assert_allclose(drawn.corners, [[0, 0, 100, 50]])


OUTSIDE = [[-9, 1, 5, 5], [1, 1, 101, 5], [1, 1, 5, 61]]
EMPTY = [[5, 5, 5, 9], [9, 1, 5, 5], [float("nan"), 1, 5, 5], [-0.4, 1, 0, 5]]


@pytest.mark.parametrize("bad", OUTSIDE + EMPTY)
def test_boxes_outside_or_without_area_are_counted_and_not_quoted(bad: list[float]) -> None:
    with pytest.raises(
        CaseError, match=r"1 of 2 boxes lie outside.*0 <= x0 < x1 <= width"
    ) as caught:
        box_files.parse_boxes(entry([1, 2, 3, 4], bad), TASK, 2)
    assert str(float(bad[0])) in caught.value.local


def test_unknown_label() -> None:
    with pytest.raises(CaseError, match=r"1 of 1 boxes .*: cyst, stone\.") as caught:
        box_files.parse_boxes(entry([1, 2, 3, 4], label="tumour of Ann"), TASK, 2)
    assert "tumour" not in caught.value.public


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"width": 1},
        {"width": 1, "height": 1, "objects": [3]},
        entry([1, 2, 3]),
        entry([1, 2, 3, 4], width=None),
        entry(["a", 2, 3, 4]),
    ],
)
def test_malformed_entries(bad: Any) -> None:
    with pytest.raises(CaseError, match="malformed"):
        box_files.parse_boxes(bad, TASK, 2)


@pytest.mark.parametrize("width", [0, -5, float("inf"), float("nan")])
def test_size_must_be_positive(width: float) -> None:
    with pytest.raises(CaseError, match="not positive"):
        box_files.parse_boxes(entry(width=width), TASK, 2)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_rubbish_is_a_site_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "boxes.json").write_bytes(content)
    with pytest.raises(SiteError, match=r"boxes\.json"):
        box_files.read_boxes(tmp_path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"no boxes\.json"):
        box_files.read_boxes(tmp_path)
