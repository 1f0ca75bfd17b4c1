from __future__ import annotations

import random

import pytest

from server.report.drawing import line_chart
from tests.server.report.drawing.drawings import HARD, WIDTHS, check, frame


@pytest.mark.parametrize(
    ("width", "sites", "rounds"),
    [(w, s, r) for w in WIDTHS for s in (1, 6, 30) for r in (1, 2, 20, 1000)],
)
def test_lines_stay_inside(width: int, sites: int, rounds: int) -> None:
    rng = random.Random(3)
    series = {
        f"Site {i}": [(float(r), rng.random()) for r in range(1, rounds + 1)] for i in range(sites)
    }
    root = check(line_chart.draw(frame(width), series, "Site 0", "loss", (None, None)))
    assert len(root.findall(".//g")) == sites
    assert len(root.findall(".//g[@class='curve main']")) == 1


def test_a_missing_value_breaks_the_line_and_a_lone_point_is_a_dot() -> None:
    series = {
        "A": [(1.0, 0.1), (2.0, 0.2), (3.0, None), (4.0, 0.4), (5.0, 0.5)],
        "B": [(1.0, None), (2.0, 0.3)],
        "C": [(1.0, None)],
    }
    root = check(line_chart.draw(frame(), series, "mean", "Dice", (0.0, 1.0)))
    broken, lone, empty = root.findall(".//g")
    path = broken.find("path")
    assert path is not None
    assert path.attrib["d"].count("M") == 2
    assert lone.find("path") is None
    assert len(lone.findall("circle")) == 1
    assert not empty.findall("circle")


def test_a_point_between_two_gaps_is_a_dot_in_long_runs_too() -> None:
    points = [(float(r), 0.5 + 0.001 * r) for r in range(1, 100)]
    series = {"mean": [(x, None if x in (40.0, 42.0) else y) for x, y in points]}
    group = check(line_chart.draw(frame(), series, "mean", "loss", (None, None))).findall(".//g")[0]
    path = group.find("path")
    assert path is not None
    assert path.attrib["d"].count("M") == 2
    assert len(group.findall("circle")) == 1


def test_merged_points_keep_what_is_known() -> None:
    series = {"mean": [(float(r), None if r % 10 == 0 else 1 / r) for r in range(1, 2401)]}
    group = check(line_chart.draw(frame(), series, "mean", "loss", (None, None))).findall(".//g")[0]
    path = group.find("path")
    assert path is not None
    assert path.attrib["d"].count("M") == 1


@pytest.mark.parametrize("value", HARD)
def test_extreme_values_are_drawn(value: float) -> None:
    series = {"A": [(1.0, value), (2.0, 0.0)]}
    check(line_chart.draw(frame(), series, "A", "loss", (None, None)))
