"""What sorting keeps of one header, and what it refuses at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import MPEG2MPML

from client.readers.dicom import file_header
from client.readers.dicom.reasons import DicomError, Reason
from tests.client.readers.dicom.dicom_objects import ORIGIN, base, enhanced, ramp, save, slices
from tests.client.readers.dicom.segment_objects import balls, seg


def test_a_slice_has_one_plane(tmp_path: Path) -> None:
    header = file_header.opened(save(tmp_path / "x", slices(ramp(1))[0]))
    assert (header.form, header.uid, header.patient, header.modality) == (
        "plain",
        "1.2.3.4",
        "P-4711",
        "CT",
    )
    assert (header.size, header.spacing, header.colour) == ((4, 6), (0.75, 0.5), False)
    (plane,) = header.planes
    np.testing.assert_array_equal(plane.position, ORIGIN)


def test_a_picture_has_none(tmp_path: Path) -> None:
    header = file_header.opened(save(tmp_path / "x", base(ramp(1)[0])))
    assert (header.form, header.planes, header.spacing) == ("plain", (), (1.0, 1.0))


def test_a_multi_frame_object_has_one_for_each_frame(tmp_path: Path) -> None:
    header = file_header.opened(save(tmp_path / "x", enhanced(ramp())))
    assert (header.form, len(header.planes)) == ("frames", 5)


def test_segments_name_the_series_they_were_drawn_on(tmp_path: Path) -> None:
    header = file_header.opened(save(tmp_path / "x", seg(balls())))
    assert (header.form, header.references, header.planes) == ("segments", ("1.2.3.4",), ())


def test_a_localiser_and_what_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    scout = base(ramp(1)[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    film = base(ramp(1)[0])
    film.file_meta.TransferSyntaxUID = MPEG2MPML
    film["PixelData"].is_undefined_length = True
    film.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
    film["PixelData"].VR = "OB"
    for data, reason in ((scout, Reason.LOCALISER), (film, Reason.CODEC)):
        with pytest.raises(DicomError) as caught:
            file_header.opened(save(tmp_path / "smith", data))
        assert caught.value.reason is reason
        assert "smith" in caught.value.local
        assert "smith" not in caught.value.public
