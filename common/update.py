"""The one value that flows: a model, or a change of it, as one flat float32 vector.

Everything that happens to an update on its way (screening, clipping, masking, averaging) works on
the flat vector; :class:`Layout` alone knows which tensor lies where.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from common.errors import WireError

Vector = npt.NDArray[np.float32]
"""Float32 ``[P]``, little-endian, C order; P counts floating-point weights and buffers."""


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a network's floating-point tensors, in their order in the vector.

    ``counters`` names its whole-number scalars (batches seen by a batch normalisation), which are
    counted exactly and lie beside the vector.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    counters: tuple[str, ...] = ()

    @cached_property
    def size(self) -> int:
        """P, the length of the vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names and shapes as hex: two sides that agree on it agree on every tensor."""
        # Without the counters: they travel beside the vector, under their names.
        return hashlib.sha256(json.dumps([self.names, self.shapes]).encode()).hexdigest()

    def views(self, vector: Vector) -> Iterator[tuple[str, Vector]]:
        """Each tensor's name with its view into the vector (nothing is copied)."""
        start = 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            end = start + math.prod(shape)
            yield name, vector[start:end].reshape(shape)
            start = end


@dataclass(frozen=True)
class Update:
    """What a hospital's training returns.

    Attributes:
        delta: trained weights minus the global weights that the round started from.
        weight: the hospital's weight in the average: patients or images, as the study says; never
            batches.
        loss: mean training loss of the round.
        steps: optimiser steps taken.
        seconds: time spent in training.
        counted: what the network's counters counted.
    """

    delta: Vector
    weight: float
    loss: float
    steps: int
    seconds: float
    counted: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.delta.ndim != 1 or self.delta.dtype != np.float32:
            raise WireError(
                f"An update is {self.delta.dtype} with {self.delta.ndim} axes;"
                " float32 with one axis is allowed."
            )
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise WireError(
                f"An update has the weight {self.weight!r}; a finite number above 0 is allowed."
            )
