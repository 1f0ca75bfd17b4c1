"""Fixed point.

Exact to half a unit, never wraps within its promise, refuses what it cannot hold, and two
implementations agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import fixed_point
from common.secagg.fixed_point import (
    BLOCK,
    decode,
    decode_lane,
    decode_plain,
    encode,
    encode_lane,
    fraction_bits,
)

KINDS: list[Any] = [np.uint32, np.uint64]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["32", "64"])


def bits(kind: Any) -> int:
    return 8 * int(np.dtype(kind).itemsize)


def words(values: Any, scale: float, limit: float, kind: Any = np.uint32) -> list[int]:
    values = np.asarray(values, np.float32)
    out = np.full(values.shape, 77, kind)
    encode(values, scale, limit, out)
    return [int(word) for word in out]


@pytest.mark.parametrize(
    ("limit", "ring", "bits"),
    [
        (127, 32, 24),
        (32, 32, 25),
        (31, 32, 26),
        (7, 32, 28),
        (2.0**22, 32, 8),
        (1e-9, 32, 52),
        (32, 64, 52),
        (2048, 64, 51),
        (2047.9, 64, 52),
        ((2**31 - 5) / 2**24, 32, 23),  # ten roundings of half a unit would reach 2^31
        ((2**31 - 5.5) / 2**24, 32, 24),
    ],
)
def test_fraction_bits(limit: float, ring: int, bits: int) -> None:
    assert fraction_bits(limit, 10, ring) == bits


@given(st.floats(2.0**-30, 2.0**22), st.integers(1, 1000), st.sampled_from([32, 64]))
def test_fraction_bits_are_as_many_as_fit(limit: float, sites: int, ring: int) -> None:
    try:
        bits = fraction_bits(limit, sites, ring)
    except SecureSumError:
        bits = 7

    def fits(number: int) -> bool:
        return bool(Fraction(limit) * 2**number + Fraction(sites, 2) < 2 ** (ring - 1))

    assert bits == 7 or fits(bits)
    assert bits == 52 or not fits(bits + 1)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf, 2.0**24])
def test_limits_without_a_fixed_point(limit: float) -> None:
    with pytest.raises(SecureSumError):
        fraction_bits(limit, 3)


@kinds
def test_halves_go_to_the_even_neighbour_and_negatives_wrap(kind: Any) -> None:
    whole = 1 << bits(kind)
    assert words([0.5, 1.5, 2.5, -0.5, -1.5, -3.0, 0.0, -0.0], 1.0, 4.0, kind) == [
        0,
        2,
        2,
        0,
        whole - 2,
        whole - 3,
        0,
        0,
    ]


@kinds
@given(
    values=st.lists(st.floats(-32, 32, width=32), min_size=1, max_size=30),
    share=st.floats(0, 1),
    data=st.sampled_from([3, 10, 50]),
)
def test_encode_is_the_rounded_float64_product(
    kind: Any, values: list[float], share: float, data: int
) -> None:
    scale = share * 2.0 ** fraction_bits(32.0, data, bits(kind))
    assert words(values, scale, 32.0, kind) == [
        round(value * scale) % (1 << bits(kind)) for value in values
    ]


def test_the_product_is_not_taken_in_float32() -> None:
    scale = 0.3712345678901 * 2**25
    assert words([7.7], scale, 32.0) == [95915549]
    assert round(float(np.float32(7.7) * np.float32(scale))) != 95915549


@kinds
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_every_length(kind: Any, size: int) -> None:
    values = np.random.default_rng(size).uniform(-32, 32, size).astype(np.float32)
    out = np.full(size, 77, kind)
    encode(values, 2.0**20, 32.0, out)
    assert np.array_equal(
        out, np.rint(values.astype(np.float64) * 2.0**20).astype(np.int64).astype(kind)
    )


@kinds
@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, -1])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 32.000004, -32.000004, 3e38])
def test_what_it_cannot_hold_is_refused_wherever_it_stands(
    kind: Any, place: int, value: float
) -> None:
    values = np.ones(2 * BLOCK + 5, np.float32)
    out = np.full(2 * BLOCK + 5, 77, kind)
    values[place] = value
    with pytest.raises(SecureSumError, match="nothing of it is sent"):
        encode(values, 2.0**20, 32.0, out)
    assert not out.any()


def test_the_limit_itself_is_allowed() -> None:
    assert words([32.0, -32.0], 2.0**20, 32.0) == [2**25, 2**32 - 2**25]


@kinds
@pytest.mark.parametrize("sites", [3, 50, 1000])
@pytest.mark.parametrize(
    "limit", [1.0, float(np.nextafter(np.float32(32), np.float32(0))), 32.0, 100.0]
)
def test_sums_at_the_very_limit_do_not_wrap(kind: Any, sites: int, limit: float) -> None:
    f = fraction_bits(limit, sites, bits(kind))
    weights = [7 * i % 31 + 1 for i in range(sites)]
    values = np.array([limit, -limit], np.float32)
    total = np.zeros(2, kind)
    one = np.empty(2, kind)
    for weight in weights:
        encode(values, weight / sum(weights) * 2.0**f, limit, one)
        total += one
    mean = np.empty(2, np.float32)
    decode(total, 2.0**-f, mean)
    assert mean.tolist() == pytest.approx(
        values.tolist(), abs=(sites / 2 + 1) * 2.0**-f + limit * 1e-7
    )


@pytest.mark.parametrize("scale", [math.nan, math.inf, -1.0, -0.25, 2.0**31, 2.0**31 - 0.3])
def test_a_scale_that_does_not_fit_is_refused(scale: float) -> None:
    with pytest.raises(SecureSumError, match="do not fit"):
        words([0.0], scale, 1.0)


@pytest.mark.parametrize(
    ("values", "out"),
    [
        (np.zeros(3, np.float32), np.zeros(2, np.uint32)),
        (np.zeros(3, np.float32), np.zeros(4, np.uint32)),
        (np.zeros(3, np.float64), np.zeros(3, np.uint32)),
        (np.zeros((3, 1), np.float32), np.zeros((3, 1), np.uint32)),
        (np.zeros(3, np.float32), np.zeros(3, np.int32)),
        (np.zeros(3, np.float32), np.zeros(3, np.uint16)),
    ],
)
def test_vectors_and_words_that_do_not_match(values: Any, out: Any) -> None:
    with pytest.raises(SecureSumError):
        encode(values, 1.0, 1.0, out)
    with pytest.raises(SecureSumError):
        decode(out, 1.0, values)


@kinds
@given(data=st.data(), scale=st.floats(2.0**-60, 2.0**10))
def test_two_decoders_agree(kind: Any, data: st.DataObject, scale: float) -> None:
    drawn = data.draw(st.lists(st.integers(0, (1 << bits(kind)) - 1), min_size=1, max_size=40))
    out = np.empty(len(drawn), np.float32)
    decode(np.array(drawn, kind), scale, out)
    assert np.array_equal(out, np.array(decode_plain(drawn, scale, bits(kind))).astype(np.float32))


@pytest.mark.parametrize("size", [1, BLOCK, 2 * BLOCK + 3])
def test_decode_works_in_the_words_own_memory(size: int) -> None:
    drawn = np.random.default_rng(1).integers(0, 2**32, size, np.uint32)
    apart = np.empty(size, np.float32)
    decode(drawn, 2.0**-25, apart)
    decode(drawn, 2.0**-25, drawn.view(np.float32))
    assert np.array_equal(drawn.view(np.float32), apart)


@given(st.integers(0, 2**53 - 1))
def test_a_counted_lane_is_exact(count: int) -> None:
    assert decode_lane(encode_lane(count, True), True) == count


@given(st.floats(-(2.0**23), 2.0**23, exclude_min=True, exclude_max=True))
def test_a_measured_lane_is_right_to_half_a_unit(value: float) -> None:
    assert abs(
        Fraction(decode_lane(encode_lane(value, False), False)) - Fraction(value)
    ) <= Fraction(1, 2 ** (fixed_point.LANE_BITS + 1))


@pytest.mark.parametrize(
    ("value", "exact"),
    [(2**53 - 1, True), (2.0**23 - 2.0**-20, False), (-(2.0**23) + 2.0**-20, False)],
)
def test_a_thousand_of_the_largest_lanes_do_not_wrap(value: float, exact: bool) -> None:
    assert decode_lane(1000 * encode_lane(value, exact) % 2**64, exact) == 1000 * value


REFUSED: list[Callable[[], int]] = [
    lambda: encode_lane(-1, True),
    lambda: encode_lane(2**53, True),
    lambda: encode_lane(1.5, True),
    lambda: encode_lane(math.nan, True),
    lambda: encode_lane(math.inf, True),
    lambda: encode_lane(math.nan, False),
    lambda: encode_lane(-math.inf, False),
    lambda: encode_lane(2.0**23, False),
    lambda: encode_lane(-(2.0**23), False),
]


@pytest.mark.parametrize("made", REFUSED)
def test_what_no_lane_holds(made: Callable[[], int]) -> None:
    with pytest.raises(SecureSumError) as caught:
        made()
    assert not any(
        digit in str(caught.value) for digit in ("1.5", "nan", "inf")
    )  # the value is a hospital's
