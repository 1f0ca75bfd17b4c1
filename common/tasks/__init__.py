"""Tasks: what the network is for. One file each, and its name in the models that serve it.

A file ``common/tasks/<name>.py`` exports ``TASK``, a :class:`TaskType`: the settings class and the
constructor of a :class:`Task`. A task never opens a file: :attr:`Task.needs` says which targets the
hospital's readers must bring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from common.sample import Batch, Sample

Needs = frozenset[str]
"""Names of kinds of targets, the file names of :mod:`common.targets`."""
Row = Mapping[str, np.ndarray]
"""What scoring keeps of one image: small arrays, the same keys for every image of a task.

Enough to compute every metric of a set of images. Rows stay at the hospital; only
:meth:`Task.summarise` of many of them leaves it.
"""


class Task(Protocol):
    """One task with its settings and the number of dimensions."""

    needs: Needs
    """Which targets an image must have to be of use."""
    columns: tuple[str, ...]
    """Needs "label": columns of labels.csv that hold the targets.

    One for single-label, any number for multi-label.
    """
    classes: tuple[str, ...]
    """Class names in number order.

    label: texts as they stand in the column; mask: foreground classes, number 1 on; boxes: label
    names.
    """
    multi_label: bool
    """Needs "label": each column is a 0/1 target of its own."""
    mask_values: tuple[int, ...] | None
    """Needs "mask": stored pixel value of each foreground class.

    None: any non-zero pixel if there is one class, else 1, 2, 3 ...
    """
    outputs: int
    """What :class:`common.models.Shape` asks for."""
    primary: str
    """The metric that curves and headlines show."""
    higher_is_better: Mapping[str, bool]
    """Every metric key of :meth:`summarise` and its direction."""

    def for_site(self, samples: Sequence[Sample]) -> Task:
        """The task adapted to a hospital's training samples (class weights), or itself."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Scalar loss of one batch; called inside autocast, network in training mode."""

    def predict(self, network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
        """Predictions for ``[B, C, H, W[, D]]`` images of any size, network in evaluation mode.

        One dict of CPU tensors per image:

        - classification ``{"probabilities": [L]}``
        - segmentation ``{"mask": uint8 [1, H, W[, D]]}``
        - detection ``{"boxes": [N, 2 * d], "scores": [N], "classes": [N]}``
        """

    def row(self, prediction: Mapping[str, Tensor], sample: Sample) -> Row:
        """What scoring keeps of one image."""

    def summarise(self, rows: Sequence[Row]) -> dict[str, float]:
        """Metrics over a set of images; ``nan`` where one is undefined (AUC of a single class)."""


@dataclass(frozen=True)
class TaskType:
    """A task's settings class and constructor ``(options, dimensions) -> Task``."""

    options: type[Any]
    create: Callable[[Any, int], Task]
