"""The series that segments are drawn on."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.readers.dicom.series import Series, sort
from tests.client.readers.dicom.dicom_objects import files, ramp, slices
from tests.client.readers.dicom.segment_objects import SHAPE


@pytest.fixture
def series(tmp_path: Path) -> Series:
    usable, refused = sort(files(tmp_path / "ct", slices(ramp(*SHAPE))))
    assert not refused
    return usable[0]
