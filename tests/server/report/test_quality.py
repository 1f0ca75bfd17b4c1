from __future__ import annotations

from server.report import quality
from tests.server.report.pages import masked, render, run


def test_results_name_every_metric_the_primary_first() -> None:
    read = render(*run(["A", "B"]))
    text = read.text
    assert text.index("How much of the outlined area") < text.index(
        "How far apart the two outlines"
    )
    assert "Lower is better." in text
    assert "clearly better" in text
    assert "[0.830, 0.870]" in text


def test_too_few_test_images_give_no_interval() -> None:
    report, rounds, examples = run(["A", "B"])
    report["sites"]["A"]["test"] = 4
    report["metrics"]["federated"]["intervals"]["A"]["dice"] = [0.0, 0.0]
    read = render(report, rounds, examples)
    assert "[0.000, 0.000]" not in read.text
    assert read.texts.count("too few patients for an interval") == 3
    assert read.texts.count("4 test images") == 2
    assert "A (n = 4)" in read.texts
    assert "30 test images" not in read.text
    assert "1 of them clearly" in read.text
    report["sites"]["A"]["test"] = 5
    assert "[0.000, 0.000]" in render(report, rounds, examples).text


def test_only_models_with_scores_are_present() -> None:
    report, _, _ = run(["A", "B"])
    assert list(quality.present(report)) == ["federated", "local", "pooled"]
    del report["metrics"]["local"]
    report["metrics"]["pooled"] = {"sites": {}, "mean": {"dice": None}}
    assert quality.present(report) == {"federated": "federated"}
    assert quality.results(report | {"metrics": {}}) == ""


def test_means_stand_alone_where_every_hospital_keeps_its_own() -> None:
    report, _ = masked()
    section = quality.results(report)
    assert "Means over 3 hospitals, summed under masks" in section
    assert "Hospital by hospital" not in section
    assert "0.850" in section


def test_keys_are_those_of_results_and_means_the_primary_first() -> None:
    scores = {"sites": {"A": {"hd95": 1.0, "dice": 0.5}}, "mean": {"auc": 0.5}}
    report = {"primary": "dice", "metrics": {"federated": scores, "local": None}}
    assert quality.keys(report) == ["dice", "hd95", "auc"]
    assert quality.keys({"primary": "dice"}) == []
