"""Masks: keystreams that are added to words modulo 2^32 or 2^64.

This is done block by block in the core's cache, so that a vector is read and written once. The
limit of this work is the speed of AES in counter mode plus one addition for each mask. Both release
the interpreter's lock, so that several threads may each work on a part of the vector with a pad of
their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SecureSumError
from common.secagg.primitives import Keystream

Words = npt.NDArray[Any]
BLOCK = 1 << 17
"""Bytes that are masked at a time: words and keystream stay in a core's second-level cache."""


class Pad:
    """Several keystreams that go on where they stopped; for one thread, and for one vector.

    Args:
        seeds: ``(seed, sign)``: the keystream is added for +1 and taken off for -1.
        offset: byte of the streams to begin at, a multiple of 16.

    Raises:
        SecureSumError: a seed, a sign or the offset is none.
    """

    def __init__(self, seeds: Sequence[tuple[bytes, int]], offset: int = 0) -> None:
        if any(sign not in (-1, 1) for _, sign in seeds):
            raise SecureSumError("A mask is added or taken off; its sign is +1 or -1.")
        self._streams = [(Keystream(seed, offset), sign) for seed, sign in seeds]
        self._buffer = np.empty(BLOCK, np.uint8)

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, words: Words) -> None:
        """Add every keystream's next bytes to words ``[n]`` (uint32 or uint64), in place.

        Raises:
            SecureSumError: they are not such words.
        """
        if words.dtype not in (np.uint32, np.uint64) or words.ndim != 1:
            raise SecureSumError(
                f"A mask is added to a row of uint32 or uint64 words; found {words.dtype} "
                f"{words.shape}."
            )
        step = BLOCK // words.itemsize
        for start in range(0, words.size, step):
            self._block(words[start : start + step])

    def _block(self, words: Words) -> None:
        raw = self._buffer[: words.nbytes]
        mask = raw.view(words.dtype)
        for stream, sign in self._streams:
            stream.into(raw)
            (np.add if sign > 0 else np.subtract)(words, mask, out=words)


def masked(blocks: Iterator[Words], pad: Pad) -> Iterator[Words]:
    """The same blocks with a pad's keystreams added.

    Raises:
        SecureSumError: the pad has no keystream; no block was looked at.
    """
    if not len(pad):
        raise SecureSumError("A vector is to be sealed without a mask; nothing of it is sent.")
    # A generator of its own: the check above must not wait until the first block is asked for.
    return _masked(blocks, pad)


def _masked(blocks: Iterator[Words], pad: Pad) -> Iterator[Words]:
    for block in blocks:
        pad.add(block)
        yield block


def gather(blocks: Iterator[Words], out: Words) -> None:
    """Write blocks one after the other to ``out`` ``[P]``.

    Raises:
        SecureSumError: a block cannot be made; ``out`` is then zero from end to end.
    """
    start = 0
    try:
        for block in blocks:
            out[start : start + block.size] = block
            start += block.size
    except SecureSumError:
        # Nobody must take the first half of a vector for a whole one.
        out.fill(0)
        raise
