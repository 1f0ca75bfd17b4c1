"""The secure sum that the signed study calls for, as this hospital works it out for itself.

The coordinator's specification of a sum is compared with it, never believed: hospitals that were
led into different sums could be told apart in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from common.errors import SecureSumError
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from common.secagg.messages import SumSpec
from common.sentences.table import say
from common.study.study import Study
from common.update import Layout, Update

Lanes = Mapping[str, float | int]
"""Name of a lane of a sum: this hospital's value."""


def counts_spec(study: Study, cohort: int) -> SumSpec:
    """The sum of all hospitals' counts.

    Args:
        study: the signed study.
        cohort: number of hospitals in the sum's terms.
    """
    return sum_specs.specify(study, "tally", cohort)


def training_spec(
    study: Study, question: Question, layout: Layout, cohort: int, total: int
) -> SumSpec:
    """The sum of all hospitals' changes in the question's round.

    Args:
        study: the signed study.
        question: the question to train.
        layout: of the study's network.
        cohort: number of hospitals in the sum's terms.
        total: sum of all hospitals' weights.

    Raises:
        SecureSumError: the study has no such round, or hospitals are to train unequally.
    """
    if not 1 <= question.round <= study.federation.rounds:
        raise SecureSumError(say("sum.round", round=question.round, rounds=study.federation.rounds))
    # A hospital that trains more than the others stands out of their sum.
    if question.settings.get("repeat", 1) != 1:
        raise SecureSumError(say("sum.repeat"))
    return sum_specs.specify(
        study,
        "train",
        cohort,
        number=question.round,
        model=question.model,
        layout=layout.digest,
        total=total,
        counters=layout.counters,
    )


def scoring_spec(
    study: Study, question: Question, layout: Layout, cohort: int, metrics: Sequence[str]
) -> SumSpec:
    """The sum of all hospitals' metrics of the question's model.

    Args:
        study: the signed study.
        question: the question to evaluate.
        layout: of the study's network.
        cohort: number of hospitals in the sum's terms.
        metrics: the task's.

    Raises:
        SecureSumError: the study has no such round.
    """
    # Round 0 is the start model, which is scored before any training.
    if not 0 <= question.round <= study.federation.rounds:
        raise SecureSumError(
            say("sum.scored_round", round=question.round, rounds=study.federation.rounds)
        )
    return sum_specs.specify(
        study,
        "evaluate",
        cohort,
        number=question.round,
        part=str(question.settings["part"]),
        model=question.model,
        layout=layout.digest,
        metrics=metrics,
    )


def training_lanes(update: Update, part: float) -> Lanes:
    """What is summed beside a change.

    Args:
        update: what training returned.
        part: this hospital's share of all weights.
    """
    lanes = {
        "weight": int(update.weight),
        "steps": update.steps,
        "loss": part * update.loss,
        "seconds": update.seconds,
    }
    return lanes | {sum_specs.counter(name): count for name, count in update.counted.items()}


def metric_lanes(metrics: Mapping[str, float | None], allowed: Sequence[str]) -> Lanes:
    """A hospital's metrics as the lanes of a sum.

    One that is undefined, or that the policy keeps, counts as nothing.

    Args:
        metrics: by name; None where a metric is undefined.
        allowed: those that the policy lets out; empty: all.
    """
    lanes: dict[str, float | int] = {}
    for metric, value in metrics.items():
        if value is not None and math.isfinite(value) and (not allowed or metric in allowed):
            lanes |= {sum_specs.defined(metric): 1, metric: float(value)}
        else:
            lanes |= {sum_specs.defined(metric): 0, metric: 0.0}
    return lanes
