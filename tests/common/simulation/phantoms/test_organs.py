"""Organs lie where the height of a slice has them, within the cavity."""

from __future__ import annotations

import numpy as np

from common.simulation.phantoms.body import cavity, random_body
from common.simulation.phantoms.canvas import Array, Canvas
from common.simulation.phantoms.organs import paint_organs
from common.simulation.phantoms.profiles import ARTERIAL
from common.simulation.phantoms.tissues import FAT, LUNG

SIZE, EDGE = 96, 2.4 / 96
BODY = random_body(np.random.default_rng(8), ARTERIAL, fat=0.07, meal=280)


def painted(z: float) -> tuple[Array, Array]:
    """Hounsfield units of a body of fat with organs, and the distance to its cavity."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5 - SIZE / 2) * EDGE
    u, v = (grid.astype(np.float32) for grid in np.meshgrid(axis, axis))
    calm = np.zeros((SIZE, SIZE), np.float32)
    canvas = Canvas(u, v, np.full_like(calm, FAT), fine=calm, coarse=calm, edge=EDGE)
    inner = cavity(BODY, u, v)
    paint_organs(canvas, BODY, z, inner)
    return canvas.hu, inner


def test_lungs_are_seen_below_the_diaphragm_only() -> None:
    lungs = [int((np.abs(painted(z)[0][SIZE // 2 :] - LUNG) < 20).sum()) for z in (0.02, 0.2, 0.6)]
    assert lungs[0] > lungs[1] > 0
    assert lungs[2] == 0


def test_the_aorta_shines_in_the_arterial_phase() -> None:
    hu, _ = painted(0.6)
    row, column = (int(c / EDGE + SIZE / 2) for c in (0.09, 0.075))
    assert hu[row, column] > ARTERIAL.aorta - 1


def test_outside_the_cavity_nothing_is_painted() -> None:
    hu, inner = painted(0.3)
    assert np.all(hu[inner > 0.1] == FAT)
