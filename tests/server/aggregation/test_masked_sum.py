"""Adding masked vectors.

Exact modulo the ring, whatever the length, in the memory of one vector.
"""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from common.errors import SecureSumError
from common.privacy import pipeline
from common.privacy.stage import Sending
from common.protocol import sum_specs
from common.secagg import fixed_point
from common.secagg.coordinator_state import Opening
from common.secagg.mask_streams import Pad
from common.secagg.messages import CANARIES, SumSpec
from server.aggregation import kernels
from server.aggregation.masked_sum import MaskedSum

LANES = ("weight", "loss")


def specification(size: int, ring_bits: int = 32, sites: int = 3, total: int = 600) -> SumSpec:
    return SumSpec(
        "train",
        1,
        "",
        bytes(32),
        "x",
        size,
        ring_bits,
        fixed_point.fraction_bits(32.0, sites, ring_bits),
        32.0,
        LANES,
        total,
    )


def seed(i: int) -> bytes:
    return hashlib.sha256(b"seed %d" % i).digest()


def sealed(spec: SumSpec, values: np.ndarray, weight: int, *pads: tuple[bytes, int]) -> np.ndarray:
    """A hospital's vector."""
    buffer, body, tail = sum_specs.words(spec)
    pad = Pad(pads)
    pipeline.seal(values, Sending(spec, weight / spec.total, pad), body)
    tail[:] = [1] * CANARIES + [weight, fixed_point.encode_lane(weight / spec.total, False)]
    pad.add(tail)
    return buffer.view(np.float32)


def opening(*own: bytes) -> Opening:
    """The hospitals' own masks; masks shared by two cancel out."""
    return Opening({f"h{i}": one for i, one in enumerate(own)}, {})


LONG = 4 * kernels.BLOCK


@pytest.mark.parametrize("ring_bits", [32, 64])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 4097, LONG - 1, 2 * LONG + 1, 3 * LONG + 3])
def test_the_mean_is_that_of_float64_for_every_length(
    monkeypatch: pytest.MonkeyPatch, size: int, ring_bits: int
) -> None:
    monkeypatch.setattr(kernels, "usable", lambda: 3)
    spec, rng = specification(size, ring_bits), np.random.default_rng(size)
    weights = (100, 200, 300)
    values = [rng.normal(0, 0.05, size).astype(np.float32) for _ in weights]
    pairs = {(0, 1): seed(10), (0, 2): seed(11), (1, 2): seed(12)}
    total = MaskedSum(spec)
    for i, (value, weight) in enumerate(zip(values, weights, strict=True)):
        shared = [(pairs[min(i, j), max(i, j)], 1 if i < j else -1) for j in range(3) if j != i]
        total.add(total.check(sealed(spec, value, weight, (seed(i), 1), *shared)))
    total.unmask(opening(*(seed(i) for i in range(3))))
    assert total.canaries == (3,) * CANARIES
    lanes = total.lanes()
    assert lanes["weight"] == 600 and lanes["loss"] == pytest.approx(1.0, abs=1e-8)
    mean = total.mean(600)
    expected = np.average(np.array(values, np.float64), axis=0, weights=weights)
    assert mean.shape == (size,) and mean.dtype == np.float32
    assert float(np.abs(mean - expected).max(initial=0.0)) < (2e-7 if ring_bits == 32 else 3e-8)


@pytest.mark.parametrize("size", [1, 4097, 2 * LONG + 1])
def test_a_long_vector_in_parts_is_that_in_one(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    sums = []
    for cores in (1, 3, 7):
        monkeypatch.setattr(kernels, "usable", lambda cores=cores: cores)
        total = MaskedSum(specification(size))
        total.add(
            np.random.default_rng(1).integers(0, 256, 4 * size + 8 * (CANARIES + 2), np.uint8)
        )
        total.unmask(opening(seed(1), seed(2)))
        sums.append((total.canaries, total.lanes(), total.mean(600).tobytes()))
    assert sums[0] == sums[1] == sums[2]


def test_fewer_hospitals_than_all_weigh_as_much_as_they_are() -> None:
    spec = specification(9)
    total = MaskedSum(spec)
    for i, weight in enumerate((100, 300)):
        total.add(total.check(sealed(spec, np.full(9, i, np.float32), weight, (seed(i), 1))))
    total.unmask(opening(seed(0), seed(1)))
    assert np.allclose(total.mean(total.lanes()["weight"]), 0.75, atol=1e-6)


def test_a_wrong_seed_shows_in_the_canaries() -> None:
    spec = specification(9)
    total = MaskedSum(spec)
    total.add(total.check(sealed(spec, np.zeros(9, np.float32), 100, (seed(0), 1))))
    total.unmask(opening(seed(1)))
    assert total.canaries != (1,) * CANARIES


@pytest.mark.parametrize("words", [0, 14, 16, 2000])
def test_a_vector_of_another_length_is_refused(words: int) -> None:
    total = MaskedSum(specification(3))
    with pytest.raises(
        SecureSumError, match=rf"A masked vector has {4 * words} bytes; 60 are expected\."
    ):
        total.check(np.zeros(words, np.float32))
    with pytest.raises(SecureSumError, match="has 0 bytes"):
        total.check(None)


def test_bits_that_look_like_not_a_number_are_kept() -> None:
    spec = replace(specification(4), lanes=())
    words = np.array([0x7FC00001, 0xFF800000, 0x7F800001, 0xFFFFFFFF] + [0] * 8, np.uint32)
    total = MaskedSum(spec)
    vector = total.check(words.view(np.float32))
    total.add(vector)
    assert total.digest(vector) == hashlib.sha256(words.tobytes()).digest()
    assert total._body.tolist() == words[:4].tolist() and total.tail_of(vector) == [0] * CANARIES


def _peak(sites: int, size: int) -> int:
    spec = specification(size)
    vector = np.zeros(size + 2 * (CANARIES + 2), np.float32)
    tracemalloc.start()
    total = MaskedSum(spec)
    for _ in range(sites):
        total.add(total.check(vector))
        total.digest(total.check(vector))
    total.unmask(opening(*(seed(i) for i in range(sites))))
    total.mean(600)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_hospitals() -> None:
    few, many = _peak(3, 2_000_000), _peak(12, 2_000_000)
    assert few < 8_000_000 + (4 << 20) and many - few < 8 << 20
    assert many < 1.6 * 8_000_000
