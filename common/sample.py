"""What flows from a hospital's files to a task: one image with its labels, and a batch of them.

Nothing in here identifies anybody: ``patient`` is a running number within one hospital.

Axis order everywhere: ``[C, H, W[, D]]`` for one image, ``[B, C, H, W[, D]]`` for a batch; H runs down, W runs right, D is the slice axis.
Boxes are ``[N, 2 * d]`` in pixels of the image, ``x0 y0 [z0] x1 y1 [z1]`` with x along W, y along H, z along D, upper ends exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """One image with what is known about it.

    Attributes:
        image: float32 ``[C, H, W[, D]]``.
        spacing: millimetres per pixel along H, W[, D]; 1.0 where the file states none.
        patient: running number of the patient within the hospital (for splits and bootstrap).
        label: classification: int64 ``[]`` class number, or float32 ``[L]`` 0/1 per target when multi-label.
        mask: segmentation: uint8 ``[1, H, W[, D]]`` class number per pixel, 0 is background.
        boxes: detection: float32 ``[N, 2 * d]``.
        classes: detection: int64 ``[N]`` class number of each box, from 0.
    """

    image: Tensor
    spacing: tuple[float, ...]
    patient: int = 0
    label: Tensor | None = None
    mask: Tensor | None = None
    boxes: Tensor | None = None
    classes: Tensor | None = None

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return self.image.dim() - 1

    def with_(self, **changes: object) -> Sample:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Batch:
    """Samples of one shape, stacked.

    Attributes:
        images: float32 ``[B, C, H, W[, D]]``.
        labels: int64 ``[B]`` or float32 ``[B, L]``, or None.
        masks: uint8 ``[B, 1, H, W[, D]]``, or None.
        boxes, classes: one tensor per image as in :class:`Sample`, or None.
    """

    images: Tensor
    labels: Tensor | None = None
    masks: Tensor | None = None
    boxes: tuple[Tensor, ...] | None = None
    classes: tuple[Tensor, ...] | None = None
    spacing: tuple[float, ...] = field(default=(1.0, 1.0))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def with_(self, **changes: object) -> Batch:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to(
        self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Batch:
        """The batch on a device; image memory is laid out as asked (channels-last where it is faster)."""

        def move(value: Tensor) -> Tensor:
            return value.to(device, non_blocking=True)

        return Batch(
            images=self.images.to(device, non_blocking=True, memory_format=memory_format),
            labels=None if self.labels is None else move(self.labels),
            masks=None if self.masks is None else move(self.masks),
            boxes=None if self.boxes is None else tuple(map(move, self.boxes)),
            classes=None if self.classes is None else tuple(map(move, self.classes)),
            spacing=self.spacing,
        )


def stack(samples: list[Sample]) -> Batch:
    """Stack samples of one shape into a batch."""
    first = samples[0]
    return Batch(
        images=torch.stack([s.image for s in samples]),
        labels=None
        if first.label is None
        else torch.stack([s.label for s in samples if s.label is not None]),
        masks=None
        if first.mask is None
        else torch.stack([s.mask for s in samples if s.mask is not None]),
        boxes=None
        if first.boxes is None
        else tuple(s.boxes for s in samples if s.boxes is not None),
        classes=None
        if first.classes is None
        else tuple(s.classes for s in samples if s.classes is not None),
        spacing=first.spacing,
    )
