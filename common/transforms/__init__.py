"""Steps that change images: one file each, done in the order in which the study lists them.

A file ``common/transforms/<name>.py`` exports ``TRANSFORM``, a :class:`Transform`:

- ``kind == "prepare"``: deterministic, on one :class:`~common.sample.Sample`; its result is cached,
  so it runs once per image.
- ``kind == "augment"``: random, on one training :class:`~common.sample.Batch`; each image of
  the batch draws its own parameters. Runs on the device on which the batch lies.
- ``kind == "crop"``: random, on one training Sample, before the batch is stacked (all results of
  one study have the same shape).

A step that moves pixels describes how as a :class:`~common.targets.Geometry`, which the images and
every target follow.
Randomness comes only from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from common.sample import Batch, Sample

Kind = Literal["prepare", "augment", "crop"]


@dataclass(frozen=True)
class Transform:
    """One named step: its settings class and what it does.

    Attributes:
        kind: see the module's text.
        options: frozen dataclass declared with ``common.study.config.setting``.
        prepare: ``(options, sample) -> sample`` if kind is "prepare".
        augment: ``(options, batch, generator) -> batch`` if kind is "augment". The generator is a
            CPU generator.
        crop: ``(options, sample, generator) -> sample`` if kind is "crop".
    """

    kind: Kind
    options: type[Any]
    prepare: Callable[[Any, Sample], Sample] | None = None
    augment: Callable[[Any, Batch, torch.Generator], Batch] | None = None
    crop: Callable[[Any, Sample, torch.Generator], Sample] | None = None
