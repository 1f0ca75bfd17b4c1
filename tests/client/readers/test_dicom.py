"""The DICOM reader: whose an image is, and that no damage gets past its typed errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client.readers import dicom
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import picture, save

GREY = np.array([[0, 100, 200], [255, 7, 9]], np.uint8)


def test_patient_is_the_patient_id(tmp_path: Path) -> None:
    assert dicom.READER.patient(save(tmp_path / "a", picture(GREY, PatientID=" 0815 "))) == "0815"
    assert dicom.READER.patient(save(tmp_path / "b", picture(GREY, PatientID=""))) is None
    (tmp_path / "c").write_text("no DICOM")
    with pytest.raises(CaseError):
        dicom.READER.patient(tmp_path / "c")


@pytest.mark.filterwarnings("ignore")
def test_any_damage_gives_an_image_or_a_case_error(tmp_path: Path) -> None:
    good = save(
        tmp_path / "g.dcm",
        picture(GREY, PixelSpacing=[1, 1], RescaleSlope="2", RescaleIntercept="1"),
    ).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "smith.dcm"
    failed: list[CaseError] = []
    for _ in range(300):
        bad = bytearray(good[: rng.integers(130, len(good) + 1)])
        for place in rng.integers(128, len(bad), 3):
            bad[place] = rng.integers(256)
        path.write_bytes(bad)
        try:
            assert dicom.read(path).array.ndim == 3
        except CaseError as error:
            failed.append(error)
    assert failed
    assert not any(name in error.public for error in failed for name in ("smith", "P-4711", "Ann"))
