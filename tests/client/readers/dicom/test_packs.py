"""Series of five vendors against their ground truth, if ``CONSILIUM_PACKS`` names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from client.readers import nifti
from client.readers.dicom import dicom_seg
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Refused, Series, read, sort

PACKS = os.environ.get("CONSILIUM_PACKS", "")
pytestmark = pytest.mark.skipif(
    not PACKS, reason="CONSILIUM_PACKS does not name a folder of real series"
)
FOLDER = Path(PACKS, "dicom_series")
TRUTHS = sorted(FOLDER.glob("*/*_ground_truth.nii.gz")) if PACKS else []


def sorted_series(folder: Path) -> tuple[tuple[Series, ...], tuple[Refused, ...]]:
    return sort(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda p: f"{p.parent.name}-{p.name[:16]}")
def test_a_series_is_its_ground_truth(truth: Path) -> None:
    usable, refused = sorted_series(
        truth.with_name(truth.name.removesuffix("_ground_truth.nii.gz"))
    )
    assert not refused
    ours, theirs = read(usable[0]), nifti.read(truth)
    assert len(usable) == 1
    assert ours.affine is not None and theirs.affine is not None
    np.testing.assert_allclose(ours.array, theirs.array, atol=1e-3)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
    np.testing.assert_allclose(ours.spacing, theirs.spacing, atol=1e-3)


def test_there_are_ground_truths() -> None:
    assert len(TRUTHS) >= 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("difficult_should_be_flagged/gantrytilting_001", Reason.TILT),
        ("difficult_should_be_flagged/sliceincrement_001", Reason.GAP),
        ("ge_ct/head_tilt_a", Reason.TILT),
    ],
)
def test_what_is_no_volume_is_refused(name: str, reason: Reason) -> None:
    usable, refused = sorted_series(FOLDER / name)
    assert not usable
    assert [one.reason for one in refused] == [reason]


def test_a_series_whose_instance_numbers_say_nothing(tmp_path: Path) -> None:
    usable, refused = sorted_series(FOLDER / "siemens_mr/t1post_22slices")
    assert not refused
    assert [series.shape for series in usable] == [(280, 320, 22)]
    assert usable[0].spacing[2] == pytest.approx(6.5, abs=1e-3)


def test_a_segmentation_lies_on_its_series() -> None:
    """The liver: right in the body, and brighter than what surrounds the body."""
    usable, refused = sorted_series(FOLDER / "ct_with_seg")
    assert not refused
    (ct,), (seg,) = ([s for s in usable if s.kind == kind] for kind in ("volume", "segments"))
    masks, array = dicom_seg.read(seg.files[0], ct), read(ct).array
    liver = masks.one(next(iter(masks.names)))
    assert seg.references == (ct.uid,)
    assert np.argwhere(liver)[:, 1].mean() > array.shape[1] / 2  # RAS: to the right
    assert 0 < np.median(array[liver].astype(float)) < 200  # Hounsfield units of soft tissue
