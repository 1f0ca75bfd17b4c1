from __future__ import annotations

from typing import Any

import pytest

from server.report import site_results, verdict


def report(
    *,
    key: str = "dice",
    higher: bool = True,
    width: float | None = 0.01,
    **models: dict[str, float | None],
) -> dict[str, Any]:
    """A report with one value per model and hospital.

    Intervals of ``width`` to both sides, or none.
    """
    metrics: dict[str, Any] = {}
    for model, values in models.items():
        kept = [v for v in values.values() if v is not None]
        metrics[model] = {
            "sites": {s: {key: v} for s, v in values.items()},
            "mean": {key: sum(kept) / len(kept) if kept else None},
        }
        if width is not None:
            metrics[model]["intervals"] = {
                s: {key: [v - width, v + width]} for s, v in values.items() if v is not None
            }
    names = list(dict.fromkeys(s for values in models.values() for s in values))
    return {
        "status": "finished",
        "primary": key,
        "higher_is_better": {key: higher},
        "metrics": metrics,
        "sites": {s: {} for s in names},
    }


def said(content: dict[str, Any]) -> str:
    return " ".join(verdict.judge(content).sentences)


def test_better_where_intervals_are_apart() -> None:
    found = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.6})
    assert verdict.judge(found).kind == "better"
    assert "Training together helped" in said(found)
    assert "0.850, against 0.650" in said(found)
    assert (
        "2 of 2 hospitals gain, and the 95 % confidence intervals do not overlap at any of them."
        in said(found)
    )


def test_worse_is_said_and_the_losers_are_named() -> None:
    found = report(federated={"A": 0.6, "B": 0.5}, local={"A": 0.7, "B": 0.7})
    assert verdict.judge(found).kind == "worse"
    assert "did not pay off" in said(found)
    assert "0 of 2 hospitals gain, A and B lose" in said(found)


def test_overlap_everywhere_is_never_called_a_gain() -> None:
    found = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.88, "B": 0.79}, width=0.05)
    assert verdict.judge(found).kind == "unclear"
    assert "may have helped" in said(found)
    assert "overlap everywhere, so the difference may be chance" in said(found)
    assert "Training together helped" not in said(found)


def test_overlap_at_some_hospitals_is_counted() -> None:
    found = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.79})
    assert verdict.judge(found).kind == "better"
    assert "at 1 of 2 the 95 % confidence intervals overlap" in said(found)


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
    found = report(federated={"A": 0.75}, local={"A": 0.5}, width=0.125)
    assert verdict.judge(found).kind == "unclear"


def test_without_intervals_chance_stays_open() -> None:
    found = report(federated={"A": 0.9, "B": 0.9}, local={"A": 0.5, "B": 0.5}, width=None)
    assert verdict.judge(found).kind == "unclear"
    assert "no confidence intervals" in said(found)


def test_clear_gains_and_clear_losses_are_mixed() -> None:
    found = report(federated={"A": 0.9, "B": 0.6}, local={"A": 0.5, "B": 0.8})
    assert verdict.judge(found).kind == "mixed"
    assert "1 of 2 hospitals gains, B loses" in said(found)


def test_a_clear_loss_within_a_better_mean_is_mixed() -> None:
    found = report(
        federated={"A": 0.9, "B": 0.9, "C": 0.7}, local={"A": 0.885, "B": 0.885, "C": 0.725}
    )
    assert verdict.judge(found).kind == "mixed"


def test_equal_after_rounding_is_level() -> None:
    found = report(federated={"A": 0.9001, "B": 0.8}, local={"A": 0.9, "B": 0.8})
    assert verdict.judge(found).kind == "level"
    assert "no measurable difference" in said(found)
    assert "No hospital sees a difference." in said(found)


def test_noise_is_no_measurable_difference() -> None:
    found = report(federated={"A": 0.481, "B": 0.482}, local={"A": 0.480, "B": 0.480}, width=0.1)
    assert verdict.judge(found).kind == "level"
    assert "Training together made no measurable difference" in said(found)
    assert (
        "It scores better at 2 of 2 hospitals, but the 95 % confidence intervals overlap everywhere"
        in said(found)
    )
    assert "helped" not in said(found)
    assert "hospitals gain" not in said(found)


def test_a_gap_far_below_the_intervals_is_not_measurable() -> None:
    models = {
        "federated": {"A": 0.5, "B": 0.5},
        "local": {"A": 0.48, "B": 0.48},
        "pooled": {"A": 0.52, "B": 0.52},
    }
    assert verdict.judge(report(width=0.1, **models)).kind == "level"
    assert "is not measurably different from a model trained on all images pooled" in said(
        report(width=0.1, **models)
    )
    assert verdict.judge(report(width=0.05, **models)).kind == "unclear"
    assert "0.020 short of" in said(report(width=0.05, **models))


def test_a_small_gap_is_real_where_intervals_are_apart() -> None:
    found = report(federated={"A": 0.985, "B": 0.985}, local={"A": 0.98, "B": 0.98}, width=0.001)
    assert verdict.judge(found).kind == "better"


def test_millimetres_are_held_against_their_intervals_only() -> None:
    models = {"federated": {"A": 0.500}, "local": {"A": 0.505}}
    assert (
        verdict.judge(
            report(key="hd95", higher=False, width=0.006, federated={"A": 0.50}, local={"A": 0.51})
        ).kind
        == "unclear"
    )
    assert verdict.judge(report(width=0.006, **models)).kind == "level"


def test_only_printed_differences_count_as_gains() -> None:
    found = report(federated={"A": 0.4804, "B": 0.9}, local={"A": 0.4796, "B": 0.5})
    assert site_results.compared(found, "local", "dice")["A"].outcome == "same"
    assert "1 of 2 hospitals gains" in said(found)


def test_intervals_of_few_patients_prove_nothing() -> None:
    found = report(federated={"A": 0.9, "B": 0.8}, local={"A": 0.7, "B": 0.6}, width=0.0)
    assert verdict.judge(found).kind == "better"
    found["sites"] = {"A": {"test": 3}, "B": {"test": 4}}
    assert verdict.judge(found).kind == "unclear"
    assert (
        "too few patients were tested for confidence intervals, "
        "so chance cannot be told from effect"
    ) in said(found)
    assert site_results.interval(found, "federated", "A", "dice") is None


def test_lower_is_better_turns_the_direction() -> None:
    found = report(
        key="hd95", higher=False, federated={"A": 3.0, "B": 4.0}, local={"A": 6.0, "B": 9.0}
    )
    assert verdict.judge(found).kind == "better"
    found = report(
        key="hd95", higher=False, federated={"A": 6.0}, local={"A": 3.0}, pooled={"A": 5.0}
    )
    assert verdict.judge(found).kind == "worse"
    assert "1.00 short of" in said(found)
    assert "% of it" not in said(found)


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
    found = report(federated={"A": 0.8}, **models)
    assert absent in said(found)
    assert (
        verdict.judge(found).command
        == "consilium simulate STUDY --sites DIR --compare local,pooled"
    )
    assert (verdict.judge(found).kind == "missing") == ("local" not in models)


def test_complete_comparison_needs_no_command() -> None:
    found = report(federated={"A": 0.8}, local={"A": 0.7}, pooled={"A": 0.9})
    assert not verdict.judge(found).command
    assert (
        "0.100 short of a model trained on all images pooled in one place, at 0.900 (88.9 % of it)"
        in said(found)
    )
    assert "overlap at 0 of 1 hospital" in said(found)


def test_only_hospitals_with_both_values_are_compared() -> None:
    found = report(federated={"A": 0.8, "B": 0.2, "C": 0.2}, local={"A": 0.7, "B": None})
    assert "at the 1 hospital with both" in said(found)
    assert "0.800, against 0.700" in said(found)
    assert "The hospital gains" in said(found)


@pytest.mark.parametrize(
    ("status", "verb"), [("interrupted", "was interrupted"), ("failed", "failed")]
)
def test_an_unfinished_run_says_so_first(status: str, verb: str) -> None:
    found = report(federated={"A": 0.8}) | {"status": status, "rounds": 3, "rounds_planned": 20}
    assert verdict.judge(found).sentences[0].startswith(f"The run {verb} after 3 of 20 rounds")


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


def test_nan_counts_as_missing() -> None:
    found = report(federated={"A": 0.8, "B": 0.8}, local={"A": 0.7, "B": 0.7})
    found["metrics"]["local"]["sites"]["B"]["dice"] = float("nan")
    assert list(site_results.compared(found, "local", "dice")) == ["A"]


def test_two_to_four_sentences_in_every_complete_case() -> None:
    for ours in (0.5, 0.7, 0.9):
        for width in (None, 0.01, 0.3):
            for extra in ({}, {"pooled": {"A": 0.8, "B": 0.8}}):
                found = report(
                    width=width,
                    federated={"A": ours, "B": ours},
                    local={"A": 0.7, "B": 0.6},
                    **extra,
                )
                assert 2 <= len(verdict.judge(found).sentences) <= 4
                assert (
                    2
                    <= len(verdict.judge(found | {"status": "failed", "rounds": 1}).sentences)
                    <= 4
                )


def hide(content: dict[str, Any], **means: float) -> dict[str, Any]:
    """The same report where each model's mean over five hospitals was summed under masks."""
    for model, value in means.items():
        content["metrics"].setdefault(model, {"sites": {}})
        content["metrics"][model] |= {"mean": {content["primary"]: value}, "hospitals": 5}
    return content


def test_a_mean_under_masks_names_its_hospitals_and_claims_nothing_of_single_ones() -> None:
    found = hide(report(federated={}), federated=0.85)
    assert verdict.judge(found).kind == "missing"
    assert "reaches a mean Dice of 0.850 over 5 hospitals." in said(found)
    assert "it is not known how they differ, or what may be chance" in said(found)
    assert verdict.judge(found).command
    for claim in ("gain", "helped", "lose", "overlap"):
        assert claim not in said(found)


def test_two_means_under_masks_are_never_more_than_unclear() -> None:
    found = hide(report(federated={}), federated=0.95, local=0.55, pooled=0.96)
    assert verdict.judge(found).kind == "unclear"
    assert (
        "0.950 over 5 hospitals, against 0.550 over 5 for the models that the hospitals "
        "trained alone"
    ) in said(found)
    assert "is 0.010 short of a model trained on all images pooled" in said(found)
    assert not verdict.judge(found).command
    for claim in ("hospitals gain", "helped", "lose", "overlap"):
        assert claim not in said(found)


def test_known_hospitals_are_compared_with_themselves_only() -> None:
    values: dict[str, dict[str, float | None]] = {
        "federated": {"A": 0.80, "B": 0.78},
        "local": {"A": 0.70, "B": 0.68},
    }
    found = hide(report(**values), federated=0.65)
    assert site_results.means(found, "local", "dice") == pytest.approx((0.79, 0.69))
    assert (
        "at the 2 hospitals with both, the federated model reaches a mean Dice of 0.790, "
        "against 0.690"
    ) in said(found)
    assert "2 of these 2 hospitals gain" in said(found)
    assert (
        "Over all 5 hospitals the federated model's mean is 0.650; "
        "3 of 5 hospitals keep their own results"
    ) in said(found)


def test_one_known_hospital_without_a_comparison() -> None:
    found = hide(report(federated={"A": 0.9, "B": 0.8, "C": 0.8, "D": 0.7}), federated=0.8)
    assert (
        "0.800 over 5 hospitals. 1 of 5 hospitals keeps its own results, "
        "which are known in the mean only."
    ) in said(found)


def test_pooled_at_the_known_hospitals_says_where() -> None:
    found = hide(
        report(federated={"A": 0.80}, local={"A": 0.70}, pooled={"A": 0.84}), federated=0.5
    )
    assert (
        "0.040 short of a model trained on all images pooled in one place and scored at "
        "the 1 hospital with both, at 0.840"
    ) in said(found)


def test_a_model_that_never_moved_is_said_to_be_the_first() -> None:
    found = hide(report(federated={}), federated=0.4) | {
        "rounds": 2,
        "privacy": {"details": {"void_rounds": [1, 2]}},
    }
    assert (
        verdict.judge(found).sentences[0]
        == "No round was summed: the model is the one that the run started with."
    )
    found["rounds"] = 3
    assert "No round was summed" not in said(found)
