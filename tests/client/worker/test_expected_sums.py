"""Sums that the signed study does not call for are refused; metrics that stay count as nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from client.training.local_training import Trainer
from client.worker import expected_sums
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from tests.client.worker.hospitals import (
    NAMES,
    Make,
    bent,
)


@pytest.mark.parametrize("number", [0, 3, -1, 10**9])
def test_a_round_that_the_study_does_not_have(make: Make, number: int) -> None:
    consortium = make()
    answers = bent(
        consortium, consortium.begin(), "train", lambda question: replace(question, round=number)
    )
    assert {reply.fault for reply in answers} == {
        f"Round {min(max(number, 0), 999_999)} is asked for; the study has rounds 1 to 2."
    }
    assert all(
        consortium.audit_entries(name)[-2].get("fault")
        or consortium.audit_entries(name)[-1].get("fault")
        for name in NAMES
    )


def test_a_model_other_than_the_order_s_is_not_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium = make()
    federation = consortium.begin()
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))

    def other(question: Question) -> Question:
        assert question.model is not None
        return replace(question, model=question.model + np.float32(1))

    answers = bent(consortium, federation, "train", other)
    assert {reply.fault for reply in answers} <= {
        "The specification of a secure sum differs from the signed study's in model.",
        "The model is not the one that the last secure sum is said to have led to.",
    }


@pytest.mark.parametrize("repeat", [0, 2, "2", 1.5, None, 100_001])
def test_one_hospital_is_not_trained_more_than_others(make: Make, repeat: object) -> None:
    consortium = make()
    answers = bent(
        consortium,
        consortium.begin(),
        "train",
        lambda question: replace(question, settings={"repeat": repeat}),
    )
    assert {reply.fault for reply in answers} == {
        (
            "A question asks for more training than the signed study; "
            "in a secure sum all hospitals train alike."
        )
    }


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.25])
def test_an_undefined_metric_counts_as_nothing(value: float | None) -> None:
    lanes = expected_sums.metric_lanes({"dice": value}, ())
    assert lanes == {
        sum_specs.defined("dice"): int(value == 0.25),
        "dice": 0.25 if value == 0.25 else 0.0,
    }


def test_a_metric_that_the_policy_does_not_list_is_nothing_in_a_sum() -> None:
    metrics = {"dice": 0.5, "iou": 0.25, "hd95": None, "nan": math.nan}
    everything = expected_sums.metric_lanes(metrics, ())
    assert (
        everything["dice"] == 0.5
        and everything["iou"] == 0.25
        and everything["hd95"] == everything["nan"] == 0.0
    )
    chosen = expected_sums.metric_lanes(metrics, ("dice",))
    assert chosen["dice"] == 0.5 and chosen["iou"] == 0.0
    assert {name for name, value in chosen.items() if value} == {"dice", sum_specs.defined("dice")}
