"""Targets: what is known about an image beside its pixels. One kind a file, and no other changes.

A file ``common/targets/<name>.py`` exports ``TARGET``, a subclass of :class:`Target` whose
``name`` is the file's. How a hospital's folder states it stands in the file of the same name in
the hospital's own package of targets.

A kind is a frozen dataclass. Each field holds what is known about ``B`` images: a tensor with one
row an image, or, where sizes differ, a tuple with one tensor an image. ``B`` is 1 in a sample.
All else has a default: a target is joined, cut, moved and counted by its fields, and stays as it
is when its image is warped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from common.targets._geometry import KEEP, Geometry

__all__ = ["KEEP", "Geometry", "Holder", "Target", "Targets", "named"]

_PLAIN = torch.contiguous_format


class Holder(Protocol):
    """A sample or a batch."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """What is known about its images, by name."""


@dataclass(frozen=True, eq=False)
class Target(ABC):
    """What is known about ``B`` images."""

    name: ClassVar[str]
    """The file's name, under which samples and batches hold the target and tasks ask for it."""

    @classmethod
    def of(cls, holder: Holder) -> Self | None:
        """The target of this kind of a sample or a batch, or None."""
        value = holder.targets.get(cls.name)
        return value if isinstance(value, cls) else None

    @classmethod
    @abstractmethod
    def example(cls, size: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Self:
        """The target of one invented image, on which a study's steps are tried.

        Args:
            size: H, W[, D] of the image.
            low, high: where the structure in it begins and ends, H, W[, D], upper ends exclusive.
        """

    def follow(self, geometry: Geometry) -> Self:
        """The target of the moved images; itself where it does not depend on where things lie."""
        return self

    def place(self, generator: torch.Generator) -> list[int] | None:
        """A place H, W[, D] drawn among those that it marks in its one image; None without one."""
        return None

    def amount(self) -> float:
        """How much the target marks: the images that show most are the ones worth a picture."""
        return 0.0

    def to(self, device: torch.device, layout: torch.memory_format = _PLAIN) -> Self:
        """The target on a device; a kind that holds images lays out their memory as asked."""
        return self.each(lambda value: value.to(device, non_blocking=True))

    def pinned(self) -> Self:
        """The target in page-locked memory; the many small tensors of a tuple are not worth it."""
        return self._changed(lambda own: own if isinstance(own, tuple) else own.pin_memory())

    def each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The target with every tensor changed."""

        def changed(own: Rows) -> Rows:
            return tuple(map(change, own)) if isinstance(own, tuple) else change(own)

        return self._changed(changed)

    def part(self, start: int, end: int) -> Self:
        """Images ``start`` to ``end - 1``, as views."""
        return self._changed(lambda own: own[start:end])

    def select(self, there: Tensor, rows: Sequence[int]) -> Self:
        """Chosen images in the order asked for.

        Args:
            there: their numbers, int64 ``[n]``, where the target lies.
            rows: the same numbers.
        """

        def chosen(own: Rows) -> Rows:
            if isinstance(own, tuple):
                return tuple(own[i] for i in rows)
            return own.index_select(0, there)

        return self._changed(chosen)

    @classmethod
    def join(cls, targets: Sequence[Target]) -> Self:
        """Targets of this kind laid end to end."""
        columns = zip(*(target.columns() for target in targets), strict=True)
        return cls(*map(_joined, columns))

    def __len__(self) -> int:
        return len(self.columns()[0])

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        lists = (own if isinstance(own, tuple) else (own,) for own in self.columns())
        return sum(value.numel() * value.element_size() for values in lists for value in values)

    def columns(self) -> tuple[Rows, ...]:
        """What the fields hold, in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def _changed(self, change: Callable[[Rows], Rows]) -> Self:
        return type(self)(*map(change, self.columns()))


Rows = Tensor | tuple[Tensor, ...]
Targets = Mapping[str, Target]


def named(*targets: Target) -> dict[str, Target]:
    """Targets by their names."""
    return {target.name: target for target in targets}


def _joined(column: Sequence[Rows]) -> Rows:
    if isinstance(column[0], tuple):
        return tuple(value for rows in column for value in rows)
    return torch.cat([rows for rows in column if isinstance(rows, Tensor)])
