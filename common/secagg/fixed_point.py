"""Values as whole numbers modulo 2^32 or 2^64, so that sums are exact and masks perfect.

A value ``x`` of a hospital with the share ``s`` of all weights travels as ``round(x * s * 2^f)``;
the shares of a sum's hospitals add up to 1 or less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SecureSumError
from common.sentences.table import say
from common.update import Vector

Words = npt.NDArray[Any]
BLOCK = 1 << 15
"""Values of a block: these and their words stay in a core's second-level cache.

Measured: blocks of 8,192 values take half as long again.
"""
LANE_BITS = 30
"""Fraction bits of a lane that holds a real number."""
_LARGEST_EXACT = 1 << 53
_LARGEST_REAL = float(1 << 23)
"""Sums of 1,000 lanes up to these two stay below 2^63."""
_FEWEST_BITS = 8
_MOST_BITS = 52


def fraction_bits(limit: float, sites: int, ring_bits: int = 32) -> int:
    """f: as many fraction bits as fit, ``limit * 2^f + sites / 2 < 2^(ring_bits - 1)``, at most 52.

    Worked out in exact fractions, since both sides must agree on it. Each hospital rounds once, by
    half a unit at most; a sum over ``sites`` hospitals whose shares add up to 1 therefore never
    wraps.

    Raises:
        SecureSumError: the limit is no positive number, or fewer than 8 bits fit.
    """
    if not (math.isfinite(limit) and limit > 0 and sites > 0):
        raise SecureSumError(
            f"A secure sum has the limit {limit:g} over {sites} hospitals; both must be above 0 "
            "and finite."
        )
    room = Fraction(2) ** (ring_bits - 1) - Fraction(sites, 2)
    largest = Fraction(limit)
    for bits in range(_MOST_BITS, _FEWEST_BITS - 1, -1):
        if largest * 2**bits < room:
            return bits
    raise SecureSumError(
        f"Values up to {limit:g} leave fewer than {_FEWEST_BITS} fraction bits in {ring_bits} "
        "bits; lower federation.largest_change."
    )


class Encoder:
    """Encodes one block after the other, in memory that it reuses.

    Args:
        scale: words per unit: this hospital's share of all weights times 2^f.
        limit: largest absolute value that may be encoded.
    """

    def __init__(self, scale: float, limit: float) -> None:
        self._scale = scale
        self._limit = limit
        self._wide = np.empty(BLOCK, np.float64)
        self._size = np.empty(BLOCK, np.float32)

    def block(self, values: Vector, out: Words) -> None:
        """``out = round(values * scale)`` modulo the ring, at most :data:`BLOCK` values.

        Halves go to the even neighbour. The product is taken in float64: a float32 product would be
        wrong by whole units from 2^24 units on.

        Raises:
            SecureSumError: a value is NaN, infinite or above the limit, or the scale does not fit
                the ring; ``out`` is as before.
        """
        count = values.size
        signed = _signed(out)
        largest = self._limit * self._scale
        # Half a unit: the largest may be rounded up. Negated, so that NaN is refused as well.
        if not (largest >= 0 and largest + 0.5 < 2.0 ** (8 * out.itemsize - 1)):
            text = (
                f"Values up to {self._limit:g} times {self._scale:g} do not fit "
                f"{8 * out.itemsize} bits."
            )
            raise SecureSumError(text, leaves=say("sum.limit", limit=self._limit))
        size = self._size[:count]
        wide = self._wide[:count]
        np.abs(values, out=size)
        peak = float(size.max(initial=0.0))
        if not peak <= self._limit:
            # The sentence does not say how large: that is the hospital's own business.
            code = "sum.too_large" if math.isfinite(peak) else "sum.not_finite"
            raise SecureSumError(say(code, limit=self._limit))
        np.copyto(wide, values)
        np.multiply(wide, self._scale, out=wide)
        np.rint(wide, out=wide)
        np.copyto(signed, wide, casting="unsafe")


def blocks(
    values: Vector, scale: float, limit: float, kind: npt.DTypeLike, step: int = BLOCK
) -> Iterator[Words]:
    """The words of a vector ``[P]``, at most ``step`` at a time; see :class:`Encoder`.

    Each block is in the memory of the one before.

    Raises:
        SecureSumError: as there, before the block in question.
    """
    encoder = Encoder(scale, limit)
    step = min(BLOCK, step)
    words = np.empty(step, kind)
    for start in range(0, values.size, step):
        part = values[start : start + step]
        block = words[: part.size]
        encoder.block(part, block)
        yield block


def encode(values: Vector, scale: float, limit: float, out: Words) -> None:
    """Encode a vector ``[P]`` into words ``[P]`` (uint32 or uint64); see :class:`Encoder`.

    Raises:
        SecureSumError: as there, or the lengths differ; ``out`` is then zero from end to end.
    """
    check_sizes(values, out)
    encoder = Encoder(scale, limit)
    try:
        for start in range(0, values.size, BLOCK):
            encoder.block(values[start : start + BLOCK], out[start : start + BLOCK])
    except SecureSumError:
        out.fill(0)
        raise


def check_sizes(values: Vector, out: Words) -> None:
    """Whether words can take a vector.

    Raises:
        SecureSumError: their lengths differ, or one is no float32 vector or the other no unsigned
            words.
    """
    if values.dtype != np.float32 or values.shape != out.shape or values.ndim != 1:
        raise SecureSumError(
            f"A float32 vector is encoded into as many words; found {values.dtype} {values.shape} "
            f"and {out.shape}."
        )
    _signed(out)


def decode(words: Words, scale: float, out: Vector) -> None:
    """``out = signed(words) * scale``, in float64 and rounded once.

    ``out`` may be the same memory as 32-bit words.

    Raises:
        SecureSumError: the lengths differ, or the words are not unsigned.
    """
    check_sizes(out, words)
    signed = _signed(words)
    wide = np.empty(min(BLOCK, words.size), np.float64)
    for start in range(0, words.size, BLOCK):
        part = signed[start : start + BLOCK]
        np.multiply(part, scale, out=wide[: part.size])
        out[start : start + BLOCK] = wide[: part.size]


def decode_plain(words: Sequence[int], scale: float, ring_bits: int) -> list[float]:
    """The same in plain whole numbers, written on its own for comparison."""
    half = 1 << (ring_bits - 1)
    whole = 1 << ring_bits
    return [(word - whole if word >= half else word) * scale for word in words]


def encode_lane(value: float, exact: bool) -> int:
    """A lane's word: whole numbers as they are, real ones with 30 fraction bits.

    Raises:
        SecureSumError: it is not finite, not whole, or too large for a sum over 1,000 hospitals.
    """
    if exact:
        if not 0 <= value < _LARGEST_EXACT or value != int(value):
            raise SecureSumError(
                "A counted lane holds no whole number from 0 to below 2^53; nothing else is "
                "allowed."
            )
        return int(value)
    if not abs(value) < _LARGEST_REAL:
        raise SecureSumError("A measured lane is not finite or not below 2^23 in size.")
    word: int = round(value * 2**LANE_BITS) % (1 << 64)
    return word


def decode_lane(word: int, exact: bool) -> float:
    """A lane's sum; it is exact for up to 1,000 hospitals."""
    signed = word - (1 << 64) if word >> 63 else word
    return signed if exact else signed / 2**LANE_BITS


def _signed(words: Words) -> Words:
    if words.dtype == np.uint32:
        return words.view(np.int32)
    if words.dtype == np.uint64:
        return words.view(np.int64)
    raise SecureSumError(f"A secure sum is of uint32 or uint64 words; found {words.dtype}.")
