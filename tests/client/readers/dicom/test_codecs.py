"""Codecs: every usual transfer syntax gives the stored values back; damage and lies are refused."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from client.readers import dicom
from client.readers.dicom import codecs, scans
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.series import read, sort
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import axial, base, files, picture, save, slices

NOISE = np.random.default_rng(0).integers(0, 4096, (4, 32, 40)).astype(np.uint16)
KINDS = {
    "u12": (NOISE, {"BitsStored": 12, "HighBit": 11}),
    "u16": (NOISE * 16, {}),
    "i16": ((NOISE.astype(np.int32) * 16 - 32768).astype(np.int16), {}),
}
KINDS["i12"] = ((NOISE.astype(np.int16) - 2048), {"BitsStored": 12, "HighBit": 11})
KINDS["u8"] = ((NOISE // 16).astype(np.uint8), {})


def recoded(data: Dataset, syntax: UID) -> Dataset:
    """The object with its pixels compressed, the stored bits only."""
    if syntax in (RLELossless, JPEG2000Lossless):
        data.compress(syntax, generate_instance_uid=False)
        return data
    kind = np.dtype(f"u{data.BitsAllocated // 8}")
    unsigned = (
        np.frombuffer(data.PixelData, kind).reshape(data.Rows, data.Columns)
        & ((1 << data.BitsStored) - 1)
    ).astype(kind)
    if syntax == JPEGLSLossless:
        return packed(data, syntax, imagecodecs.jpegls_encode(unsigned))
    predictor = 1 if syntax == JPEGLosslessSV1 else 5
    return packed(
        data,
        syntax,
        imagecodecs.jpeg8_encode(
            unsigned, lossless=True, predictor=predictor, bitspersample=data.BitsStored
        ),
    )


def packed(data: Dataset, syntax: UID, *streams: bytes) -> Dataset:
    data.PixelData = encapsulate([bytes(s) for s in streams])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = syntax
    return data


@pytest.mark.parametrize(
    "syntax",
    [RLELossless, JPEG2000Lossless, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless],
    ids=lambda u: u.name[:22],
)
@pytest.mark.parametrize("kind", KINDS)
def test_lossless_codecs_give_the_stored_values_back(
    tmp_path: Path, syntax: UID, kind: str
) -> None:
    array, elements = KINDS[kind]
    data_sets = [
        recoded(data, syntax)
        for data in slices(array, RescaleSlope="2", RescaleIntercept="-7", **elements)
    ]
    assert all(data.file_meta.TransferSyntaxUID == syntax for data in data_sets)
    usable, refused = sort(files(tmp_path / "s", data_sets))
    assert not refused
    np.testing.assert_array_equal(read(usable[0]).array, axial(array) * 2 - 7)


def test_big_endian(tmp_path: Path) -> None:
    data_sets = slices(NOISE)
    for data in data_sets:
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        data.PixelData = np.frombuffer(data.PixelData, "<u2").byteswap().tobytes()
    np.testing.assert_array_equal(
        read(sort(files(tmp_path / "s", data_sets))[0][0]).array, axial(NOISE)
    )


def jpeg(folder: Path, size: tuple[int, int], **elements: object) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros(size, np.uint8)).save(buffer, "JPEG")
    return save(
        folder / "x",
        packed(base(np.zeros((32, 40), np.uint8), **elements), JPEGBaseline8Bit, buffer.getvalue()),
    )


def test_a_code_stream_that_claims_another_size_never_reaches_its_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scans.alone(jpeg(tmp_path, (32, 40))).array.shape == (1, 32, 40)
    monkeypatch.setattr(codecs, "pixel_array", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(DicomError) as caught:
        scans.alone(jpeg(tmp_path, (320, 40)))
    assert caught.value.reason is Reason.DAMAGED


def test_sizes_are_read_from_code_streams() -> None:
    for syntax in (JPEG2000Lossless,):
        data = base(NOISE[0])
        data.compress(syntax, generate_instance_uid=False)
        assert codecs.stated(next(generate_frames(data.PixelData, number_of_frames=1))) == (
            32,
            40,
            1,
        )
    assert (
        codecs.stated(b"\xff\xd8")
        is codecs.stated(b"")
        is codecs.stated(b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
        is None
    )


def test_a_truncated_code_stream_is_refused_with_the_codecs_name(tmp_path: Path) -> None:
    data = base(NOISE[0])
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    stream = next(generate_frames(data.PixelData, number_of_frames=1))
    data.PixelData = encapsulate([stream[:60]])
    with pytest.raises(DicomError, match="JPEG 2000") as caught:
        scans.alone(save(tmp_path / "x", data))
    assert caught.value.reason is Reason.CODEC


def test_twelve_bits_of_extended_jpeg(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(32) * 50, np.arange(40) * 50).astype(np.uint16)
    stream = imagecodecs.jpeg8_encode(smooth, level=100, bitspersample=12)
    data = packed(base(smooth, BitsStored=12, HighBit=11), JPEGExtended12Bit, stream)
    np.testing.assert_allclose(scans.alone(save(tmp_path / "x", data)).array[0], smooth, atol=4)


def test_colour_of_lossless_jpeg(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    data = base(
        colour[..., 0], SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB"
    )
    stream = imagecodecs.jpeg8_encode(
        colour, lossless=True, predictor=1, colorspace="RGB", outcolorspace="RGB"
    )
    scan = scans.alone(save(tmp_path / "x", packed(data, JPEGLosslessSV1, stream)))
    np.testing.assert_array_equal(scan.array, np.moveaxis(colour, -1, 0))


@pytest.mark.parametrize(
    "syntax",
    [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless],
    ids=lambda u: u.name[:22],
)
def test_a_damaged_frame_ends_no_process(syntax: UID) -> None:
    data = recoded(base(NOISE[0], BitsStored=12, HighBit=11), syntax)
    stream = next(generate_frames(data.PixelData, number_of_frames=1))
    rng, refused = np.random.default_rng(0), 0
    for _ in range(150):
        bad = bytearray(stream)
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        data.PixelData = encapsulate([bytes(bad)])
        try:
            codecs.decode(data)
        except DicomError:
            refused += 1
    assert refused


def test_a_frame_without_its_end_is_refused(tmp_path: Path) -> None:
    data = recoded(base(NOISE[0]), JPEGLSLossless)
    stream = next(generate_frames(data.PixelData, number_of_frames=1))
    with pytest.raises(DicomError) as caught:
        scans.alone(save(tmp_path / "x", packed(data, JPEGLSLossless, stream[:-20])))
    assert caught.value.reason is Reason.DAMAGED


GREY = np.array([[0, 100, 200], [255, 7, 9]], np.uint8)


def test_rle(tmp_path: Path) -> None:
    data = picture(GREY.astype(np.uint16) * 16, BitsStored=12, HighBit=11)
    data.compress(RLELossless)
    np.testing.assert_array_equal(
        dicom.read(save(tmp_path / "x.dcm", data)).array, GREY[None] * np.float32(16)
    )


def test_jpeg_colour_comes_out_as_rgb(tmp_path: Path) -> None:
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[..., 0] = 200
    buffer = io.BytesIO()
    Image.fromarray(colour).save(buffer, "JPEG", quality=95)
    data = picture(
        colour, PhotometricInterpretation="YBR_FULL_422", PixelData=encapsulate([buffer.getvalue()])
    )
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    array = dicom.read(save(tmp_path / "x.dcm", data)).array
    np.testing.assert_allclose(array.astype(float), np.moveaxis(colour, -1, 0), atol=4)


def test_undecodable_transfer_syntax_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture(GREY, PixelData=encapsulate([b"\xff\xd8 no such thing"]))
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    path = save(tmp_path / "x.dcm", data)
    monkeypatch.setattr(codecs, "decoders", lambda syntax: ())
    with pytest.raises(CaseError, match=r"JPEG Lossless.*cannot be decoded here; install"):
        dicom.read(path)
