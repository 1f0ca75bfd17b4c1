"""Label: the class of a whole image, or a yes or no to each of several questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from common.targets import Target


@dataclass(frozen=True, eq=False)
class Label(Target):
    """Labels of ``B`` images.

    Attributes:
        values: int64 ``[B]`` class numbers, or float32 ``[B, L]`` 0/1 per target when multi-label.
    """

    name: ClassVar[str] = "label"
    values: Tensor

    @classmethod
    def example(cls, size: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Label:
        """The first class."""
        return cls(torch.zeros(1, dtype=torch.int64))


TARGET = Label
