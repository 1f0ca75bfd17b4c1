"""Hospitals differ as real ones do."""

from __future__ import annotations

from dataclasses import fields

import pytest

from common.simulation.phantoms.profiles import PROFILES, Profile
from tests.common.simulation.phantoms.slices import HOSPITALS, read_strictly


def test_hospitals_differ(folder):
    first = {h.name: read_strictly(min((h / "dicom").iterdir())) for h in folder.iterdir()}
    assert len({float(h.PixelSpacing[0]) for h in first.values()}) == HOSPITALS
    assert {h.BitsStored for h in first.values()} == {12, 16} and {
        h.PixelRepresentation for h in first.values()
    } == {0, 1}
    assert (
        len({h.file_meta.TransferSyntaxUID for h in first.values()}) == 2
        and len({h.RescaleIntercept for h in first.values()}) == 3
    )
    assert len({h.ConvolutionKernel for h in first.values()}) == HOSPITALS


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.kernel)
def test_pairs_are_lower_and_upper_limits(profile: Profile) -> None:
    limits = {name: getattr(profile, name) for name in ("half_width", "fat", "radius", "years")}
    assert {field.name for field in fields(profile)} >= set(limits)
    assert all(low < high for low, high in limits.values())
    assert 0 < profile.prevalence <= 1
