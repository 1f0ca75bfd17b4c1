"""PixelData to numbers: modality units, brightness, colour, spacing and the stored bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from client.readers import dicom
from client.readers.dicom import scans, series
from client.readers.dicom.reasons import DicomError
from tests.client.readers.dicom.dicom_objects import base, files, picture, save, slices

GREY = np.array([[0, 100, 200], [255, 7, 9]], np.uint8)


def read(folder: Path, array: np.ndarray, **elements: Any) -> np.ndarray:
    return dicom.read(save(folder / "x.dcm", picture(array, **elements))).array


def test_big_endian(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 200
    data = picture(deep.astype(">u2"))
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(dicom.read(save(tmp_path / "x.dcm", data)).array, deep[None])


def test_modality_rescale(tmp_path: Path) -> None:
    array = read(tmp_path, GREY.astype(np.int16) - 50, RescaleSlope="2.5", RescaleIntercept="-1000")
    np.testing.assert_allclose(array[0], (GREY.astype(np.float32) - 50) * 2.5 - 1000)


def test_modality_lookup_table(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
    table.add_new(0x00283006, "US", [3 * i for i in range(256)])
    np.testing.assert_array_equal(
        read(tmp_path, GREY, ModalityLUTSequence=[table])[0], GREY.astype(np.float32) * 3
    )


def test_monochrome1_is_reversed_within_the_stored_bits(tmp_path: Path) -> None:
    ten_bits = GREY.astype(np.uint16)
    array = read(
        tmp_path, ten_bits, PhotometricInterpretation="MONOCHROME1", BitsStored=10, HighBit=9
    )
    np.testing.assert_array_equal(array[0], 1023 - GREY.astype(np.float32))


def test_monochrome1_signed_and_rescaled(tmp_path: Path) -> None:
    stored = np.array([[-2048, 0, 2047]], np.int16)
    elements = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "2", "RescaleIntercept": "10"}
    plain = read(tmp_path, stored, **elements)
    reversed_ = read(tmp_path, stored, PhotometricInterpretation="MONOCHROME1", **elements)
    np.testing.assert_array_equal(reversed_[0, 0], [4104, 8, -4086])
    np.testing.assert_array_equal(
        plain + reversed_, np.full((1, 1, 3), 18)
    )  # so both span the same range


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_in_both_layouts(tmp_path: Path, planar: int) -> None:
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    stored = colour if planar == 0 else np.ascontiguousarray(np.moveaxis(colour, -1, 0))
    array = read(tmp_path, colour, PlanarConfiguration=planar, PixelData=stored.tobytes())
    np.testing.assert_array_equal(array, np.moveaxis(colour, -1, 0))


def test_ybr_is_turned_into_rgb(tmp_path: Path) -> None:
    neutral = np.full((2, 2, 3), 128, np.uint8)
    neutral[0, 0, 0] = 30
    array = read(tmp_path, neutral, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_array_equal(array[:, 0, 0], [30, 30, 30])


def test_palette_is_looked_up(tmp_path: Path) -> None:
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in (("Red", [1, 2, 3]), ("Green", [4, 5, 6]), ("Blue", [7, 8, 9])):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = np.array(values, "<u2").tobytes()
    array = read(tmp_path, np.array([[0, 2]], np.uint8), **elements)
    np.testing.assert_array_equal(array[:, 0], [[1, 3], [4, 6], [7, 9]])


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [1, 1]}, (0.5, 0.25)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"PixelSpacing": None}, (1.0, 1.0)),
        ({}, (1.0, 1.0)),
    ],
)
def test_row_spacing_comes_first(
    tmp_path: Path, elements: dict[str, Any], spacing: tuple[float, float]
) -> None:
    assert dicom.read(save(tmp_path / "x.dcm", picture(GREY, **elements))).spacing == spacing


NOISE = np.random.default_rng(0).integers(0, 4096, (4, 32, 40)).astype(np.uint16)


@pytest.mark.parametrize("factor", ["0", "nan", "inf"])
def test_a_scale_that_destroys_the_values_is_refused(tmp_path: Path, factor: str) -> None:
    data = base(NOISE[0], RescaleIntercept="0")
    data.RescaleSlope = factor
    with pytest.raises(DicomError):
        scans.alone(save(tmp_path / "x", data))


@pytest.mark.parametrize(
    ("bits", "high", "signed", "stored", "value"),
    [
        (12, 11, 1, 0x0FFF, -1),
        (12, 11, 1, 0xF7FF, 2047),
        (12, 11, 0, 0xF801, 0x801),
        (12, 15, 0, 0x8010, 0x801),
        (10, 9, 1, 0x0200, -512),
        (16, 15, 1, 0xFFFF, -1),
        (16, 15, 0, 0xFFFF, 65535),
    ],
)
def test_only_the_stored_bits_count(
    tmp_path: Path, bits: int, high: int, signed: int, stored: int, value: int
) -> None:
    array = np.full((2, 1, 2), stored, np.uint16)
    elements = {"BitsStored": bits, "HighBit": high, "PixelRepresentation": signed}
    (stack,), _ = series.sort(files(tmp_path, slices(array, **elements)))
    assert (series.read(stack).array == value).all()
