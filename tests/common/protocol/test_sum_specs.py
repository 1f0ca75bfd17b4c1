"""Orders that both sides work out, and the words of a vector."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from common.errors import SecureSumError
from common.protocol import sum_specs
from common.secagg.messages import CANARIES
from common.study.sections import SecureAggregation
from tests.benchmarks import null

STUDY = replace(null.study(3), secure_aggregation=SecureAggregation(enabled=True))
MODEL = np.arange(5, dtype=np.float32)


def test_the_lanes_of_each_kind() -> None:
    assert sum_specs.lanes("tally") == (
        "weight",
        "train",
        "validation",
        "test",
        "patients",
        "train_patients",
        "left_out",
    )
    assert sum_specs.lanes("train") == ("weight", "steps", "loss", "seconds")
    assert sum_specs.lanes("train", counters=["a", "b"])[4:] == (
        sum_specs.counter("a"),
        sum_specs.counter("b"),
    )
    assert sum_specs.lanes("evaluate", ["hd95", "dice"]) == (
        "defined dice",
        "dice",
        "defined hd95",
        "hd95",
    )


def test_counts_are_exact_and_measures_are_not() -> None:
    exact = {
        lane
        for kind in ("tally", "train", "evaluate")
        for lane in sum_specs.lanes(kind, ["dice"], ["batches"])
        if sum_specs.is_exact(lane)
    }
    assert exact == {"weight", *sum_specs.COUNTS, "steps", "defined dice", "counter batches"}


def test_a_metric_called_like_a_count_would_not_be_taken_for_one() -> None:
    assert sum_specs.defined("dice") != "dice" and not sum_specs.is_exact("dice")


def test_an_order_is_worked_out_alike_on_both_sides() -> None:
    made = [
        sum_specs.specify(STUDY, "train", 4, number=2, model=model, layout="x", total=9)
        for model in (MODEL, MODEL.copy())
    ]
    assert made[0] == made[1]
    assert (
        made[0].kind,
        made[0].round,
        made[0].size,
        made[0].total,
        made[0].limit,
        made[0].ring_bits,
    ) == ("train", 2, 5, 9, 32.0, 32)
    assert made[0].model == hashlib.sha256(MODEL.tobytes()).digest()


def test_a_model_in_another_memory_order_is_the_same_model() -> None:
    strided = np.repeat(MODEL, 2)[::2]
    assert not strided.flags.c_contiguous
    assert (
        sum_specs.specify(STUDY, "train", 4, model=strided).model
        == sum_specs.specify(STUDY, "train", 4, model=MODEL).model
    )


def test_one_bit_of_the_model_makes_another_order() -> None:
    first = sum_specs.specify(STUDY, "train", 3, number=1, model=MODEL)
    other = MODEL.copy()
    other.view(np.uint32)[4] ^= 1
    assert sum_specs.specify(STUDY, "train", 3, number=1, model=other).digest != first.digest


@pytest.mark.parametrize("kind", ["tally", "evaluate"])
def test_only_training_has_a_body(kind: str) -> None:
    made = sum_specs.specify(STUDY, kind, 3, model=None if kind == "tally" else MODEL)
    assert made.size == 0 and made.body_bytes == 0
    assert sum_specs.specify(STUDY, "tally", 3).model == bytes(32)


@pytest.mark.parametrize(("ring_bits", "bytes_"), [(32, 4), (64, 8)])
def test_the_words_lie_in_one_piece_of_memory(ring_bits: int, bytes_: int) -> None:
    study = replace(STUDY, secure_aggregation=SecureAggregation(enabled=True, ring_bits=ring_bits))
    about = sum_specs.specify(study, "train", 3, model=MODEL)
    buffer, body, tail = sum_specs.words(about)
    assert buffer.nbytes == 5 * bytes_ + 8 * (CANARIES + 4) and not buffer.any()
    body[:], tail[:] = 1, 2
    assert body.dtype.itemsize == bytes_ and buffer[0] == 1 and buffer[5 * bytes_] == 2
    assert [part.tolist() for part in sum_specs.views(about, buffer)] == [[1] * 5, [2] * 8]


def test_a_change_too_large_for_the_ring_is_refused() -> None:
    study = replace(STUDY, federation=replace(STUDY.federation, largest_change=1e7))
    with pytest.raises(SecureSumError, match="fraction bits"):
        sum_specs.specify(study, "train", 3, model=MODEL)
