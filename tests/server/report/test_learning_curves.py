from __future__ import annotations

from pathlib import Path

from tests.server import scenes
from tests.server.report.pages import CASES, render, run


def test_one_hospital_alone_has_one_line() -> None:
    report, rounds, _ = run(["A"])
    for line in rounds:
        line["mean_loss"] = line["loss"]["A"]
        line["validation_mean"] = line["validation"].get("A", {})
    assert "thick line" not in render(report, rounds, []).text


def test_the_learning_curve_is_there_without_any_hospitals_own(tmp_path: Path) -> None:
    _, lines, page = scenes.finish(tmp_path, **CASES["nothing shared"])
    assert [line["round"] for line in lines if "validation_mean" in line] == [2, 4, 6, 8]
    assert all(line["validation_hospitals"] == 5 for line in lines if "validation" in line)
    assert "No validation points" not in page
    assert (
        page.count('<g class="curve main"><title>mean</title><path') == 4
    )  # validation and loss, wide and narrow
    assert 'class="curve thin"' not in page
