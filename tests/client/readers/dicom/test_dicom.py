"""Single DICOM images: brightness, colour, spacing, codecs, identity and refusals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from client.readers import dicom
from client.readers.dicom import codecs
from common.errors import CaseError

GREY = np.array([[0, 100, 200], [255, 7, 9]], np.uint8)


def image(array: np.ndarray, **elements: Any) -> Dataset:
    """A small valid image object around ``[H, W]`` or ``[H, W, 3]`` values; ``elements`` replace or add."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.PatientID, data.PatientName = "P-4711", "Smith^Ann"
    data.Rows, data.Columns = array.shape[:2]
    data.SamplesPerPixel = 3 if array.ndim == 3 else 1
    if array.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if array.ndim == 3 else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = array.dtype.itemsize * 8
    data.HighBit = data.BitsAllocated - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes()
    data["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(data, name, value)
    return data


def save(path: Path, data: Dataset) -> Path:
    data.save_as(path, enforce_file_format=True)
    return path


def read(folder: Path, array: np.ndarray, **elements: Any) -> np.ndarray:
    return dicom.read(save(folder / "x.dcm", image(array, **elements))).array


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
def test_stored_values_come_through(tmp_path: Path, syntax: UID) -> None:
    data = image(GREY)
    data.file_meta.TransferSyntaxUID = syntax
    array = dicom.read(save(tmp_path / "x.dcm", data)).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, GREY[None])


def test_big_endian(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 200
    data = image(deep.astype(">u2"))
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(dicom.read(save(tmp_path / "x.dcm", data)).array, deep[None])


def test_rle(tmp_path: Path) -> None:
    data = image(GREY.astype(np.uint16) * 16, BitsStored=12, HighBit=11)
    data.compress(RLELossless)
    np.testing.assert_array_equal(
        dicom.read(save(tmp_path / "x.dcm", data)).array, GREY[None] * np.float32(16)
    )


def test_jpeg_colour_comes_out_as_rgb(tmp_path: Path) -> None:
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[..., 0] = 200
    buffer = io.BytesIO()
    Image.fromarray(colour).save(buffer, "JPEG", quality=95)
    data = image(
        colour, PhotometricInterpretation="YBR_FULL_422", PixelData=encapsulate([buffer.getvalue()])
    )
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    array = dicom.read(save(tmp_path / "x.dcm", data)).array
    np.testing.assert_allclose(array.astype(float), np.moveaxis(colour, -1, 0), atol=4)


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
    assert dicom.read(save(tmp_path / "x.dcm", image(GREY, **elements))).spacing == spacing


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": GREY.tobytes() * 2}, "multi-frame"),
        ({"SharedFunctionalGroupsSequence": [Dataset()]}, "multi-frame"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "8 to 16 bit"),
        ({"BitsStored": 12}, "8 to 16 bit"),
        ({"PhotometricInterpretation": "SMITH"}, "photometric"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "contradict"),
        ({"Rows": 60_000, "Columns": 60_000}, "image size"),
        ({"Rows": 40}, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CaseError, match=reason) as caught:
        dicom.read(save(tmp_path / "smith.dcm", image(GREY, **elements)))
    assert "smith" not in caught.value.public.lower()
    assert "smith.dcm" in caught.value.local


def test_object_without_pixels(tmp_path: Path) -> None:
    data = image(GREY)
    del data.PixelData
    with pytest.raises(CaseError, match="no pixel data"):
        dicom.read(save(tmp_path / "x.dcm", data))


def test_undecodable_transfer_syntax_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image(GREY, PixelData=encapsulate([b"\xff\xd8 no such thing"]))
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    path = save(tmp_path / "x.dcm", data)
    monkeypatch.setattr(codecs, "decoders", lambda syntax: ())
    with pytest.raises(CaseError, match=r"JPEG Lossless.*cannot be decoded here; install"):
        dicom.read(path)


def test_patient_is_the_patient_id(tmp_path: Path) -> None:
    assert dicom.READER.patient(save(tmp_path / "a", image(GREY, PatientID=" 0815 "))) == "0815"
    assert dicom.READER.patient(save(tmp_path / "b", image(GREY, PatientID=""))) is None
    (tmp_path / "c").write_text("no DICOM")
    with pytest.raises(CaseError):
        dicom.READER.patient(tmp_path / "c")


@pytest.mark.filterwarnings("ignore")
def test_any_damage_gives_an_image_or_a_case_error(tmp_path: Path) -> None:
    good = save(
        tmp_path / "g.dcm", image(GREY, PixelSpacing=[1, 1], RescaleSlope="2", RescaleIntercept="1")
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
