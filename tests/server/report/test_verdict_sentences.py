from __future__ import annotations

from pathlib import Path

import pytest

from server.report import verdict
from tests.server import scenes
from tests.server.report.comparisons import hide, report, sentences
from tests.server.report.pages import CASES, shown


def test_worse_is_said_and_the_losers_are_named() -> None:
    content = report(federated={"A": 0.6, "B": 0.5}, local={"A": 0.7, "B": 0.7})
    assert verdict.judge(content).kind == "worse"
    assert "did not pay off" in sentences(content)
    assert "0 of 2 hospitals gain, A and B lose" in sentences(content)


def test_overlap_at_some_hospitals_is_counted() -> None:
    content = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.79})
    assert verdict.judge(content).kind == "better"
    assert "at 1 of 2 the 95 % confidence intervals overlap" in sentences(content)


def test_only_hospitals_with_both_values_are_compared() -> None:
    content = report(federated={"A": 0.8, "B": 0.2, "C": 0.2}, local={"A": 0.7, "B": None})
    assert "at the 1 hospital with both" in sentences(content)
    assert "0.800, against 0.700" in sentences(content)
    assert "The hospital gains" in sentences(content)


@pytest.mark.parametrize(
    ("status", "verb"), [("interrupted", "was interrupted"), ("failed", "failed")]
)
def test_an_unfinished_run_says_so_first(status: str, verb: str) -> None:
    content = report(federated={"A": 0.8}) | {"status": status, "rounds": 3, "rounds_planned": 20}
    assert verdict.judge(content).sentences[0].startswith(f"The run {verb} after 3 of 20 rounds")


def test_a_mean_under_masks_names_its_hospitals_and_claims_nothing_of_single_ones() -> None:
    content = hide(report(federated={}), federated=0.85)
    assert verdict.judge(content).kind == "missing"
    assert "reaches a mean Dice of 0.850 over 5 hospitals." in sentences(content)
    assert "it is not known how they differ, or what may be chance" in sentences(content)
    assert verdict.judge(content).command
    for claim in ("gain", "helped", "lose", "overlap"):
        assert claim not in sentences(content)


def test_one_known_hospital_without_a_comparison() -> None:
    content = hide(report(federated={"A": 0.9, "B": 0.8, "C": 0.8, "D": 0.7}), federated=0.8)
    assert (
        "0.800 over 5 hospitals. 1 of 5 hospitals keeps its own results, "
        "which are known in the mean only."
    ) in sentences(content)


def test_pooled_at_the_known_hospitals_says_where() -> None:
    content = hide(
        report(federated={"A": 0.80}, local={"A": 0.70}, pooled={"A": 0.84}), federated=0.5
    )
    assert (
        "0.040 short of a model trained on all images pooled in one place and scored at "
        "the 1 hospital with both, at 0.840"
    ) in sentences(content)


def test_a_model_that_never_moved_is_said_to_be_the_first() -> None:
    content = hide(report(federated={}), federated=0.4) | {
        "rounds": 2,
        "privacy": {"details": {"void_rounds": [1, 2]}},
    }
    assert (
        verdict.judge(content).sentences[0]
        == "No round was summed: the model is the one that the run started with."
    )
    content["rounds"] = 3
    assert "No round was summed" not in sentences(content)


def test_nothing_shared_claims_no_difference_between_hospitals(tmp_path: Path) -> None:
    _, _, page = scenes.finish(tmp_path, **CASES["nothing shared"])
    words = shown(page)
    assert "reaches a mean Dice of 0.875 over 5 hospitals." in words
    assert "it is not known how they differ" in words
    for claim in (
        "Hospital by hospital",
        "Hospitals that gain",
        "clearly",
        "helped",
        "Whiskers",
        "How models travel",
    ):
        assert claim not in words
