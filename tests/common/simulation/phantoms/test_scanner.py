"""What a scanner does to a slice: blur, noise that follows the depth, offset, its circle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from common.simulation.phantoms.scanner import Scanner, outside_circle, scan

PLAIN = Scanner(
    field_of_view=350,
    blur=1.0,
    sharpening=0.0,
    noise=0.0,
    streaks=0.0,
    cupping=0.0,
    offset=0.0,
    circle=False,
)
FLAT = np.full((64, 64), 50, np.float32)
DEEP = np.ones((64, 64), np.float32)


def measured(scanner: Scanner, hu: np.ndarray = FLAT, depth: np.ndarray = DEEP) -> np.ndarray:
    return scan(scanner, hu, depth, strength=1.0, rng=np.random.default_rng(2))


def test_without_faults_a_flat_slice_stays_flat() -> None:
    assert np.allclose(measured(PLAIN), 50, atol=1e-3)


def test_offset_and_cupping_move_the_values() -> None:
    scanner = replace(PLAIN, offset=9, cupping=14)
    assert np.allclose(measured(scanner), 50 + 9 - 14, atol=1e-3)
    assert np.allclose(measured(scanner, depth=DEEP * 0), 50 + 9, atol=1e-3)


def test_noise_is_as_strong_as_stated_in_the_middle_and_weaker_at_the_skin() -> None:
    scanner = replace(PLAIN, noise=10)
    assert float(measured(scanner).std()) == pytest.approx(10, rel=1e-3)
    assert float(measured(scanner, depth=DEEP * 0).std()) == pytest.approx(3.5, rel=1e-3)


def test_blur_takes_contrast_from_small_things() -> None:
    point = FLAT.copy()
    point[32, 32] = 1050
    sharp, soft = (measured(replace(PLAIN, blur=blur), point) for blur in (0.5, 8.0))
    assert soft.max() < sharp.max()
    assert float(soft.sum()) == pytest.approx(float(point.sum()), rel=1e-3)


def test_the_circle_leaves_out_the_corners_only() -> None:
    outside = outside_circle(64)
    assert outside[0, 0] and outside[-1, -1] and not outside[32, 0] and not outside[32, 32]
    assert float((~outside).mean()) == pytest.approx(np.pi / 4, abs=0.01)
