from __future__ import annotations

import pytest

from server.report import page
from tests.server.report.pages import png, render, run


@pytest.mark.parametrize(
    "bad",
    [
        "",
        None,
        3,
        "javascript:alert(1)",
        'iVBORw0KGgo" onerror="x',
        "iVBORw0KGgo=\n",
        "R0lGODlh",
        png() + "<",
    ],
)
def test_only_png_images_are_embedded(bad: object) -> None:
    report, rounds, examples = run(["A"])
    assert len(render(report, rounds, examples).all("img")) == 3
    assert not render(report, rounds, [examples[0] | {"image": bad}]).all("img")
    assert len(render(report, rounds, [examples[0] | {"truth": bad}]).all("img")) == 2


def test_heat_map_frames_home_and_shades_by_value() -> None:
    report, rounds, examples = run(["A", "B"])
    report["cross"]["values"] = [[0.9, 0.1], [0.5, 0.9], [0.9, 0.9], [None, 0.9]]
    cells = [str(a["class"]) for a in render(report, rounds, examples).all("td") if "class" in a]
    assert cells == ["s8 own", "s0", "s4", "s8 own", "s8", "s8", "", "s8"]
    report["higher_is_better"] = {"dice": False}
    assert '<td class="s0 own">0.90' in page.render(report, rounds, examples)


def test_heat_map_does_not_magnify_noise() -> None:
    report, rounds, examples = run(["A", "B"])

    def shades(*values: float) -> list[str]:
        report["cross"]["values"] = [list(values[:2]), list(values[2:])]
        return [
            str(a["class"]).split()[0]
            for a in render(report, rounds, examples).all("td")
            if a.get("class")
        ]

    assert shades(0.479, 0.481, 0.48, 0.48) == ["s4"] * 4
    assert shades(0.0, 0.0, 0.0, 0.0) == ["s0"] * 4
    assert shades(1.0, 1.0, 1.0, 1.0) == ["s8"] * 4
    assert shades(0.4, 0.5, 0.5, 0.5) == ["s2", "s6", "s6", "s6"]
    assert shades(0.4, 0.6, 0.5, 0.5) == ["s0", "s8", "s4", "s4"]
    report["cross"]["metric"] = "hd95"
    assert shades(1.0, 1.1, 1.0, 1.0) == ["s8", "s0", "s8", "s8"]


def test_ragged_cross_values_do_not_break_the_page() -> None:
    report, rounds, examples = run(["A", "B"])
    for values in ([[0.5]], [[], None, [0.1] * 9], [[0.5, 0.5]] * 9):
        report["cross"]["values"] = values
        render(report, rounds, examples)
