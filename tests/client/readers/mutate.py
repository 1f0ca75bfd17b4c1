"""Damage to files, drawn from a seed: what disks, networks and attackers do to them."""

from __future__ import annotations

import numpy as np

_LIES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
_MOST = 1 << 17
"""Most bytes of a mutated file, however often blocks were repeated."""


def mutate(good: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three kinds of damage, one after another.

    Args:
        good: the file.
        other: another file, for splices.
        rng: everything random.
    """
    bad = good
    for kind in rng.integers(len(KINDS), size=rng.integers(1, 4)):
        bad = KINDS[kind](bad or good, other, rng)
    return bad[:_MOST]


def _place(content: bytes, rng: np.random.Generator) -> int:
    """A byte; half of the time one of the first 512, where headers lie."""
    return int(rng.integers(min(512, len(content)) if rng.random() < 0.5 else len(content)))


def _flip(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    bad = bytearray(content)
    for _ in range(rng.integers(1, 17)):
        bad[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(bad)


def _truncate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng) + 1]


def _splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def _lie(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A length, count, offset or size of 1, 2, 4 or 8 bytes becomes an extreme or a near one."""
    width = int(rng.choice([1, 2, 4, 8]))
    order = "little" if rng.random() < 0.5 else "big"
    at = _place(content, rng)
    stated = int.from_bytes(content[at : at + width], order)
    near = stated + int(rng.integers(-2, 3))
    number = near if rng.random() < 0.3 else int(rng.choice(_LIES))
    lie = (number % (1 << 8 * width)).to_bytes(width, order)
    return content[:at] + lie + content[at + width :]


def _repeat(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    block = content[at : at + int(rng.integers(1, 257))]
    return content[:at] + block * int(rng.integers(2, 257)) + content[at + len(block) :]


def _zero(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    span = min(int(rng.integers(1, 1025)), len(content) - at)
    return content[:at] + bytes(span) + content[at + span :]


def _remove(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 257)) :]


KINDS = (_flip, _truncate, _splice, _lie, _repeat, _zero, _remove)
