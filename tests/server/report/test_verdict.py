from __future__ import annotations

from typing import Any

import pytest

from server.report import site_results, verdict
from tests.server.report.comparisons import hide, report, sentences


def test_better_where_intervals_are_apart() -> None:
    content = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.6})
    assert verdict.judge(content).kind == "better"
    assert "Training together helped" in sentences(content)
    assert "0.850, against 0.650" in sentences(content)
    assert (
        "2 of 2 hospitals gain, and the 95 % confidence intervals do not overlap at any of them."
        in sentences(content)
    )


def test_overlap_everywhere_is_never_called_a_gain() -> None:
    content = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.88, "B": 0.79}, width=0.05)
    assert verdict.judge(content).kind == "unclear"
    assert "may have helped" in sentences(content)
    assert "overlap everywhere, so the difference may be chance" in sentences(content)
    assert "Training together helped" not in sentences(content)


def test_one_clear_gain_among_many_may_be_chance() -> None:
    ours, own = {f"S{i}": 0.8 for i in range(10)}, {f"S{i}": 0.79 for i in range(10)}
    assert verdict.judge(report(federated=ours, local=own | {"S0": 0.5})).kind == "unclear"
    assert (
        verdict.judge(
            report(federated=ours, local=own | dict.fromkeys(("S0", "S1", "S2", "S3"), 0.5))
        ).kind
        == "better"
    )


def test_touching_intervals_count_as_overlapping() -> None:
    content = report(federated={"A": 0.75}, local={"A": 0.5}, width=0.125)
    assert verdict.judge(content).kind == "unclear"


def test_without_intervals_chance_stays_open() -> None:
    content = report(federated={"A": 0.9, "B": 0.9}, local={"A": 0.5, "B": 0.5}, width=None)
    assert verdict.judge(content).kind == "unclear"
    assert "no confidence intervals" in sentences(content)


def test_clear_gains_and_clear_losses_are_mixed() -> None:
    content = report(federated={"A": 0.9, "B": 0.6}, local={"A": 0.5, "B": 0.8})
    assert verdict.judge(content).kind == "mixed"
    assert "1 of 2 hospitals gains, B loses" in sentences(content)


def test_a_clear_loss_within_a_better_mean_is_mixed() -> None:
    content = report(
        federated={"A": 0.9, "B": 0.9, "C": 0.7}, local={"A": 0.885, "B": 0.885, "C": 0.725}
    )
    assert verdict.judge(content).kind == "mixed"


def test_equal_after_rounding_is_level() -> None:
    content = report(federated={"A": 0.9001, "B": 0.8}, local={"A": 0.9, "B": 0.8})
    assert verdict.judge(content).kind == "level"
    assert "no measurable difference" in sentences(content)
    assert "No hospital sees a difference." in sentences(content)


def test_noise_is_no_measurable_difference() -> None:
    content = report(federated={"A": 0.481, "B": 0.482}, local={"A": 0.480, "B": 0.480}, width=0.1)
    assert verdict.judge(content).kind == "level"
    assert "Training together made no measurable difference" in sentences(content)
    assert (
        "It scores better at 2 of 2 hospitals, but the 95 % confidence intervals overlap everywhere"
        in sentences(content)
    )
    assert "helped" not in sentences(content)
    assert "hospitals gain" not in sentences(content)


def test_a_gap_far_below_the_intervals_is_not_measurable() -> None:
    models = {
        "federated": {"A": 0.5, "B": 0.5},
        "local": {"A": 0.48, "B": 0.48},
        "pooled": {"A": 0.52, "B": 0.52},
    }
    assert verdict.judge(report(width=0.1, **models)).kind == "level"
    assert "is not measurably different from a model trained on all images pooled" in sentences(
        report(width=0.1, **models)
    )
    assert verdict.judge(report(width=0.05, **models)).kind == "unclear"
    assert "0.020 short of" in sentences(report(width=0.05, **models))


def test_a_small_gap_is_real_where_intervals_are_apart() -> None:
    content = report(federated={"A": 0.985, "B": 0.985}, local={"A": 0.98, "B": 0.98}, width=0.001)
    assert verdict.judge(content).kind == "better"


def test_millimetres_are_held_against_their_intervals_only() -> None:
    models = {"federated": {"A": 0.500}, "local": {"A": 0.505}}
    assert (
        verdict.judge(
            report(key="hd95", higher=False, width=0.006, federated={"A": 0.50}, local={"A": 0.51})
        ).kind
        == "unclear"
    )
    assert verdict.judge(report(width=0.006, **models)).kind == "level"


def test_intervals_of_few_patients_prove_nothing() -> None:
    content = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.6}, width=0.0)
    assert verdict.judge(content).kind == "better"
    content["sites"] = {"A": {"test": 3}, "B": {"test": 4}}
    assert verdict.judge(content).kind == "unclear"
    assert (
        "too few patients were tested for confidence intervals, "
        "so chance cannot be told from effect"
    ) in sentences(content)
    assert site_results.interval(content, "federated", "A", "dice") is None


def test_lower_is_better_turns_the_direction() -> None:
    content = report(
        key="hd95", higher=False, federated={"A": 3.0, "B": 4.0}, local={"A": 6.0, "B": 9.0}
    )
    assert verdict.judge(content).kind == "better"
    content = report(
        key="hd95", higher=False, federated={"A": 6.0}, local={"A": 3.0}, pooled={"A": 5.0}
    )
    assert verdict.judge(content).kind == "worse"
    assert "1.00 short of" in sentences(content)
    assert "% of it" not in sentences(content)


@pytest.mark.parametrize(
    ("models", "absent"),
    [
        ({}, "models trained by each hospital alone and a model trained on pooled images"),
        ({"pooled": {"A": 0.9}}, "models trained by each hospital alone;"),
        ({"local": {"A": 0.9}}, "a model trained on pooled images;"),
    ],
)
def test_what_was_not_compared_is_said_with_the_command(
    models: dict[str, Any], absent: str
) -> None:
    content = report(federated={"A": 0.8}, **models)
    assert absent in sentences(content)
    assert (
        verdict.judge(content).command
        == "consilium simulate STUDY --sites DIR --compare local,pooled"
    )
    assert (verdict.judge(content).kind == "missing") == ("local" not in models)


def test_complete_comparison_needs_no_command() -> None:
    content = report(federated={"A": 0.8}, local={"A": 0.7}, pooled={"A": 0.9})
    assert not verdict.judge(content).command
    assert (
        "0.100 short of a model trained on all images pooled in one place, at 0.900 (88.9 % of it)"
        in sentences(content)
    )
    assert "overlap at 0 of 1 hospital" in sentences(content)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"metrics": None},
        {"primary": "dice", "metrics": {"federated": {"sites": {"A": {"dice": None}}}}},
    ],
)
def test_nothing_to_say_without_results(content: dict[str, Any]) -> None:
    assert verdict.judge(content).kind == "nothing"


def test_two_to_four_sentences_in_every_complete_case() -> None:
    for ours in (0.5, 0.7, 0.9):
        for width in (None, 0.01, 0.3):
            for extra in ({}, {"pooled": {"A": 0.8, "B": 0.8}}):
                content = report(
                    width=width,
                    federated={"A": ours, "B": ours},
                    local={"A": 0.7, "B": 0.6},
                    **extra,
                )
                assert 2 <= len(verdict.judge(content).sentences) <= 4
                assert (
                    2
                    <= len(verdict.judge(content | {"status": "failed", "rounds": 1}).sentences)
                    <= 4
                )


def test_two_means_under_masks_are_never_more_than_unclear() -> None:
    content = hide(report(federated={}), federated=0.95, local=0.55, pooled=0.96)
    assert verdict.judge(content).kind == "unclear"
    assert (
        "0.950 over 5 hospitals, against 0.550 over 5 for the models that the hospitals "
        "trained alone"
    ) in sentences(content)
    assert "is 0.010 short of a model trained on all images pooled" in sentences(content)
    assert not verdict.judge(content).command
    for claim in ("hospitals gain", "helped", "lose", "overlap"):
        assert claim not in sentences(content)
