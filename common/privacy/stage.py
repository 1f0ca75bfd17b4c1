"""What a stage is: one kind works on a trained change once, the other anew for every secure sum.

A secure sum that failed is tried again with fresh keys and the same change. What may happen to a
change only once (noise would cost privacy every time) must therefore be of the first kind. Once
means once for each training: a hospital trains again for a question that comes again without
masks, or after its worker was started anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.secagg import fixed_point
from common.secagg.mask_streams import Pad, Words
from common.secagg.messages import SumSpec
from common.update import Vector

Each = Callable[[int, Callable[[int, int], Any]], Any]
"""Does ``work(start, end)`` for each part of a vector of that length, perhaps in threads."""


@dataclass(frozen=True)
class Rules:
    """What a hospital's own policy says: the largest Euclidean norm of its changes, 0 for any."""

    largest_norm: float


class ChangeStage(ABC):
    """Done once to a trained change; undone on the mean over the hospitals."""

    @abstractmethod
    def forward(self, change: Vector, rules: Rules) -> Mapping[str, Mapping[str, float]]:
        """Alter a change ``[P]`` in place.

        Returns:
            what the hospital's own record keeps about that, by event.
        """

    @abstractmethod
    def reverse(self, mean: Vector) -> Vector:
        """The mean ``[P]`` without what the stage did; may use the memory of what comes in."""


@dataclass(frozen=True)
class Sending:
    """What a hospital knows of a sum: its spec, its share of all weights, its masks."""

    spec: SumSpec
    share: float
    pad: Pad = field(repr=False)


@dataclass
class Part:
    """A change on its way into a sum.

    Attributes:
        values: float32 ``[P]``.
        out: words ``[P]`` that will travel; written last, when every stage has had its turn.
        scale: what the values are still to be multiplied with; that is done once, where they
            become words, so that each is rounded once.
        blocks: the words as far as they are made, one block after the other in the same memory,
            which stays in a core's cache.

    Raises:
        SecureSumError: the lengths differ, or the one are no float32 values or the other no words.
    """

    values: Vector
    out: Words
    scale: float = 1.0
    blocks: Iterator[Words] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        fixed_point.check_sizes(self.values, self.out)


@dataclass(frozen=True)
class Opened:
    """What the server knows of an opened sum.

    Attributes:
        spec: what it is about.
        weight: that of the survivors together.
        pads: ``(seed, sign)`` of the keystreams that take the masks off.
        each: how to use the machine's cores.
    """

    spec: SumSpec
    weight: float
    pads: Sequence[tuple[bytes, int]] = field(repr=False)
    each: Each


@dataclass
class Total:
    """A sum on its way back.

    Attributes:
        words: ``[P]``, changed in place.
        scale: what they are still to be multiplied with; that is done once, where they become
            float32, so that each is rounded once.
    """

    words: Words
    scale: float = 1.0

    def decoded(self, each: Each) -> Vector:
        """The values ``[P]``, in the memory of words of 32 bits."""
        words = self.words
        out = words.view(np.float32) if words.itemsize == 4 else np.empty(words.size, np.float32)

        def decode(start: int, end: int) -> None:
            fixed_point.decode(words[start:end], self.scale, out[start:end])

        each(out.size, decode)
        return out


class SumStage(ABC):
    """Done anew to a change for every sum that it goes into; undone on the sum."""

    @abstractmethod
    def forward(self, part: Part, sending: Sending) -> None:
        """Take a hospital's part a step further.

        Raises:
            SecureSumError: it may not go into the sum.
        """

    @abstractmethod
    def reverse(self, total: Total, opened: Opened) -> None:
        """Take the sum a step back.

        Raises:
            SecureSumError: the sum is not opened.
        """
