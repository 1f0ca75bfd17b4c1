"""What flows from a hospital's files to a task: one image with its targets, and a batch of them.

Nothing in here identifies anybody: ``patient`` is a running number within one hospital.

Axis order everywhere: ``[C, H, W[, D]]`` for one image, ``[B, C, H, W[, D]]`` for a batch; H runs
down, W runs right, D is the slice axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from common.targets import Geometry, Target, Targets


@dataclass(frozen=True)
class Sample:
    """One image with what is known about it.

    Attributes:
        image: float32 ``[C, H, W[, D]]``.
        spacing: millimetres per pixel along H, W[, D]; 1.0 where the file states none.
        patient: running number of the patient within the hospital (for splits and bootstrap).
        targets: what the task asks for, by name; each holds one image.
    """

    image: Tensor
    spacing: tuple[float, ...]
    patient: int = 0
    targets: Targets = field(default_factory=dict)

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return self.image.dim() - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the image and its targets."""
        return _bytes(self.image, self.targets)

    def with_(self, **changes: object) -> Sample:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def follow(self, geometry: Geometry) -> Sample:
        """The image moved, and every target with it."""
        image = geometry.image(self.image[None])[0]
        return replace(self, image=image, targets=_each(self.targets, lambda t: t.follow(geometry)))


@dataclass(frozen=True)
class Batch:
    """Samples of one shape, stacked.

    Attributes:
        images: float32 ``[B, C, H, W[, D]]``.
        targets: what the task asks for, by name; each holds ``B`` images.
        spacing: as in :class:`Sample`.
    """

    images: Tensor
    targets: Targets = field(default_factory=dict)
    spacing: tuple[float, ...] = field(default=(1.0, 1.0))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the images and their targets."""
        return _bytes(self.images, self.targets)

    def with_(self, **changes: object) -> Batch:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to(
        self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Batch:
        """The batch on a device, its images laid out as asked (channels-last can be faster)."""
        images = self.images.to(device, non_blocking=True, memory_format=memory_format)
        targets = _each(self.targets, lambda t: t.to(device, memory_format))
        return replace(self, images=images, targets=targets)

    def pinned(self) -> Batch:
        """The batch in page-locked memory, from which it gets to a GPU faster."""
        targets = _each(self.targets, Target.pinned)
        return replace(self, images=self.images.pin_memory(), targets=targets)

    def select(self, chosen: Tensor) -> Batch:
        """Chosen images, int64 ``[n]``, in the order asked for."""
        index = chosen.to(self.images.device)
        # Targets that are lists take numbers: one transfer to the host for all of them.
        rows = chosen.tolist()
        targets = _each(self.targets, lambda t: t.select(index, rows))
        return replace(self, images=self.images.index_select(0, index), targets=targets)

    def part(self, start: int, end: int) -> Batch:
        """Images ``start`` to ``end - 1``, as views."""
        targets = _each(self.targets, lambda t: t.part(start, end))
        return replace(self, images=self.images[start:end], targets=targets)

    def follow(self, geometry: Geometry) -> Batch:
        """The images moved, and every target with them."""
        targets = _each(self.targets, lambda t: t.follow(geometry))
        return replace(self, images=geometry.image(self.images), targets=targets)


def stack(samples: list[Sample]) -> Batch:
    """Stack samples of one shape into a batch."""
    first = samples[0]
    kinds = {name: type(target) for name, target in first.targets.items()}
    targets = {name: kind.join([s.targets[name] for s in samples]) for name, kind in kinds.items()}
    return Batch(torch.stack([s.image for s in samples]), targets, first.spacing)


def _each(targets: Targets, change: Callable[[Target], Target]) -> Targets:
    return {name: change(target) for name, target in targets.items()}


def _bytes(images: Tensor, targets: Targets) -> int:
    return images.nbytes + sum(target.nbytes for target in targets.values())
