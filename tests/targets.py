"""Targets for tests in few words: built from bare tensors, and read back as bare tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from common.sample import Batch, Sample
from common.targets import Target, named
from common.targets.boxes import Boxes
from common.targets.label import Label
from common.targets.mask import Mask


def of_one(
    mask: Tensor | None = None,
    boxes: Tensor | None = None,
    classes: Tensor | None = None,
    label: Tensor | None = None,
) -> dict[str, Target]:
    """Targets of one image.

    Mask ``[1, H, W[, D]]``, boxes ``[N, 2 * d]``, classes ``[N]``, label ``[]`` or ``[L]``.
    """
    rows = [value if value is None else value[None] for value in (mask, label)]
    lists = [value if value is None else [value] for value in (boxes, classes)]
    return of_many(rows[0], *lists, rows[1])


def of_many(
    masks: Tensor | None = None,
    boxes: Sequence[Tensor] | None = None,
    classes: Sequence[Tensor] | None = None,
    labels: Tensor | None = None,
) -> dict[str, Target]:
    """Targets of a batch.

    Masks ``[B, 1, H, W[, D]]``, a tensor of boxes and one of classes an image, labels ``[B]`` or
    ``[B, L]``.
    """
    targets: list[Target] = []
    if masks is not None:
        targets.append(Mask(masks))
    if boxes is not None and classes is not None:
        targets.append(Boxes(tuple(boxes), tuple(classes)))
    if labels is not None:
        targets.append(Label(labels))
    return named(*targets)


@dataclass(frozen=True)
class Seen:
    """The bare tensors of a batch, or of a sample's one image; None for what it has not."""

    holder: Sample | Batch

    @property
    def masks(self) -> Tensor | None:
        mask = Mask.of(self.holder)
        return None if mask is None else mask.values

    @property
    def labels(self) -> Tensor | None:
        label = Label.of(self.holder)
        return None if label is None else label.values

    @property
    def mask(self) -> Tensor | None:
        return None if self.masks is None else self.masks[0]

    @property
    def label(self) -> Tensor | None:
        return None if self.labels is None else self.labels[0]

    @property
    def boxes(self) -> Tensor | tuple[Tensor, ...] | None:
        boxes = Boxes.of(self.holder)
        return None if boxes is None else self._only(boxes.corners)

    @property
    def classes(self) -> Tensor | tuple[Tensor, ...] | None:
        boxes = Boxes.of(self.holder)
        return None if boxes is None else self._only(boxes.classes)

    def _only(self, values: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        return values[0] if isinstance(self.holder, Sample) else values
