"""What is painted looks like an abdomen to a threshold, and lesions stand out from their liver."""

from __future__ import annotations

import numpy as np

from common.simulation.phantoms.anatomy import draw
from common.simulation.phantoms.body import random_body
from common.simulation.phantoms.profiles import PORTAL
from tests.common.simulation.phantoms.slices import (
    dicom_files,
    hounsfield,
    mask_of,
    read_strictly,
)


def test_hounsfield_units_are_plausible(folder):
    for path in dicom_files(folder):
        values = hounsfield(read_strictly(path))
        assert np.median(values[:4]) in (-1024, -2000) or abs(np.median(values[:4]) + 1000) < 30
        tissue = ((values > -160) & (values < 260)).mean()
        assert 0.2 < tissue < 0.7
        assert 0.003 < (values > 300).mean() < 0.12
        assert 0.01 < ((values > -150) & (values < -60)).mean() < 0.35


def test_lesions_stand_out_from_the_liver_around_them(folder):
    differences = []
    for path in dicom_files(folder):
        mask, values = mask_of(path) > 0, hounsfield(read_strictly(path))
        near = mask.copy()
        for _ in range(4):
            near |= (
                np.roll(near, 1, 0)
                | np.roll(near, -1, 0)
                | np.roll(near, 1, 1)
                | np.roll(near, -1, 1)
            )
        core = mask.copy()
        for _ in range(2):
            core &= (
                np.roll(core, 1, 0)
                & np.roll(core, -1, 0)
                & np.roll(core, 1, 1)
                & np.roll(core, -1, 1)
            )
        if core.sum() > 8:
            differences.append(np.median(values[core]) - np.median(values[near & ~mask]))
    assert len(differences) > 5 and np.median(differences) < -12


def test_a_slice_is_the_same_each_time_it_is_drawn() -> None:
    body = random_body(np.random.default_rng(5), PORTAL, fat=0.07, meal=15)
    one, two = (draw(body, 0.5, size=48, edge=2.6 / 48) for _ in range(2))
    assert np.array_equal(one.hu, two.hu)
    assert one.lesions == []
    assert one.depth.min() == 0 and one.depth.max() == 1
