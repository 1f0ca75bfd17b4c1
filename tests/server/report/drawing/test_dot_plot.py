from __future__ import annotations

import itertools
import random

import pytest

from server.report.drawing import dot_plot
from server.report.drawing.dot_plot import Mark
from server.report.drawing.svg import axis
from tests.server.report.drawing.drawings import HARD, WIDTHS, check, frame


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
    for number in range(count):
        marks = {
            k: Mark(v := rng.random(), (v - 0.1, v + 0.1), f"{v:.3f}")
            for k in ("federated", "local", "pooled")
        }
        rows.append(
            (f"Hospital {number} of a <very> long name that never ends, at least not here", marks)
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


@pytest.mark.parametrize("value", HARD)
def test_extreme_values_are_drawn(value: float) -> None:
    rows = [("Mean", {"local": Mark(value, (value, value), "x")})]
    check(dot_plot.draw(frame(), rows, ["local"], "loss", (0.0, 1.0)))
