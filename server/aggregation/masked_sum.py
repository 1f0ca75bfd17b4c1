"""The sum of masked vectors.

Words modulo 2^32 or 2^64, added as they arrive, in the memory of one vector however many hospitals
there are.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from common.errors import SecureSumError
from common.privacy import pipeline
from common.privacy.stage import Opened
from common.protocol import sum_specs
from common.secagg import fixed_point
from common.secagg.coordinator_state import Opening
from common.secagg.mask_streams import Pad
from common.secagg.messages import CANARIES, SumSpec
from common.update import Vector
from server.aggregation.kernels import over_blocks

_ALIGNED = 16
"""Bytes of a cipher block: a pad begins at a multiple of it."""


class MaskedSum:
    """A running sum of vectors that are made to one specification."""

    def __init__(self, spec: SumSpec) -> None:
        self._spec = spec
        self._buffer, self._body, self._tail = sum_specs.words(spec)
        self._pads: tuple[tuple[bytes, int], ...] = ()

    def check(self, vector: Vector | None) -> npt.NDArray[np.uint8]:
        """A hospital's vector as bytes.

        Raises:
            SecureSumError: it has another length.
        """
        size = 0 if vector is None else vector.nbytes
        if vector is None or size != self._buffer.nbytes:
            raise SecureSumError(
                f"A masked vector has {size} bytes; {self._buffer.nbytes} are expected."
            )
        return vector.view(np.uint8)

    def tail_of(self, vector: npt.NDArray[np.uint8]) -> list[int]:
        """The tail's words."""
        return [int(word) for word in sum_specs.views(self._spec, vector)[1]]

    @staticmethod
    def digest(vector: npt.NDArray[np.uint8]) -> bytes:
        """SHA-256 of a vector's bytes."""
        return hashlib.sha256(vector.data).digest()

    def add(self, vector: npt.NDArray[np.uint8]) -> None:
        """Add a hospital's vector."""
        body, tail = sum_specs.views(self._spec, vector)
        over_blocks(
            self._body.size,
            lambda start, end: np.add(
                self._body[start:end], body[start:end], out=self._body[start:end]
            ),
        )
        np.add(self._tail, tail, out=self._tail)

    def unmask(self, opening: Opening) -> None:
        """Take the masks off the tail, so that canaries and lanes can be read.

        Those of the body come off with :meth:`mean`.
        """
        self._pads = opening.pads
        skipped = self._spec.body_bytes % _ALIGNED
        pad = Pad(self._pads, offset=self._spec.body_bytes - skipped)
        pad.add(np.zeros(skipped // 4, np.uint32))  # keystream that lies over the end of the body
        pad.add(self._tail)

    @property
    def canaries(self) -> tuple[int, ...]:
        """The canaries' sums."""
        return tuple(int(word) for word in self._tail[:CANARIES])

    def lanes(self) -> dict[str, float]:
        """The lanes' sums by name."""
        words = self._tail[CANARIES:]
        return {
            lane: fixed_point.decode_lane(int(word), sum_specs.is_exact(lane))
            for lane, word in zip(self._spec.lanes, words, strict=True)
        }

    def mean(self, weight: float) -> Vector:
        """The weighted mean ``[P]``, given the survivors' weight.

        In the memory of the sum, which it uses up.

        Raises:
            SecureSumError: the masks are not known yet.
        """
        return pipeline.opened(self._body, Opened(self._spec, weight, self._pads, over_blocks))
