"""SEG and RTSTRUCT objects: masks on the grid of the series that they were drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client.readers.dicom import dicom_seg
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.series import Series
from tests.client.readers.dicom.dicom_objects import save
from tests.client.readers.dicom.segment_objects import balls, seg, turned


def test_overlap_needs_an_order(tmp_path: Path, series: Series) -> None:
    masks = balls()
    segments = dicom_seg.read(save(tmp_path / "seg", seg(masks)), series)
    assert segments.overlap() == int(masks.all(axis=0).sum()) > 0
    with pytest.raises(DicomError, match="overlap") as caught:
        segments.flat()
    assert caught.value.reason is Reason.OVERLAP
    first = np.where(masks[0], 1, np.where(masks[1], 2, 0))
    np.testing.assert_array_equal(segments.flat([2, 1]), turned(first))
    np.testing.assert_array_equal(segments.flat([1, 2]), turned(np.where(masks[1], 2, first)))
    np.testing.assert_array_equal(segments.flat([2]), turned(masks[1] * 2))


def test_parts_that_do_not_overlap_need_none(tmp_path: Path, series: Series) -> None:
    masks = balls()
    masks[1] &= ~masks[0]
    segments = dicom_seg.read(save(tmp_path / "seg", seg(masks)), series)
    np.testing.assert_array_equal(segments.flat(), turned(masks[0] + 2 * masks[1]))
