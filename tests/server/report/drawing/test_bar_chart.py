from __future__ import annotations

import random

import pytest

from common.quantities import size
from server.report.drawing import bar_chart
from tests.server.report.drawing.drawings import check, frame


@pytest.mark.parametrize("rounds", [1, 2, 20, 99, 5000])
def test_bars_stay_inside_and_are_few(rounds: int) -> None:
    rng = random.Random(5)
    stacks = [(float(i + 1), rng.random() * 5, rng.random()) for i in range(rounds)]
    root = check(bar_chart.draw(frame(364), stacks, ("a", "b"), size))
    drawn = root.findall(".//rect")
    assert len(drawn) <= 2 * 240 + 2
    labels = [
        int(t.text or "")
        for t in root.findall(".//text[@class='tick']")
        if t.attrib["text-anchor"] == "middle"
    ]
    assert labels == sorted(labels)
    assert 1 <= len(labels) <= 14


def test_bars_are_stacked() -> None:
    root = check(bar_chart.draw(frame(364), [(1.0, 3.0, 1.0)], ("a", "b"), size))
    first, second = (r.attrib for r in root.findall(".//rect")[:2])
    assert float(first["height"]) == pytest.approx(3 * float(second["height"]), rel=0.02)
    assert float(second["y"]) + float(second["height"]) == pytest.approx(
        float(first["y"]), abs=0.11
    )
