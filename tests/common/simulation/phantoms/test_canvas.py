"""Shapes are signed distances; edges are one pixel wide; a part is a view of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from common.simulation.phantoms.canvas import Canvas, smooth_noise

SIZE, EDGE = 64, 2.4 / 64


@pytest.fixture
def canvas() -> Canvas:
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5 - SIZE / 2) * EDGE
    u, v = (grid.astype(np.float32) for grid in np.meshgrid(axis, axis))
    blank = np.zeros((SIZE, SIZE), np.float32)
    return Canvas(u, v, blank.copy(), fine=blank, coarse=blank, edge=EDGE)


def test_a_disc_covers_its_area(canvas: Canvas) -> None:
    share = canvas.paint(canvas.disc((0.1, -0.2), 0.5), 100)
    assert float(share.sum()) * EDGE**2 == pytest.approx(np.pi * 0.25, rel=0.01)
    assert np.allclose(canvas.hu, 100 * share)


def test_an_ellipse_of_equal_axes_is_a_disc(canvas: Canvas) -> None:
    disc = canvas.disc((0.1, 0.2), 0.4)
    ellipse = canvas.ellipse((0.1, 0.2), (0.4, 0.4), degrees=30)
    near = np.abs(disc) < 0.1
    assert np.allclose(ellipse[near], disc[near], atol=1e-3)


def test_a_capsule_without_length_to_its_ends_is_round(canvas: Canvas) -> None:
    capsule = canvas.capsule((-0.3, 0.0), (0.3, 0.0), 0.1)
    beyond = canvas.u > 0.3
    assert np.allclose(capsule[beyond], canvas.disc((0.3, 0.0), 0.1)[beyond], atol=1e-5)
    row = SIZE // 2
    middle = capsule[row, np.abs(canvas.u[row]) < 0.2]
    assert np.allclose(middle, abs(canvas.v[row, 0]) - 0.1, atol=1e-5)


def test_what_is_painted_near_a_point_is_on_the_canvas(canvas: Canvas) -> None:
    whole = canvas.disc((0.5, 0.5), 0.2)
    part = canvas.near((0.5, 0.5), 0.2)
    part.paint(part.disc((0.5, 0.5), 0.2), 100)
    assert part.hu.size < canvas.hu.size
    assert np.array_equal(canvas.hu > 50, whole < 0)


def test_noise_has_unit_variance_and_the_asked_grain() -> None:
    fine, coarse = (smooth_noise(np.random.default_rng(1), 128, grain) for grain in (1.0, 8.0))
    assert float(fine.std()) == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(coarse)).mean() < 0.3 * np.abs(np.diff(fine)).mean()
