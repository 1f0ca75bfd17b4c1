"""Masks.

The sum of keystreams word for word, the same however it is cut, and nothing in a sum over all;
unmasked words never leave by mistake.
"""

from __future__ import annotations

import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import fixed_point, mask_streams
from common.secagg.mask_streams import BLOCK, Pad
from common.secagg.primitives import Keystream
from tests.common.secagg.sealing import seal

SEEDS = [(bytes([i]) * 32, 1 if i % 3 else -1) for i in range(5)]
KINDS: list[Any] = [np.uint32, np.uint64]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["32", "64"])


def plain(seeds: list[tuple[bytes, int]], length: int, kind: Any, skip: int = 0) -> list[int]:
    """The sum of whole keystreams in plain whole numbers."""
    width = np.dtype(kind).itemsize
    total = [0] * length
    for seed, sign in seeds:
        raw = bytearray(skip + length * width)
        Keystream(seed).into(raw)
        for i in range(length):
            total[i] += sign * int.from_bytes(
                raw[skip + i * width : skip + (i + 1) * width], "little"
            )
    return [value % (1 << 8 * width) for value in total]


def mask(pad: Pad, length: int, kind: Any) -> Any:
    words = np.zeros(length, kind)
    pad.add(words)
    return words


@kinds
@pytest.mark.parametrize("length", [0, 1, 3, 1000])
def test_a_pad_is_the_sum_of_its_keystreams(kind: Any, length: int) -> None:
    assert mask(Pad(SEEDS), length, kind).tolist() == plain(SEEDS, length, kind)


@kinds
def test_what_is_there_is_added_to(kind: Any) -> None:
    words = np.arange(50, dtype=kind)
    Pad(SEEDS).add(words)
    assert np.array_equal(words - mask(Pad(SEEDS), 50, kind), np.arange(50, dtype=kind))


@kinds
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, BLOCK // 3), max_size=5))
def test_a_pad_goes_on_where_it_stopped(kind: Any, cuts: list[int]) -> None:
    pad = Pad(SEEDS)
    whole = mask(Pad(SEEDS), sum(cuts), kind)
    parts = [mask(pad, cut, kind) for cut in cuts]
    assert np.array_equal(np.concatenate([*parts, np.zeros(0, kind)]), whole)


@pytest.mark.parametrize("body", [0, 1, 2, 3, 4, 1001])
def test_the_tail_goes_on_after_the_body_to_the_byte(body: int) -> None:
    pad = Pad(SEEDS)
    pad.add(np.zeros(body, np.uint32))
    assert mask(pad, 6, np.uint64).tolist() == plain(SEEDS, 6, np.uint64, skip=4 * body)


@kinds
@pytest.mark.parametrize("offset", [0, 16, 4096, BLOCK + 16])
def test_a_pad_begins_where_it_is_told(kind: Any, offset: int) -> None:
    width = np.dtype(kind).itemsize
    whole = mask(Pad(SEEDS), offset // width + 40, kind)
    assert np.array_equal(mask(Pad(SEEDS, offset), 40, kind), whole[offset // width :])


def test_threads_with_a_pad_each_make_the_same() -> None:
    whole = mask(Pad(SEEDS), 4 * BLOCK, np.uint32)
    parts = np.zeros(4 * BLOCK, np.uint32)
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda i: Pad(SEEDS, 4 * i * BLOCK).add(parts[i * BLOCK : (i + 1) * BLOCK]),
                range(4),
            )
        )
    assert np.array_equal(parts, whole)


@kinds
def test_opposite_signs_cancel(kind: Any) -> None:
    words = np.arange(BLOCK, dtype=kind)
    Pad(SEEDS).add(words)
    Pad([(seed, -sign) for seed, sign in SEEDS]).add(words)
    assert np.array_equal(words, np.arange(BLOCK, dtype=kind))


@kinds
def test_a_whole_cohort_sums_to_the_weighted_mean(kind: Any) -> None:
    """Five hospitals.

    Pair masks cancel, own masks are taken off by the server, and what is left is the mean.
    """
    sites = 5
    size = 70_001
    ring = 8 * np.dtype(kind).itemsize
    generator = np.random.default_rng(3)
    weights = np.array([1.0, 5000.0, 7.0, 321.0, 64.0])
    values = [generator.normal(0, 0.05, size).astype(np.float32) for _ in range(sites)]
    pair = {(a, b): bytes([16 * a + b]) * 32 for a in range(sites) for b in range(a + 1, sites)}
    own = [bytes([200 + a]) * 32 for a in range(sites)]
    f = fixed_point.fraction_bits(32.0, sites, ring)
    total = np.zeros(size, kind)
    sent = np.empty(size, kind)
    for a in range(sites):
        seeds = [
            (own[a], 1),
            *(
                (seed, 1 if low == a else -1)
                for (low, high), seed in pair.items()
                if a in (low, high)
            ),
        ]
        seal(values[a], weights[a] / weights.sum() * 2.0**f, 32.0, Pad(seeds), sent)
        total += sent
    Pad([(seed, -1) for seed in own]).add(total)
    mean = np.empty(size, np.float32)
    fixed_point.decode(total, 2.0**-f, mean)
    exact = sum(
        w * v.astype(np.float64) for w, v in zip(weights / weights.sum(), values, strict=True)
    )
    rounded = 2.0**-24 * np.abs(exact).max()  # float32 itself
    assert np.abs(mean - exact).max() <= sites / 2 * 2.0**-f + 1.001 * rounded


@kinds
@pytest.mark.parametrize(
    "size", [0, 1, fixed_point.BLOCK, BLOCK // 8 + 1, 3 * fixed_point.BLOCK + 5]
)
def test_sealing_is_encoding_and_adding(kind: Any, size: int) -> None:
    values = np.random.default_rng(size).uniform(-32, 32, size).astype(np.float32)
    apart = np.empty(size, kind)
    once = np.empty(size, kind)
    pad = Pad(SEEDS)
    fixed_point.encode(values, 2.0**20, 32.0, apart)
    seal(values, 2.0**20, 32.0, Pad(SEEDS), once)
    (again := Pad(SEEDS)).add(apart)
    assert np.array_equal(once, apart)
    seal(values, 2.0**20, 32.0, pad, once)
    assert np.array_equal(mask(pad, 9, np.uint64), mask(again, 9, np.uint64))


@kinds
@pytest.mark.parametrize("place", [0, fixed_point.BLOCK, -1])
@pytest.mark.parametrize("value", [math.nan, math.inf, 32.5])
def test_nothing_is_left_of_a_vector_that_is_refused(kind: Any, place: int, value: float) -> None:
    values = np.ones(2 * fixed_point.BLOCK + 5, np.float32)
    values[place] = value
    out = np.full(values.size, 77, kind)
    with pytest.raises(SecureSumError, match="nothing of it is sent"):
        seal(values, 2.0**20, 32.0, Pad(SEEDS), out)
    assert not out.any()


def test_nothing_is_sealed_without_a_mask() -> None:
    out = np.zeros(4, np.uint32)
    with pytest.raises(SecureSumError, match="without a mask"):
        seal(np.ones(4, np.float32), 2.0**20, 32.0, Pad([]), out)
    assert not out.any()


def test_what_is_no_pad() -> None:
    for seeds, offset in (
        ([(b"short", 1)], 0),
        ([(bytes(32), 0)], 0),
        ([(bytes(32), 2)], 0),
        ([(bytes(32), 1)], 8),
    ):
        with pytest.raises(SecureSumError):
            Pad(seeds, offset)
    for wrong in (np.zeros(4, np.int32), np.zeros(4, np.float32), np.zeros(4, np.uint8)):
        with pytest.raises(SecureSumError, match="uint32 or uint64"):
            Pad(SEEDS).add(wrong)
        with pytest.raises(SecureSumError):
            seal(np.zeros(4, np.float32), 1.0, 1.0, Pad(SEEDS), wrong)
    with pytest.raises(SecureSumError):
        seal(np.zeros(4, np.float32), 1.0, 1.0, Pad(SEEDS), np.zeros(3, np.uint32))


def test_a_masked_vector_looks_like_chance() -> None:
    """Bytes of a constant vector under one mask.

    Chi-square with 255 degrees of freedom, far inside what chance gives (p = 1e-6 is at 373).
    """
    out = np.empty(1 << 20, np.uint32)
    seal(np.full(out.size, 0.25, np.float32), 2.0**25, 32.0, Pad([(b"\x07" * 32, 1)]), out)
    seen = np.bincount(out.view(np.uint8), minlength=256)
    expected = out.nbytes / 256
    assert ((seen - expected) ** 2 / expected).sum() < 373
    assert np.unique(out).size > out.size * 0.999


def test_memory_does_not_grow_with_the_vector() -> None:
    values = np.zeros(1 << 22, np.float32)
    out = np.zeros(1 << 22, np.uint32)
    tracemalloc.start()
    seal(values, 1.0, 1.0, Pad(SEEDS), out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20 < out.nbytes / 8
    assert mask_streams.BLOCK <= 1 << 18
