"""What is summed under masks: each kind's lanes, and the spec that both sides work out alone.

A hospital does not take the server's word for a spec (:class:`SumSpec`): it computes the one that
the signed study and the model before it call for, and refuses any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from common.secagg import fixed_point
from common.secagg.messages import SumSpec
from common.study.study import Study
from common.update import Vector

COUNTS = ("train", "validation", "test", "patients", "train_patients", "left_out")
"""What a hospital counts when it joins."""
_TALLY = ("weight", *COUNTS)
_TRAIN = ("weight", "steps", "loss", "seconds")
_EXACT = ("weight", "steps", *COUNTS)
_DEFINED = "defined "
_COUNTER = "counter "
Words = npt.NDArray[Any]


def lanes(kind: str, metrics: Sequence[str] = (), counters: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the lanes of a "tally", "train" or "evaluate" sum.

    ``metrics`` are the task's, ``counters`` the layout's.
    """
    if kind == "evaluate":
        return tuple(name for metric in sorted(metrics) for name in (_DEFINED + metric, metric))
    return _TALLY if kind == "tally" else (*_TRAIN, *map(counter, counters))


def defined(metric: str) -> str:
    """The lane that counts the hospitals where a metric is defined."""
    return _DEFINED + metric


def counter(name: str) -> str:
    """The lane of one of the network's counters."""
    return _COUNTER + name


def is_exact(lane: str) -> bool:
    """Whether a lane holds whole numbers."""
    return lane in _EXACT or lane.startswith((_DEFINED, _COUNTER))


def specify(
    study: Study,
    kind: str,
    cohort: int,
    *,
    number: int = 0,
    part: str = "",
    model: Vector | None = None,
    layout: str = "",
    total: int = 0,
    metrics: Sequence[str] = (),
    counters: Sequence[str] = (),
) -> SumSpec:
    """The one specification of the sum that a question calls for.

    Args:
        study: the study.
        kind: "tally", "train" or "evaluate".
        cohort: number of hospitals in the sum's terms.
        number: round.
        part: part of the data for "evaluate".
        model: the global weights ``[P]`` that come with the question.
        layout: digest of their layout.
        total: sum of all weights, for "train".
        metrics: the task's metric keys, for "evaluate".
        counters: the layout's counters, for "train".
    """
    limit = study.federation.largest_change
    ring = study.secure_aggregation.ring_bits
    return SumSpec(
        kind=kind,
        round=number,
        part=part,
        model=bytes(32)
        if model is None
        else hashlib.sha256(np.ascontiguousarray(model).data.cast("B")).digest(),
        layout=layout,
        size=model.size if kind == "train" and model is not None else 0,
        ring_bits=ring,
        fraction_bits=fixed_point.fraction_bits(limit, cohort, ring),
        limit=limit,
        lanes=lanes(kind, metrics, counters),
        total=total,
    )


def words(spec: SumSpec) -> tuple[npt.NDArray[np.uint8], Words, npt.NDArray[np.uint64]]:
    """An empty vector for a sum: all its bytes, the body's words, the tail's words.

    The last two are views of the first.
    """
    buffer = np.zeros(spec.body_bytes + 8 * spec.tail_words, np.uint8)
    return buffer, *views(spec, buffer)


def views(spec: SumSpec, buffer: npt.NDArray[np.uint8]) -> tuple[Words, npt.NDArray[np.uint64]]:
    """Body and tail of a vector's bytes, as words in the same memory."""
    body = buffer[: spec.body_bytes].view(np.uint32 if spec.ring_bits == 32 else np.uint64)
    return body, buffer[spec.body_bytes :].view(np.uint64)


def fraction(spec: SumSpec) -> float:
    """2^f: units of the ring for one unit of value."""
    return float(2**spec.fraction_bits)
