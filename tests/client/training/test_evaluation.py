"""Scoring and its confidence intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from client.training import evaluation


class _Mean:
    """A task whose only metric is the mean of a number."""

    def summarise(self, rows: Any) -> dict[str, float]:
        return {"mean": float(np.mean([r["x"] for r in rows]))}


def _rows(values: list[float]) -> list[dict[str, np.ndarray]]:
    return [{"x": np.array(v)} for v in values]


def test_the_interval_of_a_mean_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = evaluation.bootstrap(_Mean(), _rows(values.tolist()), np.arange(400), 2000, 1)[
        "mean"
    ]  # type: ignore[arg-type]
    half = 1.96 * values.std() / 20
    assert (
        abs(low - (values.mean() - half)) < 0.25 * half
        and abs(high - (values.mean() + half)) < 0.25 * half
    )


def test_images_of_one_patient_are_drawn_together() -> None:
    """Forty copies of each of ten patients carry no more information than ten images."""
    values = np.random.default_rng(0).normal(5, 2, 10)
    patients = np.repeat(np.arange(10), 40)
    together = evaluation.bootstrap(
        _Mean(), _rows(np.repeat(values, 40).tolist()), patients, 500, 1
    )["mean"]  # type: ignore[arg-type]
    alone = evaluation.bootstrap(
        _Mean(), _rows(np.repeat(values, 40).tolist()), np.arange(400), 500, 1
    )["mean"]  # type: ignore[arg-type]
    assert together[1] - together[0] > 4 * (alone[1] - alone[0])


def test_a_metric_that_is_mostly_undefined_has_no_interval() -> None:
    class Undefined:
        def summarise(self, rows: Any) -> dict[str, float]:
            return {"auc": float("nan")}

    assert evaluation.bootstrap(Undefined(), _rows([1.0, 2.0]), np.arange(2), 50, 1) == {}
