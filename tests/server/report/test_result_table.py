from __future__ import annotations

import pytest

from server.report import result_table
from server.report.quality import NAMES
from tests.server.report.pages import render, run


def test_differences_never_contradict_the_printed_values() -> None:
    report, rounds, examples = run(["A"])
    for model, value in (("federated", 0.4804), ("local", 0.4796)):
        report["metrics"][model] |= {"sites": {"A": {"dice": value}}, "mean": {"dice": value}}
    text = render(report, rounds, examples).text
    assert "±0.000" in text
    assert "+0.001" not in text
    assert "0 of 1" in text


def test_a_hospital_that_keeps_its_own_is_in_the_masked_mean_only() -> None:
    report, _, _ = run(["A", "B"])
    for scores in report["metrics"].values():
        del scores["sites"]["B"]
    report["metrics"]["federated"] |= {"hospitals": 2, "mean": {"dice": 0.7}}
    report["privacy"]["kept"] = {"metrics": ["B"]}
    assert result_table.mean_name(report, NAMES) == "Mean of these 1"
    assert result_table.averages(report, NAMES, "dice")["federated"] == pytest.approx(0.85)
    table = result_table.draw(report, NAMES, "dice")
    assert table.count("not shared") == 1
    assert table.index("Mean of these 1") < table.index("Mean of all 2 hospitals")
    assert table.endswith("<td>0.700</td><td>–</td><td>–</td><td>–</td></tr></tfoot></table></div>")


def test_without_own_models_there_is_no_column_that_compares_with_them() -> None:
    report, _, _ = run(["A", "B"])
    table = result_table.draw(report, {"federated": "federated", "pooled": "pooled images"}, "hd95")
    assert "Federated against own" not in table
    assert "Lower is better." in table
