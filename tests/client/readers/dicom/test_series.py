"""Files to series to volumes: order, refusals, splits, places; and what another reader makes of the same files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, UID, SecondaryCaptureImageStorage, generate_uid

from client.readers.dicom.reasons import CODES, Reason
from client.readers.dicom.series import Series, read, sort
from common.errors import CaseError
from common.sentences.table import say
from tests.client.readers.dicom.made import (
    AXIAL,
    axial,
    base,
    enhanced,
    files,
    normal,
    ramp,
    save,
    slices,
)

OBLIQUE = (0.6088, 0.7907, 0.0637, -0.1428, 0.1882, -0.9717)


def one(paths: list[Path]) -> Series:
    found, refused = sort(paths)
    assert not refused, [r.local for r in refused]
    assert len(found) == 1
    return found[0]


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


def test_affine_places_every_voxel_where_its_pixel_was(tmp_path: Path) -> None:
    """The position of DICOM's equation (PS3.3 C.7.6.2.1-1), in RAS, against the affine, for an oblique stack."""
    array = ramp()
    cosines = np.array(OBLIQUE)
    cosines[3:] -= cosines[:3] * (cosines[:3] @ cosines[3:]) / (cosines[:3] @ cosines[:3])
    cosines = np.concatenate(
        [cosines[:3] / np.linalg.norm(cosines[:3]), cosines[3:] / np.linalg.norm(cosines[3:])]
    )
    scan = read(one(files(tmp_path, slices(array, step=-2.0, cosines=cosines))))
    assert scan.affine is not None
    for place in np.ndindex(*scan.array.shape[1:]):
        k, row, column = np.argwhere(array == scan.array[0][place])[0]
        lps = (
            np.array([-20, -30, 40])
            - 2.0 * k * normal(cosines)
            + cosines[:3] * 0.5 * column
            + cosines[3:] * 0.75 * row
        )
        np.testing.assert_allclose((scan.affine @ [*place, 1])[:3], lps * (-1, -1, 1), atol=1e-4)
    assert (np.argmax(np.abs(scan.affine[:3, :3]), axis=0) == [0, 1, 2]).all()
    assert (np.diag(scan.affine) > 0).all()


def test_folders_decide_nothing(tmp_path: Path) -> None:
    array = ramp(7)
    made = slices(array)
    first, second = files(tmp_path / "a", made[:3]), files(tmp_path / "b", made[3:])
    np.testing.assert_array_equal(read(one([*first, *second])).array, axial(array))
    other = slices(ramp(4) + 500, SeriesInstanceUID="1.2.3.9")
    mixed = files(tmp_path / "c", [*made, *other])
    found, refused = sort(mixed)
    assert sorted(s.shape[2] for s in found) == [4, 7]
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
    made = slices(array, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(
        read(one(files(tmp_path, made))).array, axial(4095 - array.astype(int))
    )


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
    scan = read(
        one(
            files(
                tmp_path, slices(array, BitsStored=bits, HighBit=high, PixelRepresentation=signed)
            )
        )
    )
    assert (scan.array == value).all()


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
    found, refused = sort(files(tmp_path, slices(ramp(), change=change)))
    assert not found
    assert {r.reason for r in refused} == {reason}
    assert sum(len(r.files) for r in refused) == 5
    for text in (str(tmp_path), "4711", "Smith", "1.2.3"):
        assert text not in "".join(r.public + repr(r) for r in refused)


def test_a_missing_slice_is_a_gap(tmp_path: Path) -> None:
    made = slices(ramp(6))
    assert reasons(files(tmp_path / "a", [*made[:2], *made[3:]])) == [Reason.GAP]
    assert one(files(tmp_path / "b", made[1:])).shape == (6, 4, 5)


@pytest.mark.parametrize("angle", [0.3, 0.6])
def test_tilt_is_told_from_rounding(tmp_path: Path, angle: float) -> None:
    shift = np.tan(np.radians(angle)) * 3
    paths = files(
        tmp_path,
        slices(
            ramp(),
            change=lambda k, d: setattr(
                d, "ImagePositionPatient", [-20, -30 + float(f"{k * shift:.5f}"), 40 + 3 * k]
            ),
        ),
    )
    assert reasons(paths) == ([Reason.TILT] if angle > 0.5 else [])


def test_positions_rounded_to_a_tenth_are_even(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        slices(
            ramp(9),
            change=lambda k, d: setattr(
                d, "ImagePositionPatient", [-20, -30, round(40 + 1.25 * k + 1e-6, 1)]
            ),
        ),
    )
    assert one(paths).spacing[2] == pytest.approx(1.25)


def test_a_localiser_among_slices_is_left_out(tmp_path: Path) -> None:
    scout = base(ramp(1, 9, 9)[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    found, refused = sort(files(tmp_path, [*slices(ramp()), scout]))
    assert [s.shape for s in found] == [(6, 4, 5)]
    assert [(r.reason, len(r.files)) for r in refused] == [(Reason.LOCALISER, 1)]


def test_a_picture_among_slices_is_left_out(tmp_path: Path) -> None:
    found, refused = sort(
        files(tmp_path, [*slices(ramp()), base(ramp(1)[0], kind=SecondaryCaptureImageStorage)])
    )
    assert [s.kind for s in found] == ["volume"]
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
    found, refused = sort(files(tmp_path / "b", views))
    assert [(s.kind, s.shape, s.spacing, s.affine) for s in found] == [
        ("image", (4, 6), (0.2, 0.1), None)
    ] * 2
    assert not refused
    assert read(found[0]).array.shape == (1, 4, 6)


def four_d(name: str, values: list[Any], also: dict[str, list[Any]] | None = None) -> list[Dataset]:
    made = []
    for i, value in enumerate(values):
        part = slices(
            ramp() + 1000 * i, **{name: value}, **{n: v[i] for n, v in (also or {}).items()}
        )
        made += part
    return made


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("EchoTime", ["4.5", "12"]),
        ("TemporalPositionIdentifier", [1, 2]),
        ("DiffusionBValue", [0.0, 1000.0]),
        ("AcquisitionTime", ["101010", "101020.5"]),
        ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]),
    ],
)
def test_a_series_of_volumes_is_split_where_one_attribute_tells_them_apart(
    tmp_path: Path, name: str, values: list[Any]
) -> None:
    found, refused = sort(files(tmp_path, four_d(name, values)))
    assert not refused
    assert [(s.part, s.by) for s in found] == [(0, name), (1, name)]
    for i, series in enumerate(found):
        np.testing.assert_array_equal(read(series).array, axial(ramp() + 1000 * i))


def test_attributes_that_agree_may_both_tell_volumes_apart(tmp_path: Path) -> None:
    found, _ = sort(
        files(tmp_path, four_d("EchoTime", ["4", "12", "20"], {"EchoNumbers": [1, 2, 3]}))
    )
    assert len(found) == 3


def test_attributes_that_disagree_are_no_reason_to_guess(tmp_path: Path) -> None:
    def change(k: int, data: Dataset) -> None:
        data.AcquisitionNumber = (k + int(data.EchoTime > 5)) % 2

    made = [
        d
        for i, t in enumerate(["4", "12"])
        for d in slices(ramp() + 1000 * i, EchoTime=t, change=change)
    ]
    assert reasons(files(tmp_path, made)) == [Reason.VOLUMES]


def test_volumes_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    assert reasons(files(tmp_path, four_d("EchoTime", ["4", "4"]))) == [Reason.VOLUMES]
    assert reasons(files(tmp_path, four_d("EchoTime", ["4", "12"])[:-1])) == [Reason.DUPLICATE]


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
    found, refused = sort(
        [*paths, *(tmp_path / n for n in ("notes.txt", "empty", "report", "missing"))]
    )
    assert len(found) == 1
    assert sorted(r.reason for r in refused) == [Reason.DAMAGED] * 3 + [Reason.NO_IMAGE]


def test_nothing_that_identifies_is_in_a_repr(tmp_path: Path) -> None:
    text = repr(one(files(tmp_path, slices(ramp()))))
    assert not any(word in text for word in ("4711", "1.2.3.4", str(tmp_path)))


def test_every_reason_has_one_sentence() -> None:
    assert set(CODES) == set(Reason) and len(set(CODES.values())) == len(CODES)
    assert all(
        s.endswith(".") and s.count(". ") == 0
        for s in (say(code).render() for code in CODES.values())
    )


def test_multi_frame_and_plain_files_of_one_study_do_not_mix(tmp_path: Path) -> None:
    array = ramp()
    found, refused = sort(files(tmp_path, [*slices(array, cosines=AXIAL), enhanced(array)]))
    assert not refused
    assert [s.shape for s in found] == [(6, 4, 5)] * 2
