"""How exact a sum is, with every mask on and off again; what is never encoded.

And that a sum at the very limit does not wrap.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import fixed_point, mask_streams
from common.secagg.mask_streams import Pad
from tests.common.secagg.sealing import seal
from tests.common.secagg.world import World, secret

SIZE = 200_000
LIMIT = 32.0
KINDS: dict[int, Any] = {32: np.uint32, 64: np.uint64}
rings = pytest.mark.parametrize("bits", [32, 64])


def patients(world: World) -> World:
    """10 hospitals of 1 to 5,000 patients."""
    counts = np.geomspace(1, 5000, len(world.names)).round().astype(int).tolist()
    world.weights = dict(zip(world.names, counts, strict=True))
    world.spec = dataclasses.replace(world.spec, total=sum(counts))
    return world


@pytest.mark.parametrize(("bits", "goal"), [(32, 2.5e-7), (64, 3e-8)])
def test_ten_hospitals_of_very_different_size(bits: int, goal: float) -> None:
    world = patients(World(10, size=SIZE, ring_bits=bits, limit=LIMIT))
    opened = world.run()
    error = np.abs(opened.mean - world.plain_mean(world.names))
    assert min(world.weights.values()) == 1 and max(world.weights.values()) == 5000
    assert 0 < float(error.max()) <= goal


def test_the_largest_hospital_dropped_out() -> None:
    """What is left is a tenth of a part in all.

    The step of the fixed point grows with total over weight, and no more.
    """
    world = patients(World(10, size=SIZE // 10, limit=LIMIT))
    there = world.names[:-1]
    opened = world.opened(world.revelations(world.confirmations(world.run("vectors"), there)))
    step = (
        world.spec.total
        / sum(world.weights[name] for name in there)
        / 2.0**world.spec.fraction_bits
    )
    assert (
        float(np.abs(opened.mean - world.plain_mean(there)).max()) <= len(there) / 2 * step + 1e-8
    )


@rings
def test_the_body_is_the_sum_of_what_was_encoded_to_the_last_bit(bits: int) -> None:
    """Masks leave nothing behind: whole numbers, compared as whole numbers."""
    world = World(5, size=1001, ring_bits=bits)
    opened = world.run()
    spec = world.spec
    plain = [0] * spec.size
    for name in world.names:
        scale = world.weights[name] / spec.total * 2.0**spec.fraction_bits
        for i, value in enumerate(world.values[name].tolist()):
            plain[i] += round(value * scale)
    assert opened.body.tolist() == [value % (1 << bits) for value in plain]


# What is refused

BAD = [
    math.nan,
    math.inf,
    -math.inf,
    float(np.nextafter(np.float32(LIMIT), np.float32(99))),
    -LIMIT - 0.001,
    3e38,
]
STEPS = sorted({fixed_point.BLOCK, mask_streams.BLOCK // 4, mask_streams.BLOCK // 8})
LENGTH = 3 * max(STEPS) + 7
PLACES = sorted(
    {0, 1, LENGTH - 1} | {k * step + d for step in STEPS for k in (1, 2) for d in (-1, 0, 1)}
)


@rings
@pytest.mark.parametrize("place", PLACES)
def test_a_value_that_is_none_is_refused_wherever_it_stands(place: int, bits: int) -> None:
    values = np.full(LENGTH, LIMIT, np.float32)
    out = np.ones(LENGTH, KINDS[bits])
    for value in BAD:
        values[place] = value
        out.fill(1)
        with pytest.raises(SecureSumError, match="nothing of it is sent"):
            seal(values, 1000.0, LIMIT, Pad([(secret("pad"), 1)]), out)
        assert not out.any(), "some of the vector is in what could be sent"


@pytest.mark.parametrize("value", BAD)
def test_a_hospital_with_such_a_value_sends_nothing(value: float) -> None:
    world = World(4, size=9)
    world.values["h02"][8] = value
    with pytest.raises(SecureSumError, match="nothing of it is sent"):
        world.vectors(world.run("shares"))


@pytest.mark.parametrize("loss", [math.nan, math.inf, 2.0**23, -(2.0**23)])
def test_a_lane_that_is_none_is_refused(loss: float) -> None:
    world = World(4)
    world.losses["h02"] = loss
    with pytest.raises(SecureSumError, match="measured lane"):
        world.vectors(world.run("shares"))


# At the limit

BELOW = float(np.nextafter(np.float32(LIMIT), np.float32(0)))


def at_the_limit(
    count: int, bits: int, weights: list[int], sign: int, limit: float
) -> tuple[float, float]:
    """``(found, expected)`` where every hospital's every value is the limit itself."""
    f = fixed_point.fraction_bits(limit, count, bits)
    total = sum(weights)
    kind = KINDS[bits]
    values = np.full(3, sign * np.float32(limit), np.float32)
    added = np.zeros(3, kind)
    for weight in weights:
        words = np.empty(3, kind)
        fixed_point.encode(values, weight / total * 2.0**f, limit, words)
        added += words
    out = np.empty(3, np.float32)
    fixed_point.decode(added, 2.0**-f, out)
    assert out[0] == out[1] == out[2]
    plain = fixed_point.decode_plain(added.tolist(), 2.0**-f, bits)
    assert abs(plain[0] - sign * limit) <= (count / 2 + 1) * 2.0**-f + abs(limit) * 1e-12
    return float(out[0]), sign * limit


@rings
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("limit", [0.5, 1.0, BELOW, 32.0, 127.0, 8388607.5])
@pytest.mark.parametrize("count", [3, 7, 10, 50, 1000])
def test_a_sum_at_the_very_limit_does_not_wrap(
    count: int, limit: float, sign: int, bits: int
) -> None:
    if limit * 2**8 + count / 2 >= 2 ** (bits - 1):
        with pytest.raises(SecureSumError, match="fewer than 8 fraction bits"):
            fixed_point.fraction_bits(limit, count, bits)
        return
    for weights in (
        [1] * count,
        [3] * count,
        list(range(1, count + 1)),
        [5000, *[1] * (count - 1)],
    ):
        opened, expected = at_the_limit(count, bits, weights, sign, limit)
        assert abs(opened - expected) <= 2e-7 * limit + count * 2.0 ** -fixed_point.fraction_bits(
            limit, count, bits
        )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_whole_masked_sum_at_the_limit(sign: int) -> None:
    world = World(10, size=11, limit=LIMIT)
    world.values = {name: np.full(11, sign * LIMIT, np.float32) for name in world.names}
    assert np.allclose(world.run().mean, sign * LIMIT, rtol=2e-7, atol=0)


def test_control_one_more_fraction_bit_wraps() -> None:
    """The number of fraction bits is the largest that can be.

    With one more, the sum comes out with the other sign.
    """
    f = fixed_point.fraction_bits(LIMIT, 10, 32) + 1
    with pytest.raises(SecureSumError, match="do not fit 32 bits"):
        fixed_point.encode(np.full(1, LIMIT, np.float32), 2.0**f, LIMIT, np.empty(1, np.uint32))
    word = 10 * round(LIMIT * 2.0**f / 10) % (1 << 32)
    assert fixed_point.decode_plain([word], 2.0**-f, 32)[0] < 0


# Two decoders


def decoded(words: npt.NDArray[Any], scale: float) -> list[float]:
    out = np.empty(words.size, np.float32)
    fixed_point.decode(words, scale, out)
    return [float(value) for value in out]


@rings
@settings(max_examples=150, deadline=None)
@given(data=st.data(), f=st.integers(8, 52), share=st.floats(0.01, 1.0))
def test_two_decoders_agree(bits: int, data: st.DataObject, f: int, share: float) -> None:
    edges = st.sampled_from(
        [0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** (bits - 1) + 1, 2**bits - 1]
    )
    words = data.draw(st.lists(edges | st.integers(0, 2**bits - 1), max_size=40))
    scale = 2.0**-f / share
    plain = fixed_point.decode_plain(words, scale, bits)
    assert decoded(np.array(words, KINDS[bits]), scale) == [
        float(np.float32(value)) for value in plain
    ]


@rings
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_sums_of_any_vectors_in_both_decoders(bits: int, data: st.DataObject) -> None:
    """Encoded, added up in the ring and decoded twice.

    Both are the exact mean but for half a unit a hospital.
    """
    count = data.draw(st.integers(1, 6))
    size = data.draw(st.integers(0, 8))
    floats = st.floats(-LIMIT, LIMIT, width=32)
    vectors = [
        np.array(data.draw(st.lists(floats, min_size=size, max_size=size)), np.float32)
        for _ in range(count)
    ]
    weights = [data.draw(st.integers(1, 5000)) for _ in range(count)]
    f = fixed_point.fraction_bits(LIMIT, count, bits)
    total = sum(weights)
    kind = KINDS[bits]
    added = np.zeros(size, kind)
    for vector, weight in zip(vectors, weights, strict=True):
        words = np.empty(size, kind)
        fixed_point.encode(vector, weight / total * 2.0**f, LIMIT, words)
        added += words
    plain = fixed_point.decode_plain(added.tolist(), 2.0**-f, bits)
    exact = np.average([vector.astype(np.float64) for vector in vectors], axis=0, weights=weights)
    assert decoded(added, 2.0**-f) == [float(np.float32(value)) for value in plain]
    assert float(np.abs(np.array(plain) - exact).max(initial=0.0)) <= count / 2 * 2.0**-f + 1e-13
