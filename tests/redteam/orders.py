"""Attacks through what is asked for.

A changed order, another network, an update without masks, numbers in clear, and what refusals give
away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from client.policy.policy import Policy
from client.secagg import participation
from client.worker import expected_sums, outbox, refusals
from client.worker import worker as workers
from client.worker.engine import Engine
from client.worker.worker import Worker
from common import networks
from common.errors import SecureSumError
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from common.secagg import fixed_point
from common.secagg.messages import SumSpec
from common.sentences.table import say
from common.study import study as studies
from common.study.study import Study
from common.trust import study_signature
from common.update import Layout
from tests.redteam.attack import Attack, both, changed, replaced
from tests.redteam.drive import Sum
from tests.redteam.repetition import alike, own_change, scored
from tests.redteam.stage import NAMES, PATIENTS, VICTIM, RefusedError, Stage

TOTAL = sum(PATIENTS.values())


def _round(held: Sum, number: int = 1, **fields: Any) -> tuple[SumSpec, dict[str, Any]]:
    """A round's order with some of its fields changed, and the question that goes with it."""
    study = held.stage.study
    layout, model, _ = networks.start_weights(study, held.stage.folder)
    spec = sum_specs.specify(
        study,
        "train",
        4,
        number=number,
        model=model,
        layout=layout.digest,
        total=TOTAL,
        counters=layout.counters,
    )
    return replace(spec, **fields), {"round": number, "model": model, "layout": layout.digest}


def changed_order(**fields: Any) -> Callable[[Stage], bool]:
    """The victim masks its change for an order that its study does not call for."""

    def play(stage: Stage) -> bool:
        held = Sum(stage).keys().deal()
        spec, question = _round(held, **fields)
        held.vector(VICTIM, spec, **question)
        return VICTIM in held.vectors

    return play


def round_of_none(stage: Stage) -> bool:
    """A round after the study's last."""
    held = Sum(stage).keys().deal()
    spec, question = _round(held, 9)
    held.vector(VICTIM, spec, **question)
    return VICTIM in held.vectors


def imprint(stage: Stage) -> bool:
    """Another network than in the signed study.

    A wide first layer that would copy single images into its weights.
    """
    stage.signed = stage.study
    stage.table["model"] = {**stage.table["model"], "channels": [64, 8]}
    held = Sum(stage).keys().deal()
    spec, question = _round(held)
    held.vector(VICTIM, spec, **question)
    return VICTIM in held.vectors


def other_layout(stage: Stage) -> bool:
    """Weights of another network under the signed study."""
    held = Sum(stage).keys().deal()
    wide = studies.parse({**stage.table, "model": {**stage.table["model"], "channels": [64, 8]}})
    layout, model, _ = networks.start_weights(wide, stage.folder)
    spec = sum_specs.specify(
        stage.study,
        "train",
        4,
        number=1,
        model=model,
        layout=layout.digest,
        total=TOTAL,
        counters=layout.counters,
    )
    held.vector(VICTIM, spec, round=1, model=model, layout=layout.digest)
    return VICTIM in held.vectors


def plain_update(stage: Stage) -> bool:
    """A round without any message of a secure sum, although the study has secure aggregation."""
    Sum(stage).keys().deal()
    layout, model, _ = networks.start_weights(stage.study, stage.folder)
    reply = stage.ask(VICTIM, "train", round=1, model=model, layout=layout.digest)
    return reply.delta is not None and not reply.secure


def switched_off(signed: bool) -> Callable[[Stage], bool]:
    """The study has no secure aggregation, signed so by the coordinator or changed later."""

    def play(stage: Stage) -> bool:
        stage.signed = None if signed else stage.study
        stage.table["secure_aggregation"] = {"enabled": False}
        layout, model, _ = networks.start_weights(stage.study, stage.folder)
        return (
            stage.ask(VICTIM, "train", round=1, model=model, layout=layout.digest).delta is not None
        )

    return play


def _evaluated(stage: Stage) -> dict[str, Any]:
    layout, model, _ = networks.start_weights(stage.study, stage.folder)
    reply = stage.ask(
        VICTIM, "evaluate", model=model, layout=layout.digest, settings={"part": "all"}
    )
    return dict(reply.values)


def stands_out(stage: Stage) -> bool:
    """The victim alone is asked to train two hundred times as long.

    The sum is then its change and little else.
    """
    held = Sum(stage).keys().deal()
    spec, question = _round(held)
    for name in NAMES:
        held.vector(name, spec, **question, settings={"repeat": 200 if name == VICTIM else 1})
    held.open(NAMES)
    return alike(held.body(NAMES), own_change(stage), 0.98)


def largest_value(stage: Stage) -> bool:
    """A signed study allows next to no change; the refusal says how large the victim's is."""
    stage.table["federation"] = {**stage.table["federation"], "largest_change": 1e-6}
    held = Sum(stage).keys().deal()
    spec, question = _round(held)
    try:
        held.vector(VICTIM, spec, **question)
    except RefusedError as refusal:
        if f"{float(np.abs(own_change(stage)).max()):.3g}" in str(refusal):
            return True
        raise
    return False


def clear_metrics(stage: Stage) -> bool:
    """A hospital's own scores, without masks."""
    return "metrics" in _evaluated(stage)


def metrics_beside(stage: Stage) -> bool:
    """A hospital's own scores, beside the masked ones."""
    _, model, _ = networks.start_weights(stage.study, stage.folder)
    held = Sum(stage)
    scored(held, NAMES, model, intervals=True)
    return any(
        set(reply.values) & {"metrics", "images", "patients"} for reply in stage.answers[VICTIM]
    )


def clear_counts(stage: Stage) -> bool:
    """A hospital's own counts, as it joins."""
    return "patients" in stage.ask(VICTIM, "join").values


def round_in_clear(stage: Stage) -> bool:
    """A hospital's own weight, steps or loss, beside its masked change."""
    held = Sum(stage).keys().deal()
    spec, question = _round(held)
    held.vector(VICTIM, spec, **question)
    return bool(set(stage.answers[VICTIM][-1].values) - {"notes", "head"})


def counts_with_metrics(stage: Stage) -> bool:
    """The policy lets metrics leave and keeps counts; the scores are asked for in clear."""
    stage.policy = Policy(share_metrics=True, approval=False, floor=0)
    return _evaluated(stage).get("patients") == PATIENTS[VICTIM]


def too_few_patients(stage: Stage) -> bool:
    """A signed study asks for a million patients; the refusal says how many there are."""
    stage.table["data"] = {**stage.table["data"], "min_patients": 1_000_000}
    try:
        stage.ask(VICTIM, "join")
    except RefusedError as refusal:
        if re.search(rf"\b{PATIENTS[VICTIM]}\b", str(refusal)):
            return True
        raise
    return False


def probed(stage: Stage) -> bool:
    """The victim's weight, halving an interval.

    A total below its weight is refused in other words than another wrong field of the order.
    """
    held = Sum(stage).keys().deal()
    right, question = _round(held)
    seen: dict[int, str] = {}
    low = 1
    high = 1 << 20
    while low < high:
        middle = (low + high) // 2
        seen[middle] = _said(held, replace(right, total=middle, limit=1.0), question)
        low, high = (
            (middle + 1, high)
            if seen[middle] != _said(held, replace(right, total=1 << 30, limit=1.0), question)
            else (low, middle)
        )
    [worker] = [w for w in workers._workers.values() if w._site.name == VICTIM]
    if len(set(seen.values())) == 1:
        raise RefusedError(VICTIM, seen[low] if low in seen else next(iter(seen.values())))
    return low == worker._data.weight


def _said(held: Sum, spec: SumSpec, question: dict[str, Any]) -> str:
    try:
        held.vector(VICTIM, spec, **question)
    except RefusedError as refusal:
        return str(refusal)
    return ""


_ANY_ORDER = changed(participation.Participation, "prepare", ("if spec != expected:", "if False:"))
_ANY_SIZE = changed(
    participation.Participation,
    "seal",
    ("pipeline.seal(values,", "pipeline.seal(np.resize(values, body.size),"),
)
_UNLOADED = replaced(Engine, "load", lambda self, question: networks.pack(self.trainer.network))
_UNSIGNED_STUDY = changed(
    study_signature, "_check", ("if statement.study != study_digest:", "if False:")
)
_ALL_SHOWN = changed(
    outbox,
    "_shown",
    (
        "return {switch for switch, yes in allowed.items() if yes and enough}",
        "return {COUNTS, METRICS}",
    ),
)
_UNMASKED_SCORES = changed(
    Worker,
    "_evaluate",
    ("if secure and not question.secure and not policy.share_metrics:", "if False:"),
)
_ANY_VECTOR = changed(
    outbox, "_check_vector", ('if context.secure or context.question.kind != "train":', "if False:")
)
_PLAIN = changed(
    Policy,
    "check",
    ("if not study.secure_aggregation.enabled and not self.plain_updates:", "if False:"),
)
_MASKED_ONLY = changed(
    Worker, "_train", ("if not self._study.secure_aggregation.enabled:", "if not question.secure:")
)
_SPEC = expected_sums.training_spec


def _telling_spec(
    study: Study, question: Question, layout: Layout, cohort: int, total: int
) -> SumSpec:
    [victim] = [w for w in workers._workers.values() if w._site.name == VICTIM]
    if total < victim._data.weight:
        raise SecureSumError("The total is less than this hospital's own weight.")
    return _SPEC(study, question, layout, cohort, total)


def _telling_block(self: fixed_point.Encoder, values: Any, out: Any) -> None:
    raise SecureSumError(say("sum.too_large", limit=float(np.abs(values).max())))


_ANY_REPEAT = changed(
    expected_sums,
    "training_spec",
    ('if question.settings.get("repeat", 1) != 1:', "if False:"),
)
_BENT: tuple[dict[str, Any], ...] = (
    {"limit": 1.0},
    {"fraction_bits": 8},
    {"ring_bits": 64},
    {"lanes": ("weight",)},
    {"layout": "0" * 64},
    {"model": bytes(32)},
    {"part": "test"},
)

ATTACKS = (
    *(
        Attack(f"changed order: {next(iter(bent))}", changed_order(**bent), _ANY_ORDER)
        for bent in _BENT
    ),
    Attack("changed order: size", changed_order(size=1), both(_ANY_ORDER, _ANY_SIZE)),
    Attack(
        "a round after the last",
        round_of_none,
        changed(
            expected_sums,
            "training_spec",
            ("if not 1 <= question.round <= study.federation.rounds:", "if False:"),
        ),
    ),
    Attack("imprint: another network than the signed study's", imprint, _UNSIGNED_STUDY),
    Attack(
        "imprint: another network's weights", other_layout, both(_ANY_ORDER, _ANY_SIZE, _UNLOADED)
    ),
    Attack("a round without masks", plain_update, both(_MASKED_ONLY, _ANY_VECTOR)),
    Attack("secure aggregation switched off in a signed study", switched_off(signed=True), _PLAIN),
    Attack(
        "secure aggregation switched off on the way",
        switched_off(signed=False),
        both(_PLAIN, _UNSIGNED_STUDY),
    ),
    Attack("one hospital trains longer and stands out of the sum", stands_out, _ANY_REPEAT),
    Attack(
        "the change's largest value from a refusal",
        largest_value,
        replaced(fixed_point.Encoder, "block", _telling_block),
    ),
    Attack("scores in clear", clear_metrics, both(_UNMASKED_SCORES, _ALL_SHOWN)),
    Attack("scores beside masked ones", metrics_beside, _ALL_SHOWN, speaks=False),
    Attack("counts in clear", clear_counts, _ALL_SHOWN, speaks=False),
    Attack("a round's weight in clear", round_in_clear, _ALL_SHOWN, speaks=False),
    Attack(
        "counts beside scores that may leave",
        counts_with_metrics,
        _ALL_SHOWN,
        speaks=False,
    ),
    Attack(
        "counts from a refusal: too few patients",
        too_few_patients,
        replaced(refusals, "_public", lambda site, error, study: error.sentence),
    ),
    Attack(
        "weight from refusals: probing the total",
        probed,
        replaced(expected_sums, "training_spec", _telling_spec),
    ),
)
