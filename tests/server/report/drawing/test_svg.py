from __future__ import annotations

import itertools
import random

from server.report.drawing.svg import apart, axis, thin
from tests.server.report.drawing.drawings import HARD


def test_axis_holds_values_and_ticks() -> None:
    rng = random.Random(1)
    for _ in range(300):
        values = [
            rng.choice(HARD) if rng.random() < 0.3 else rng.gauss(0, 10.0 ** rng.randint(-6, 6))
            for _ in range(rng.randint(0, 6))
        ]
        low, high = rng.choice([(None, None), (0.0, 1.0), (0.0, None)])
        scale = axis(values, 10, 90, low, high)
        assert scale.low < scale.high
        assert 1 <= len(scale.ticks) <= 12
        for value in (*values, *scale.ticks):
            assert (
                scale.low - abs(scale.step) * 1e-6 <= value <= scale.high + abs(scale.step) * 1e-6
            )
            assert 10 <= scale.at(value) <= 90


def test_axis_stays_within_its_ends() -> None:
    scale = axis([0.02, 0.99], 0, 100, 0.0, 1.0)
    assert scale.low == 0.0
    assert scale.high == 1.0
    assert (scale.at(-5), scale.at(5)) == (0, 100)
    assert [scale.label(t) for t in scale.ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


def test_thin_keeps_short_lists_and_merges_long_ones() -> None:
    assert thin([1, 2, 3], max) == [1, 2, 3]
    merged = thin(list(range(1001)), max, most=100)
    assert len(merged) <= 100
    assert merged[-1] == 1000


def test_labels_are_kept_apart_in_order() -> None:
    placed = apart([(50.0, "b"), (49.0, "a"), (51.0, "c"), (99.0, "d"), (100.0, "e")], 14, 0, 100)
    assert [name for _, name in placed] == ["a", "b", "c", "d", "e"]
    assert all(
        later - earlier >= 14 - 1e-9 for (earlier, _), (later, _) in itertools.pairwise(placed)
    )
    assert all(0 <= y <= 100 for y, _ in placed)
