"""Try a study's steps on invented images: a wrong setting shows before any hospital is asked."""

from __future__ import annotations

import torch

from common import networks
from common.errors import CaseError
from common.sample import Sample, stack
from common.study import plugins
from common.study.study import Study
from common.targets import Target, named
from common.transforms import Transform

_SIDE = {2: 96, 3: 32}
"""Pixels along each side, by number of dimensions: room for usual crops and patches."""


def steps(study: Study) -> None:
    """Run every step of ``data.prepare`` and ``data.augment`` once, on two invented images.

    Raises:
        StudyError: a step refuses its settings.
    """
    generator = torch.Generator().manual_seed(0)
    loaded = [(_transform(step.name), step.options) for step in (*study.prepare, *study.augment)]
    samples = [_invented(study, generator) for _ in range(2)]
    try:
        for transform, options in loaded:
            if transform.prepare is not None:
                samples = [transform.prepare(options, sample) for sample in samples]
            if transform.crop is not None:
                samples = [transform.crop(options, sample, generator) for sample in samples]
        batch = stack(samples)
        for transform, options in loaded:
            if transform.augment is not None:
                batch = transform.augment(options, batch, generator)
    except CaseError:
        # The invented image does not suit a step, e.g. has no foreground for it; a hospital's may.
        return


def _transform(name: str) -> Transform:
    transform: Transform = plugins.load("common.transforms", name, "TRANSFORM")
    return transform


def _invented(study: Study, generator: torch.Generator) -> Sample:
    """Noise with a bright patch, which the targets mark that the task asks for."""
    dimensions = study.data.dimensions
    needs = networks.task(study).needs
    side = _SIDE[dimensions]
    size, low, high = ([length] * dimensions for length in (side, side // 4, side // 2))
    image = torch.rand((study.data.channels, *size), generator=generator)
    image[(slice(None), *[slice(side // 4, side // 2)] * dimensions)] += 1.0
    targets = [_kind(name).example(size, low, high) for name in sorted(needs)]
    return Sample(image, (1.0,) * dimensions, targets=named(*targets))


def _kind(name: str) -> type[Target]:
    kind: type[Target] = plugins.load("common.targets", name, "TARGET", "target")
    return kind
