from __future__ import annotations

import pytest

from server.report import site_results
from tests.server.report.comparisons import hide, report, sentences


def test_only_printed_differences_count_as_gains() -> None:
    content = report(federated={"A": 0.4804, "B": 0.9}, local={"A": 0.4796, "B": 0.5})
    assert site_results.compared(content, "local", "dice")["A"].outcome == "same"
    assert "1 of 2 hospitals gains" in sentences(content)


def test_nan_counts_as_missing() -> None:
    content = report(federated={"A": 0.8, "B": 0.8}, local={"A": 0.7, "B": 0.7})
    content["metrics"]["local"]["sites"]["B"]["dice"] = float("nan")
    assert list(site_results.compared(content, "local", "dice")) == ["A"]


def test_known_hospitals_are_compared_with_themselves_only() -> None:
    values: dict[str, dict[str, float | None]] = {
        "federated": {"A": 0.80, "B": 0.78},
        "local": {"A": 0.70, "B": 0.68},
    }
    content = hide(report(**values), federated=0.65)
    assert site_results.means(content, "local", "dice") == pytest.approx((0.79, 0.69))
    assert (
        "at the 2 hospitals with both, the federated model reaches a mean Dice of 0.790, "
        "against 0.690"
    ) in sentences(content)
    assert "2 of these 2 hospitals gain" in sentences(content)
    assert (
        "Over all 5 hospitals the federated model's mean is 0.650; "
        "3 of 5 hospitals keep their own results"
    ) in sentences(content)


def test_hidden_hospitals_are_those_of_the_mean_without_results() -> None:
    content = hide(report(federated={"A": 0.8, "B": 0.7}, local={"A": 0.6}), federated=0.65)
    assert site_results.hospitals(content, "federated") == 5
    assert site_results.hidden(content) == 3
    assert site_results.hidden(content, "local") == 0
    assert site_results.sites(content) == ["A", "B"]


def test_a_stated_mean_goes_before_one_that_could_be_computed() -> None:
    content = report(federated={"A": 0.8, "B": 0.6})
    content["metrics"]["federated"]["mean"]["dice"] = 0.75
    assert site_results.average(content, "federated", "dice") == 0.75
    del content["metrics"]["federated"]["mean"]
    assert site_results.average(content, "federated", "dice") == pytest.approx(0.7)


def test_a_hospital_is_concealed_only_if_it_keeps_its_metrics_and_none_is_known() -> None:
    content = report(federated={"A": 0.8}) | {"privacy": {"kept": {"metrics": ["A", "B"]}}}
    assert not site_results.is_concealed(content, ["federated"], "A")
    assert site_results.is_concealed(content, ["federated"], "B")
    assert not site_results.is_concealed(content, ["federated"], "C")
    assert not site_results.is_shared(content, ["local"], "A")


def test_intervals_in_either_order_and_broken_ones() -> None:
    content = report(federated={"A": 0.8}, local={"A": 0.7})
    bounds = content["metrics"]["federated"]["intervals"]["A"]
    bounds["dice"] = [0.9, 0.75]
    assert site_results.interval(content, "federated", "A", "dice") == (0.75, 0.9)
    pair = site_results.pair(content, "local", "A", "dice")
    assert pair == site_results.Pair("better", measured=True, apart=True)
    bounds["dice"] = [0.9, None]
    pair = site_results.pair(content, "local", "A", "dice")
    assert pair == site_results.Pair("better", measured=False, apart=False)
