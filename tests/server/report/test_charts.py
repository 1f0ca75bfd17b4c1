from __future__ import annotations

import itertools
import math
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from common.quantities import size
from server.report.drawing import bar_chart, dot_plot, line_chart
from server.report.drawing.dot_plot import Mark
from server.report.drawing.svg import Frame, apart, axis, thin

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_SLACK = 16.0  # a tick's text is centred on the edge of the plot
WIDTHS = (760, 360)
HARD = [float(v) for v in (0, 1, -1, 1e-12, 1e15, -1e15, 0.5)]


def frame(width: int = 760) -> Frame:
    return Frame("c", "A <title>", "About & more", width)


def coordinates(element: ET.Element) -> Iterator[tuple[float, float]]:
    get = element.attrib
    kind = element.tag
    if kind == "line":
        yield float(get["x1"]), float(get["y1"])
        yield float(get["x2"]), float(get["y2"])
    elif kind == "circle":
        yield float(get["cx"]), float(get["cy"])
    elif kind == "rect":
        assert float(get["width"]) >= 0
        assert float(get["height"]) >= 0
        yield float(get["x"]), float(get["y"])
        yield float(get["x"]) + float(get["width"]), float(get["y"]) + float(get["height"])
    elif kind == "text":
        yield float(get["x"]), float(get["y"])
    elif kind == "path":
        numbers = [float(n) for n in _NUMBER.findall(get["d"])]
        assert len(numbers) % 2 == 0
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def check(svg: str) -> ET.Element:
    """Well-formed, labelled, and every coordinate finite and inside the view box."""
    assert "nan" not in svg.lower().replace("finance", "")
    assert "inf" not in svg.lower()
    root = ET.fromstring(svg)
    _, _, width, height = (float(v) for v in root.attrib["viewBox"].split())
    found = 0
    for element in root.iter():
        for x, y in coordinates(element):
            found += 1
            assert math.isfinite(x)
            assert math.isfinite(y)
            assert -_SLACK <= x <= width + _SLACK
            assert -_SLACK <= y <= height + _SLACK
    assert found
    assert root.attrib["role"] == "img"
    ids = root.attrib["aria-labelledby"].split()
    assert [child.attrib["id"] for child in root[:2]] == ids
    assert [child.tag for child in root[:2]] == ["title", "desc"]
    return root


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


def test_zeros_between_two_ends_get_the_whole_axis() -> None:
    for scale in (axis([0.0, 0.0], 0, 100, 0.0, 1.0), axis([0.0], 0, 100, 0.0, 1.0)):
        assert (scale.low, scale.high) == (0.0, 1.0)
    assert axis([0.0], 0, 100, 0.0).high < 0.1
    root = check(
        dot_plot.draw(
            frame(),
            [("Mean", {}), ("A", {"local": Mark(0.0, (0.0, 0.0))})],
            ["local"],
            "Dice",
            (0.0, 1.0),
        )
    )
    ticks = [t.text for t in root.findall(".//text[@class='tick']")]
    assert (ticks[0], ticks[-1]) == ("0.0", "1.0")


@pytest.mark.parametrize(("first", "second"), [(0.480, 0.481), (0.999, 1.0), (0.0, 0.001)])
def test_dot_plot_does_not_magnify_nearly_nothing(first: float, second: float) -> None:
    rows = [("Mean", {}), ("A", {"federated": Mark(second)}), ("B", {"federated": Mark(first)})]
    root = check(dot_plot.draw(frame(), rows, ["federated"], "Dice", (0.0, 1.0)))
    ticks = [float(t.text or "") for t in root.findall(".//text[@class='tick']")]
    high, low = (float(c.attrib["cx"]) for c in root.findall(".//circle"))
    assert 0 < high - low < 10
    assert 0 <= min(ticks) <= max(ticks) <= 1


@pytest.mark.parametrize(("width", "count"), list(itertools.product(WIDTHS, (0, 1, 6, 30))))
def test_dot_plot_stays_inside(width: int, count: int) -> None:
    rng = random.Random(count)
    rows = [
        ("Mean", {k: Mark(0.9, None, f"{k} 0.900", True) for k in ("federated", "local", "pooled")})
    ]
    for i in range(count):
        marks = {
            k: Mark(v := rng.random(), (v - 0.1, v + 0.1), f"{v:.3f}")
            for k in ("federated", "local", "pooled")
        }
        rows.append(
            (f"Hospital {i} of a <very> long name that never ends, at least not here", marks)
        )
    root = check(
        dot_plot.draw(frame(width), rows, ["federated", "local", "pooled"], "Dice", (0.0, 1.0))
    )
    assert len(root.findall(".//circle")) == count + 1
    assert len(root.findall(".//line[@class='whisker']")) == 9 * count


def test_dot_plot_leaves_out_what_is_missing() -> None:
    rows = [("Mean", {"federated": Mark(None)}), ("A", {"federated": Mark(0.5)}), ("B", {})]
    root = check(dot_plot.draw(frame(), rows, ["federated", "local"], "AUC", (0.0, 1.0)))
    assert len(root.findall(".//circle")) == 1
    assert not root.findall(".//line[@class='whisker']")


def test_better_values_stand_further_right() -> None:
    rows = [("Mean", {}), ("A", {"federated": Mark(0.9), "local": Mark(0.5)})]
    root = check(dot_plot.draw(frame(), rows, ["federated", "local"], "AUC", (0.0, 1.0)))
    square = root.find(".//g[@class='local']/rect")
    dot = root.find(".//circle")
    assert square is not None
    assert dot is not None
    assert float(dot.attrib["cx"]) > float(square.attrib["x"]) + 100


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


@pytest.mark.parametrize("value", HARD)
def test_extreme_values_are_drawn(value: float) -> None:
    check(line_chart.draw(frame(), {"A": [(1.0, value), (2.0, 0.0)]}, "A", "loss", (None, None)))
    check(
        dot_plot.draw(
            frame(),
            [("Mean", {"local": Mark(value, (value, value), "x")})],
            ["local"],
            "loss",
            (0.0, 1.0),
        )
    )
