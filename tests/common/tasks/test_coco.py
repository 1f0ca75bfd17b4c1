"""Average precision: known answers, and a second implementation of the COCO definition.

The second one is written in plain loops, from the definition.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.common.tasks.definitions import plain_iou
from tests.common.tasks.detecting import Detections, True_, prediction, sample, task


def scored(
    images: list[tuple[Detections, True_]], classes: int = 2, d: int = 2
) -> dict[str, float]:
    scorer = task(classes, d)
    size = (1, *[40] * d)
    return scorer.summarise(
        [scorer.row(prediction(detections, d), sample(truth, size)) for detections, truth in images]
    )


class TestKnownAnswers:
    def test_a_perfect_detection(self) -> None:
        assert scored([([([1, 2, 11, 12], 0.3, 0)], [([1, 2, 11, 12], 0)])]) == {
            "map_50": 1.0,
            "map_50_95": 1.0,
        }

    def test_an_overlap_of_62_percent_counts_at_three_of_ten_thresholds(self) -> None:
        result = scored([([([0, 0, 10, 6.2], 0.9, 0)], [([0, 0, 10, 10], 0)])])
        assert result == {"map_50": 1.0, "map_50_95": pytest.approx(0.3)}

    def test_a_false_one_between_two_right_ones(self) -> None:
        """Precision 1 up to recall 0.50 (51 points), then 2/3 (50 points)."""
        truth: True_ = [([0, 0, 8, 8], 1), ([20, 20, 28, 28], 1)]
        detections: Detections = [
            ([0, 0, 8, 8], 0.9, 1),
            ([30, 0, 38, 8], 0.8, 1),
            ([20, 20, 28, 28], 0.7, 1),
        ]
        assert scored([(detections, truth)])["map_50"] == pytest.approx((51 + 50 * 2 / 3) / 101)

    def test_the_second_detection_of_one_object_is_false(self) -> None:
        truth: True_ = [([0, 0, 10, 10], 0), ([20, 20, 30, 30], 0)]
        detections: Detections = [
            ([0, 0, 10, 10], 0.9, 0),
            ([0, 0, 10, 9], 0.8, 0),
            ([20, 20, 30, 30], 0.7, 0),
        ]
        assert scored([(detections, truth)])["map_50"] == pytest.approx((51 + 50 * 2 / 3) / 101)

    def test_the_higher_score_takes_the_object_even_if_it_fits_worse(self) -> None:
        truth: True_ = [([0, 0, 10, 10], 0)]
        detections: Detections = [([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 6], 0.9, 0)]
        result = scored([(detections, truth)])
        assert result["map_50"] == 1.0  # the worse one, first in line, is right at IoU 0.50 to 0.60
        assert result["map_50_95"] < 0.9  # above, it is a false one in front of the right one

    def test_the_right_box_of_another_class_is_false(self) -> None:
        assert scored([([([0, 0, 9, 9], 0.9, 1)], [([0, 0, 9, 9], 0)])])["map_50"] == 0.0

    def test_classes_without_an_object_do_not_count(self) -> None:
        assert (
            scored([([([0, 0, 9, 9], 0.9, 0), ([0, 0, 9, 9], 0.9, 1)], [([0, 0, 9, 9], 0)])])[
                "map_50"
            ]
            == 1.0
        )

    def test_a_find_in_an_empty_image_costs_precision(self) -> None:
        good: tuple[Detections, True_] = ([([0, 0, 9, 9], 0.5, 0)], [([0, 0, 9, 9], 0)])
        assert scored([good, ([([0, 0, 9, 9], 0.9, 0)], [])])["map_50"] == pytest.approx(0.5)
        assert scored([good, ([([0, 0, 9, 9], 0.4, 0)], [])])["map_50"] == 1.0

    def test_nothing_found_is_0_and_nothing_to_find_is_undefined(self) -> None:
        assert scored([([], [([0, 0, 9, 9], 0)])]) == {"map_50": 0.0, "map_50_95": 0.0}
        for nothing in (scored([([([0, 0, 9, 9], 0.9, 0)], [])]), task().summarise([])):
            assert all(math.isnan(value) for value in nothing.values())
            assert set(nothing) == {"map_50", "map_50_95"}

    def test_the_101st_detection_of_a_class_does_not_count(self) -> None:
        wrong: Detections = [([30, 30, 39, 39], 0.9, 0)] * 99
        right: Detections = [([0, 0, 9, 9], 0.1, 0)]
        truth: True_ = [([0, 0, 9, 9], 0)]
        assert scored([(wrong + right, truth)])["map_50"] == pytest.approx(0.01)
        assert scored([(wrong + wrong[:1] + right, truth)])["map_50"] == 0.0

    def test_in_volumes_all_three_axes_count(self) -> None:
        truth: True_ = [([0, 0, 0, 10, 10, 10], 0)]
        half = scored([([([0, 0, 0, 10, 10, 5.2], 0.9, 0)], truth)], d=3)
        less = scored([([([0, 0, 0, 10, 10, 4.8], 0.9, 0)], truth)], d=3)
        assert (half["map_50"], less["map_50"]) == (1.0, 0.0)
        assert half["map_50_95"] == pytest.approx(0.1)


def plain_average_precision(
    images: list[tuple[Detections, True_]], number: int, threshold: float
) -> float | None:
    everything: list[tuple[float, bool]] = []
    objects = 0
    for detections, truth in images:
        mine = sorted([f for f in detections if f[2] == number], key=lambda f: -f[1])[
            :100
        ]  # Python's sort is stable
        theirs = [t[0] for t in truth if t[1] == number]
        objects += len(theirs)
        taken = [False] * len(theirs)
        for box, score, _ in mine:
            best, chosen = min(threshold, 1 - 1e-10), -1
            for index, other in enumerate(theirs):
                if not taken[index] and plain_iou(box, other) >= best:
                    best, chosen = plain_iou(box, other), index
            if chosen >= 0:
                taken[chosen] = True
            everything.append((score, chosen >= 0))
    if objects == 0:
        return None
    right, curve = 0, []
    for rank, (_, hit) in enumerate(sorted(everything, key=lambda e: -e[0]), start=1):
        right += hit
        curve.append((right / objects, right / rank))
    points = [
        max([precision for recall, precision in curve if recall >= point], default=0.0)
        for point in np.linspace(0, 1, 101)
    ]
    return sum(points) / 101


def plain_map(
    images: list[tuple[Detections, True_]], classes: int, thresholds: list[float]
) -> float:
    values = [
        plain_average_precision(images, number, t) for number in range(classes) for t in thresholds
    ]
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else math.nan


def random_box(random: np.random.Generator, d: int) -> list[float]:
    low = random.integers(0, 24, d)
    return [float(v) for v in (*low, *(low + random.integers(4, 17, d)))]


def random_images(
    random: np.random.Generator, d: int, classes: int
) -> list[tuple[Detections, True_]]:
    """Boxes on a coarse grid and few different scores, so that many are equal.

    Some images or lists are empty.
    """
    images: list[tuple[Detections, True_]] = []
    for _ in range(random.integers(1, 5)):
        truth: True_ = [
            (random_box(random, d), int(random.integers(classes)))
            for _ in range(random.integers(0, 7))
        ]
        detections: Detections = [
            (
                random_box(random, d),
                float(np.float32(random.integers(1, 9) / 8)),
                int(random.integers(classes)),
            )
            for _ in range(random.integers(0, 5))
        ]
        for box, number in truth[: random.integers(0, 7)]:
            for _ in range(random.integers(1, 3)):
                moved = [
                    v + float(s) for v, s in zip(box, random.integers(-1, 2, 2 * d), strict=True)
                ]
                detections.append((moved, float(np.float32(random.integers(1, 9) / 8)), number))
        images.append(([detections[k] for k in random.permutation(len(detections))], truth))
    return images


@pytest.mark.parametrize("d", [2, 3])
def test_precision_is_that_of_the_second_implementation(d: int) -> None:
    random = np.random.default_rng(d)
    undefined = 0
    for _ in range(150):
        images = random_images(random, d, 3)
        result = scored(images, classes=3, d=d)
        expected = {
            "map_50": plain_map(images, 3, [0.5]),
            "map_50_95": plain_map(images, 3, [0.5 + 0.05 * k for k in range(10)]),
        }
        undefined += math.isnan(expected["map_50"])
        assert result == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert undefined < 20


def test_of_equal_overlaps_the_last_object_is_taken_as_in_the_reference() -> None:
    """Only the first object is left for the next detection.

    Had it been taken first, that one would be false.
    """
    first, last = [0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0]
    between, only_first = [2.0, 0.0, 12.0, 10.0], [-3.0, 0.0, 7.0, 10.0]
    assert plain_iou(between, first) == plain_iou(between, last) > 0.5 > plain_iou(only_first, last)
    assert (
        scored([([(between, 0.9, 0), (only_first, 0.8, 0)], [(first, 0), (last, 0)])])["map_50"]
        == 1.0
    )


def test_repeated_rows_are_further_images() -> None:
    random = np.random.default_rng(4)
    scorer, images = task(3), [one for _ in range(6) for one in random_images(random, 2, 3)]
    rows = [scorer.row(prediction(f), sample(t)) for f, t in images]
    for _ in range(10):
        drawn = random.integers(0, len(rows), len(rows))
        expected = plain_map([images[k] for k in drawn], 3, [0.5])
        assert scorer.summarise([rows[k] for k in drawn])["map_50"] == pytest.approx(
            expected, abs=1e-12
        )
