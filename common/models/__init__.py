"""Networks: one file each, thin builders over MONAI's.

A file ``common/models/<name>.py`` exports ``MODEL``, a :class:`Model`. Norm layers hold no batch
statistics by default (GroupNorm or InstanceNorm): running statistics leak and drift between
hospitals. ``build`` must be deterministic given torch's global seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Shape:
    """What the task and the data ask of a network.

    Attributes:
        dimensions: 2 or 3.
        inputs: channels of the image.
        outputs: what the task needs: logits for classification, classes with background for
            segmentation, classes for detection.
    """

    dimensions: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Model:
    """One named network.

    Attributes:
        tasks: names of the tasks that it serves.
        options: frozen dataclass declared with ``common.study.config.setting``.
        build: ``(options, shape) -> module``.
    """

    tasks: tuple[str, ...]
    options: type[Any]
    build: Callable[[Any, Shape], nn.Module]
