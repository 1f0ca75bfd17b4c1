"""Planes of enhanced multi-frame objects and of mosaics, and the scans that they make."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from client.readers import dicom
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import read, sort
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import (
    axial,
    base,
    enhanced,
    files,
    item,
    put,
    ramp,
    save,
    slices,
)


def test_frames_lie_where_their_functional_groups_say(tmp_path: Path) -> None:
    array = ramp()
    path = save(tmp_path / "x.dcm", enhanced(array, order=[3, 0, 4, 1, 2]))
    (series,), refused = sort([path])
    assert not refused
    scan, alone = read(series), dicom.READER.read(path)
    np.testing.assert_array_equal(scan.array, axial(array))
    np.testing.assert_array_equal(alone.array, axial(array))
    assert scan.affine is not None and alone.affine is not None
    np.testing.assert_array_equal(scan.affine, alone.affine)
    plain = read(sort(files(tmp_path / "p", slices(array)))[0][0])
    assert plain.affine is not None
    np.testing.assert_allclose(scan.affine, plain.affine, atol=1e-9)


def test_each_frame_has_its_own_scale(tmp_path: Path) -> None:
    array = ramp()
    data = enhanced(array)
    for k, own in enumerate(data.PerFrameFunctionalGroupsSequence):
        own.PixelValueTransformationSequence = [item(RescaleSlope=str(k + 1), RescaleIntercept="5")]
    expected = array * np.arange(1, 6)[:, None, None] + 5
    np.testing.assert_array_equal(dicom.read(save(tmp_path / "x.dcm", data)).array, axial(expected))


def stacked(groups: list[dict[str, Any]]) -> Dataset:
    """The five slices once for each dictionary of functional groups."""
    array = np.concatenate([ramp() + 1000 * i for i in range(len(groups))])
    data = enhanced(array)
    for i, own in enumerate(data.PerFrameFunctionalGroupsSequence):
        own.PlanePositionSequence = [item(ImagePositionPatient=[-20.0, -30.0, 40.0 + 3 * (i % 5)])]
        put(own, groups[i // 5])
    return data


@pytest.mark.parametrize(
    "groups",
    [
        [{"MREchoSequence": [item(EffectiveEchoTime=float(t))]} for t in (4, 12)],
        [{"FrameContentSequence": [item(TemporalPositionIndex=t)]} for t in (1, 2, 3)],
        [{"MRDiffusionSequence": [item(DiffusionBValue=float(b))]} for b in (0, 1000)],
    ],
)
def test_frames_of_several_volumes_are_split(tmp_path: Path, groups: list[dict[str, Any]]) -> None:
    path = save(tmp_path / "x.dcm", stacked(groups))
    usable, refused = sort([path])
    assert not refused
    for i, series in enumerate(usable):
        np.testing.assert_array_equal(read(series).array, axial(ramp() + 1000 * i))
    with pytest.raises(CaseError, match="several volumes"):
        dicom.read(path)


@pytest.mark.parametrize(
    ("reason", "elements"),
    [
        (Reason.GEOMETRY, {"PerFrameFunctionalGroupsSequence": None}),
        (Reason.GEOMETRY, {"SharedFunctionalGroupsSequence": None}),
        (Reason.GEOMETRY, {"NumberOfFrames": 4}),
        (Reason.PARTS, {"ConcatenationUID": "1.2.3.7"}),
    ],
)
def test_frames_without_their_place_are_refused(
    tmp_path: Path, reason: Reason, elements: dict[str, Any]
) -> None:
    path = save(tmp_path / "x.dcm", enhanced(ramp(), **elements))
    assert [r.reason for r in sort([path])[1]] == [reason]
    with pytest.raises(CaseError):
        dicom.read(path)


def test_a_gap_between_frames_is_a_gap(tmp_path: Path) -> None:
    path = save(tmp_path / "x.dcm", enhanced(ramp(6), order=[0, 1, 3, 4, 5]))
    assert [r.reason for r in sort([path])[1]] == [Reason.GAP]


def csa(values: dict[str, list[str]], second: bool) -> bytes:
    """A CSA header of type 1 or 2."""
    content = (b"SV10\4\3\2\1" if second else b"") + struct.pack("<2I", len(values), 77)
    extra = len(next(iter(values.values())))
    for name, items in values.items():
        content += struct.pack("<64si4s3i", name.encode(), len(items), b"FD\0\0", 0, len(items), 77)
        for text in items:
            data = text.encode() + b"\0"
            content += (
                struct.pack("<4i", *([len(data)] * 4 if second else [len(data) + extra] * 4))
                + data
                + bytes(-len(data) % 4)
            )
    return content


def mosaic(
    array: np.ndarray,
    reverse: bool = False,
    second: bool = True,
    values: dict[str, list[str] | None] | None = None,
    **elements: Any,
) -> Dataset:
    """A mosaic of ``[D, H, W]`` integers, the first slice where :func:`slices` puts it."""
    depth, rows, columns = array.shape
    tiles = int(np.ceil(np.sqrt(depth)))
    image = np.zeros((tiles * rows, tiles * columns), array.dtype)
    for i in range(depth):
        row, column = rows * (i // tiles), columns * (i % tiles)
        image[row : row + rows, column : column + columns] = array[i]
    corner = [-20 - 0.5 * (tiles - 1) * columns / 2, -30 - 0.75 * (tiles - 1) * rows / 2, 40]
    data = base(
        image,
        Modality="MR",
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        PixelSpacing=[0.75, 0.5],
        SpacingBetweenSlices=3.0,
    )
    data.ImagePositionPatient, data.ImageOrientationPatient = corner, [1, 0, 0, 0, 1, 0]
    described: dict[str, list[str] | None] = {
        "NumberOfImagesInMosaic": [f"{depth:12}"],
        "SliceNormalVector": ["0.0", "0.0", "-1.0" if reverse else "1.0"],
    }
    described |= values or {}
    block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", csa({k: v for k, v in described.items() if v is not None}, second))
    put(data, elements)
    return data


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize("depth", [4, 5, 9])
def test_a_mosaic_is_the_volume_of_its_tiles(tmp_path: Path, depth: int, second: bool) -> None:
    array = ramp(depth)
    scan = dicom.read(save(tmp_path / "x.dcm", mosaic(array, second=second)))
    plain = read(sort(files(tmp_path / "p", slices(array)))[0][0])
    np.testing.assert_array_equal(scan.array, plain.array)
    assert scan.affine is not None and plain.affine is not None
    np.testing.assert_allclose(scan.affine, plain.affine, atol=1e-6)


def test_a_mosaic_may_run_against_its_normal(tmp_path: Path) -> None:
    array = ramp()
    scan = dicom.read(save(tmp_path / "x.dcm", mosaic(array, reverse=True)))
    np.testing.assert_array_equal(scan.array, axial(array[::-1]))
    assert scan.affine is not None and scan.affine[2, 3] == pytest.approx(40 - 12)


def test_the_number_of_slices_may_be_in_the_other_private_block(tmp_path: Path) -> None:
    data = mosaic(ramp(), values={"NumberOfImagesInMosaic": None})
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 5)
    assert dicom.read(save(tmp_path / "x.dcm", data)).array.shape == (1, 6, 4, 5)


def test_every_mosaic_of_a_series_is_a_volume(tmp_path: Path) -> None:
    usable, refused = sort(
        files(tmp_path, [mosaic(ramp() + 1000 * t, AcquisitionNumber=t) for t in range(3)])
    )
    assert not refused
    assert [s.shape for s in usable] == [(6, 4, 5)] * 3
    np.testing.assert_array_equal(np.sort([read(s).array.min() for s in usable]), [0, 1000, 2000])


@pytest.mark.parametrize(
    "data",
    [
        mosaic(ramp(), values={"SliceNormalVector": None}),
        mosaic(ramp(), values={"NumberOfImagesInMosaic": None}),
        mosaic(ramp(), values={"NumberOfImagesInMosaic": ["50"]}),
        mosaic(ramp(), values={"SliceNormalVector": ["1.0", "0.0", "0.0"]}),
        mosaic(ramp(), SpacingBetweenSlices=None),
    ],
)
def test_a_mosaic_that_does_not_say_how_it_is_laid_is_refused(
    tmp_path: Path, data: Dataset
) -> None:
    _, refused = sort([save(tmp_path / "x.dcm", data)])
    assert [r.reason for r in refused] == [Reason.MOSAIC]


def test_a_mosaic_with_a_damaged_private_header_is_refused(tmp_path: Path) -> None:
    good = mosaic(ramp())
    block = good.private_block(0x0029, "SIEMENS CSA HEADER")
    data = block[0x10].value
    rng = np.random.default_rng(0)
    for _ in range(100):
        bad = bytearray(data[: rng.integers(0, len(data) + 1)])
        for place in rng.integers(0, max(1, len(bad)), 4):
            if bad:
                bad[place] = rng.integers(256)
        block[0x10].value = bytes(bad) + b"\0" * (len(bad) % 2)
        usable, refused = sort([save(tmp_path / "x.dcm", good)])
        assert len(usable) + len(refused) == 1
