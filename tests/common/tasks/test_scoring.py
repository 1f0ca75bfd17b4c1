"""Measures that tasks share: areas under ROC curves, overlaps and distances by brute force."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from common.tasks._scoring import area_under_roc, dice, hausdorff_95
from tests.common.tasks.definitions import pair_count


class TestAreaUnderRoc:
    @pytest.mark.parametrize("levels", [2, 5, 1000])
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_the_pair_count_with_many_and_with_few_ties(
        self, levels: int, seed: int
    ) -> None:
        random = np.random.default_rng(seed)
        scores, positive = random.integers(0, levels, 60) / levels, random.random(60) < 0.3
        assert area_under_roc(scores, positive) == pytest.approx(
            pair_count(scores, positive), abs=1e-12
        )

    def test_known_values(self) -> None:
        positive = np.array([False, False, True, True])
        assert area_under_roc(np.array([0.1, 0.2, 0.3, 0.4]), positive) == 1.0
        assert area_under_roc(np.array([0.4, 0.3, 0.2, 0.1]), positive) == 0.0
        assert area_under_roc(np.array([0.1, 0.4, 0.35, 0.8]), positive) == 0.75
        assert area_under_roc(np.ones(4), positive) == 0.5

    @pytest.mark.parametrize("positive", [[True, True], [False, False], []])
    def test_undefined_without_both_classes(self, positive: list[bool]) -> None:
        assert math.isnan(area_under_roc(np.zeros(len(positive)), np.array(positive, dtype=bool)))

    def test_undefined_where_a_network_gave_nan(self) -> None:
        assert math.isnan(area_under_roc(np.array([0.1, math.nan]), np.array([False, True])))


def brute_force_hd95(predicted: Any, truth: Any, spacing: tuple[float, ...]) -> float:
    """Every surface pixel against every one of the other mask, neighbours looked up one by one."""

    def surface(mask: Any) -> Any:
        places = []
        for place in np.argwhere(mask):
            around = [
                place + step * np.eye(mask.ndim, dtype=int)[axis]
                for axis in range(mask.ndim)
                for step in (-1, 1)
            ]
            outside = [
                np.any(p < 0) or np.any(p >= mask.shape) or not mask[tuple(p)] for p in around
            ]
            if any(outside):
                places.append(place * np.array(spacing))
        return np.array(places)

    apart = np.linalg.norm(surface(predicted)[:, None] - surface(truth)[None], axis=2)
    return max(float(np.percentile(apart.min(1), 95)), float(np.percentile(apart.min(0), 95)))


class TestHausdorff95:
    @pytest.mark.parametrize(
        ("shape", "spacing"),
        [((17, 23), (1.0, 1.0)), ((17, 23), (0.4, 2.5)), ((9, 8, 7), (0.7, 1.3, 5.0))],
    )
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_brute_force(
        self, shape: tuple[int, ...], spacing: tuple[float, ...], seed: int
    ) -> None:
        random = np.random.default_rng(seed)
        predicted, truth = random.random(shape) < 0.05 * (seed + 1), random.random(shape) < 0.3
        assert hausdorff_95(predicted, truth, spacing) == pytest.approx(
            brute_force_hd95(predicted, truth, spacing), rel=1e-9
        )

    @pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.8, 3.0)])
    def test_agrees_with_monai(self, spacing: tuple[float, ...]) -> None:
        from monai.metrics.hausdorff_distance import compute_hausdorff_distance

        grid = np.indices((20, 22, 14))
        predicted, truth = (
            (np.square(grid - np.reshape(c, (3, 1, 1, 1))).sum(0) < 25)
            for c in ((9, 10, 6), (11, 10, 7))
        )
        theirs = compute_hausdorff_distance(
            torch.tensor(predicted)[None, None].float(),
            torch.tensor(truth)[None, None].float(),
            include_background=True,
            percentile=95,
            spacing=spacing,
        )
        assert hausdorff_95(predicted, truth, spacing) == pytest.approx(float(theirs), rel=1e-5)

    def test_a_shift_is_its_own_length_in_mm(self) -> None:
        truth, predicted = np.zeros((2, 30, 30), bool)
        truth[5:10, 5:10] = predicted[5:10, 12:17] = True
        assert hausdorff_95(predicted, truth, (1.0, 0.5)) == pytest.approx(3.5)
        assert hausdorff_95(truth, truth, (1.0, 0.5)) == 0.0

    def test_empty_masks(self) -> None:
        empty, full = np.zeros((30, 40), bool), np.ones((30, 40), bool)
        assert math.isnan(hausdorff_95(empty, empty, (1.0, 1.0)))
        assert (
            hausdorff_95(empty, full, (1.0, 1.0))
            == hausdorff_95(full, empty, (1.0, 1.0))
            == pytest.approx(50.0)
        )
        assert hausdorff_95(full, empty, (2.0, 2.0)) == pytest.approx(100.0)


class TestDice:
    def test_equals_a_count_pixel_by_pixel(self) -> None:
        random = np.random.default_rng(1)
        a, b = random.random((2, 6, 7)) < 0.5
        both = sum(bool(x) and bool(y) for x, y in zip(a.flat, b.flat, strict=True))
        assert dice(a, b) == pytest.approx(2 * both / (sum(a.flat) + sum(b.flat)))

    def test_empty_masks(self) -> None:
        empty, one = np.zeros((3, 3), bool), np.eye(3, dtype=bool)
        assert (dice(empty, empty), dice(empty, one), dice(one, empty), dice(one, one)) == (
            1.0,
            0.0,
            0.0,
            1.0,
        )
