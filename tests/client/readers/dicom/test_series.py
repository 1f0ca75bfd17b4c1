"""Files to series: order, copies, refusals, and what is left out of a repr."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, UID, SecondaryCaptureImageStorage, generate_uid

from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Series, read, sort
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import (
    AXIAL,
    axial,
    base,
    enhanced,
    files,
    ramp,
    save,
    slices,
)


def one(paths: list[Path]) -> Series:
    usable, refused = sort(paths)
    assert not refused, [r.local for r in refused]
    assert len(usable) == 1
    return usable[0]


def reasons(paths: list[Path]) -> list[Reason]:
    return sorted(r.reason for r in sort(paths)[1])


def test_order_is_that_of_positions_and_nothing_else(tmp_path: Path) -> None:
    array = ramp()
    shuffled = [3, 1, 5, 2, 4]
    series = one(
        files(
            tmp_path, slices(array, change=lambda k, d: setattr(d, "InstanceNumber", shuffled[k]))
        )
    )
    scan = read(series)
    np.testing.assert_array_equal(scan.array, axial(array))
    assert (series.shape, series.spacing, series.kind, scan.spacing) == (
        (6, 4, 5),
        (0.5, 0.75, 3.0),
        "volume",
        (0.5, 0.75, 3.0),
    )


def test_folders_decide_nothing(tmp_path: Path) -> None:
    array = ramp(7)
    data_sets = slices(array)
    first, second = files(tmp_path / "a", data_sets[:3]), files(tmp_path / "b", data_sets[3:])
    np.testing.assert_array_equal(read(one([*first, *second])).array, axial(array))
    other = slices(ramp(4) + 500, SeriesInstanceUID="1.2.3.9")
    mixed = files(tmp_path / "c", [*data_sets, *other])
    usable, refused = sort(mixed)
    assert sorted(s.shape[2] for s in usable) == [4, 7]
    assert not refused


def test_rescale_is_per_slice(tmp_path: Path) -> None:
    array = ramp()

    def change(k: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = str(k + 1), str(-100 * k)

    scaled = array * np.arange(1, 6)[:, None, None] - 100 * np.arange(5)[:, None, None]
    np.testing.assert_array_equal(
        read(one(files(tmp_path, slices(array, change=change)))).array, axial(scaled)
    )


def test_monochrome1_is_reversed(tmp_path: Path) -> None:
    array = ramp(dtype=np.uint16)
    data_sets = slices(array, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(
        read(one(files(tmp_path, data_sets))).array, axial(4095 - array.astype(int))
    )


def test_eight_bits(tmp_path: Path) -> None:
    array = ramp(3, dtype=np.uint8)
    np.testing.assert_array_equal(read(one(files(tmp_path, slices(array)))).array, axial(array))


def at(k: int, **elements: Any) -> Any:
    """A change to slice ``k`` only."""

    def change(number: int, data: Dataset) -> None:
        if number == k:
            for name, value in elements.items():
                setattr(data, name, value)

    return change


def compressed(data: Dataset, syntax: UID) -> None:
    data.file_meta.TransferSyntaxUID, data.PixelData = syntax, encapsulate([b"no stream "])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (Reason.SPACINGS, at(2, ImagePositionPatient=[-20, -30, 47])),
        (Reason.SPACINGS, at(2, ImagePositionPatient=[-18, -30, 46])),
        (Reason.SPACINGS, at(2, PixelSpacing=[0.75, 0.6])),
        (Reason.DUPLICATE, at(2, ImagePositionPatient=[-20, -30, 43])),
        (Reason.ORIENTATIONS, at(2, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])),
        (Reason.FRAMES, at(2, FrameOfReferenceUID="1.9")),
        (Reason.PATIENTS, at(2, PatientID="P-4712")),
        (Reason.SIZES, at(2, Rows=2)),
        (Reason.SIZES, at(2, Modality="PT")),
        (Reason.TILT, lambda k, d: setattr(d, "ImagePositionPatient", [-20, -30 + k, 40 + 3 * k])),
        (Reason.GEOMETRY, lambda k, d: delattr(d, "ImagePositionPatient")),
        (Reason.VOLUMES, lambda k, d: setattr(d, "ImagePositionPatient", [-20, -30, 40])),
        (Reason.KIND, lambda k, d: setattr(d, "BitsAllocated", 32)),
        (Reason.CODEC, lambda k, d: compressed(d, MPEG2MPML)),
        (
            Reason.LOCALISER,
            lambda k, d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        ),
    ],
)
def test_what_is_no_volume_is_refused_with_its_reason(
    tmp_path: Path, reason: Reason, change: Any
) -> None:
    usable, refused = sort(files(tmp_path, slices(ramp(), change=change)))
    assert not usable
    assert {r.reason for r in refused} == {reason}
    assert sum(len(r.files) for r in refused) == 5
    for text in (str(tmp_path), "4711", "Smith", "1.2.3"):
        assert text not in "".join(r.public + repr(r) for r in refused)


def test_a_localiser_among_slices_is_left_out(tmp_path: Path) -> None:
    scout = base(ramp(1, 9, 9)[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    usable, refused = sort(files(tmp_path, [*slices(ramp()), scout]))
    assert [s.shape for s in usable] == [(6, 4, 5)]
    assert [(r.reason, len(r.files)) for r in refused] == [(Reason.LOCALISER, 1)]


def test_a_picture_among_slices_is_left_out(tmp_path: Path) -> None:
    usable, refused = sort(
        files(tmp_path, [*slices(ramp()), base(ramp(1)[0], kind=SecondaryCaptureImageStorage)])
    )
    assert [s.kind for s in usable] == ["volume"]
    assert [r.reason for r in refused] == [Reason.GEOMETRY]


def test_a_copied_file_is_left_out_and_a_changed_one_refused(tmp_path: Path) -> None:
    paths = files(tmp_path, slices(ramp()))
    copy = Path(shutil.copy(paths[2], tmp_path / "copy"))
    assert one([*paths, copy]).shape == (6, 4, 5)
    copy.write_bytes(copy.read_bytes()[:-2] + b"xx")
    assert reasons([*paths, copy]) == [Reason.DUPLICATE]


def test_single_slices_and_pictures_are_images(tmp_path: Path) -> None:
    assert one(files(tmp_path / "a", slices(ramp(1)))).kind == "image"
    views = [
        base(
            ramp(1)[0] + i,
            kind=SecondaryCaptureImageStorage,
            Modality="DX",
            ImagerPixelSpacing=[0.2, 0.1],
        )
        for i in range(2)
    ]
    usable, refused = sort(files(tmp_path / "b", views))
    assert [(s.kind, s.shape, s.spacing, s.affine) for s in usable] == [
        ("image", (4, 6), (0.2, 0.1), None)
    ] * 2
    assert not refused
    assert read(usable[0]).array.shape == (1, 4, 6)


def test_a_file_that_changed_after_sorting_is_refused(tmp_path: Path) -> None:
    paths = files(tmp_path, slices(ramp()))
    series = one(paths)
    save(series.files[1], slices(ramp(), SOPInstanceUID=generate_uid())[1])
    with pytest.raises(CaseError) as caught:
        read(series)
    assert str(tmp_path) in caught.value.local
    assert str(tmp_path) not in caught.value.public


def test_junk_beside_a_series_is_named_and_does_no_harm(tmp_path: Path) -> None:
    paths = files(tmp_path, slices(ramp()))
    (tmp_path / "notes.txt").write_text("Smith")
    (tmp_path / "empty").touch()
    report = base(ramp(1)[0])
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    save(tmp_path / "report", report)
    usable, refused = sort(
        [*paths, *(tmp_path / n for n in ("notes.txt", "empty", "report", "missing"))]
    )
    assert len(usable) == 1
    assert sorted(r.reason for r in refused) == [Reason.DAMAGED] * 3 + [Reason.NO_IMAGE]


def test_nothing_that_identifies_is_in_a_repr(tmp_path: Path) -> None:
    text = repr(one(files(tmp_path, slices(ramp()))))
    assert not any(word in text for word in ("4711", "1.2.3.4", str(tmp_path)))


def test_multi_frame_and_plain_files_of_one_study_do_not_mix(tmp_path: Path) -> None:
    array = ramp()
    usable, refused = sort(files(tmp_path, [*slices(array, cosines=AXIAL), enhanced(array)]))
    assert not refused
    assert [s.shape for s in usable] == [(6, 4, 5)] * 2
