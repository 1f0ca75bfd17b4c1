"""One tuple of stages, forwards at the hospital and backwards at the server.

What comes back is the mean, to the bit of the plain formula.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common import privacy
from common.errors import SecureSumError
from common.privacy import pipeline
from common.privacy.clipping import Clip
from common.privacy.sealing import Encode, MaskStage, Weigh
from common.privacy.stage import ChangeStage, Opened, Rules, Sending
from common.protocol import sum_specs
from common.secagg import fixed_point
from common.secagg.mask_streams import BLOCK, Pad
from common.secagg.messages import SumSpec

WEIGHTS = (100, 200, 300)
SIZES = (0, 1, 5, BLOCK // 8 + 3)
FOLDER = Path(privacy.__file__).parent


def spec(size: int, ring_bits: int = 32, total: int = 600) -> SumSpec:
    return SumSpec(
        "train",
        1,
        "",
        bytes(32),
        "x",
        size,
        ring_bits,
        fixed_point.fraction_bits(32.0, 3, ring_bits),
        32.0,
        (),
        total,
    )


def seed(number: int) -> bytes:
    return bytes([number]) * 32


def kind(ring_bits: int) -> Any:
    return np.uint32 if ring_bits == 32 else np.uint64


def changes(size: int) -> list[np.ndarray]:
    return [
        np.random.default_rng(i).normal(0, 0.05, size).astype(np.float32)
        for i in range(len(WEIGHTS))
    ]


def serial(size: int, work: Callable[[int, int], Any]) -> Any:
    return work(0, size)


def in_parts(size: int, work: Callable[[int, int], Any]) -> Any:
    edges = [size * i // 3 for i in range(4)]
    return [work(start, end) for start, end in itertools.pairwise(edges)]


def test_what_is_done_once_comes_before_what_every_sum_does_and_the_mask_is_last() -> None:
    once = [isinstance(stage, ChangeStage) for stage in pipeline.STAGES]
    assert once == sorted(once, reverse=True) and True in once
    assert [type(stage) for stage in pipeline.STAGES] == [Clip, Weigh, Encode, MaskStage]


@pytest.mark.parametrize("ring_bits", [32, 64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("each", [serial, in_parts])
def test_there_and_back_is_the_weighted_mean_to_the_bit(
    size: int, ring_bits: int, each: Any
) -> None:
    about = spec(size, ring_bits)
    words = np.zeros(size, kind(ring_bits))
    plain = np.zeros(size, kind(ring_bits))
    for i, (values, weight) in enumerate(zip(changes(size), WEIGHTS, strict=True)):
        sent = np.empty(size, words.dtype)
        bare = np.empty(size, words.dtype)
        pipeline.seal(values, Sending(about, weight / about.total, Pad([(seed(i), 1)])), sent)
        fixed_point.encode(
            values, weight / about.total * sum_specs.fraction(about), about.limit, bare
        )
        words += sent
        plain += bare
    expected = np.empty(size, np.float32)
    fixed_point.decode(plain, about.total / 600 / sum_specs.fraction(about), expected)
    mean = pipeline.opened(words, Opened(about, 600, [(seed(i), -1) for i in range(3)], each))
    assert mean.tobytes() == expected.tobytes()
    exact = np.average(np.array(changes(size), np.float64), axis=0, weights=WEIGHTS)
    assert float(np.abs(mean - exact).max(initial=0.0)) < 2e-7


@pytest.mark.parametrize("weight", [100, 299, 600])
def test_those_who_answered_weigh_as_much_as_they_are(weight: int) -> None:
    about = spec(9)
    words = np.empty(9, np.uint32)
    pipeline.seal(
        np.full(9, 0.75, np.float32),
        Sending(about, weight / about.total, Pad([(seed(1), 1)])),
        words,
    )
    mean = pipeline.opened(words, Opened(about, weight, [(seed(1), -1)], serial))
    assert np.allclose(mean, 0.75, atol=1e-6)


def test_it_is_what_encoding_and_adding_the_masks_make() -> None:
    about = spec(70_001)
    [values, *_] = changes(70_001)
    one = np.empty(70_001, np.uint32)
    two = np.empty(70_001, np.uint32)
    pipeline.seal(values, Sending(about, 0.3, Pad([(seed(1), 1), (seed(2), -1)])), one)
    fixed_point.encode(values, 0.3 * sum_specs.fraction(about), about.limit, two)
    Pad([(seed(1), 1), (seed(2), -1)]).add(two)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("value", [np.nan, np.inf, 32.5])
@pytest.mark.parametrize("place", [0, fixed_point.BLOCK, -1])
def test_nothing_is_left_of_a_change_that_is_refused(value: float, place: int) -> None:
    values = np.ones(2 * fixed_point.BLOCK + 5, np.float32)
    values[place] = value
    out = np.full(values.size, 77, np.uint32)
    with pytest.raises(SecureSumError, match="nothing of it is sent"):
        pipeline.seal(values, Sending(spec(values.size), 0.3, Pad([(seed(1), 1)])), out)
    assert not out.any()


def test_without_a_mask_nothing_is_sealed_and_nothing_is_read() -> None:
    out = np.full(4, 77, np.uint32)
    with pytest.raises(SecureSumError, match="without a mask"):
        pipeline.seal(np.ones(4, np.float32), Sending(spec(4), 0.3, Pad([])), out)
    with pytest.raises(SecureSumError, match="before its masks are known"):
        pipeline.opened(out, Opened(spec(4), 600, [], serial))
    assert (out == 77).all()


@pytest.mark.parametrize(
    "out", [np.zeros(5, np.uint32), np.zeros(4, np.int32), np.zeros((2, 2), np.uint32)]
)
def test_a_change_and_its_words_have_one_length(out: np.ndarray) -> None:
    with pytest.raises(SecureSumError):
        pipeline.seal(np.ones(4, np.float32), Sending(spec(4), 0.3, Pad([(seed(1), 1)])), out)


def test_a_change_is_clipped_and_the_mean_is_left_as_it_is() -> None:
    change = np.full(4, 2.0, np.float32)
    assert pipeline.altered(change, Rules(2.0)) == {"clipped": {"norm": 4.0, "allowed": 2.0}}
    assert np.allclose(change, 1.0, rtol=1e-5)
    assert pipeline.restored(change) is change


def test_no_stage_reads_a_file_a_clock_or_chance() -> None:
    read = {
        name.split(".")[0]
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert read == {
        "__future__",
        "abc",
        "collections",
        "common",
        "dataclasses",
        "math",
        "numpy",
        "typing",
    }
