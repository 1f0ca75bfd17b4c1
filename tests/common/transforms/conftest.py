"""Drawn objects, so that boxes and masks can be compared with what the pixels show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from common.sample import Batch, Sample, stack
from common.study import config, plugins
from tests.targets import of_many, of_one


def ellipsoid(size: Sequence[int], centre: Sequence[float], half: Sequence[float]) -> Tensor:
    """Bool ``size``: pixels whose centre lies in an ellipse or ellipsoid."""
    places = torch.meshgrid(*[torch.arange(n) + 0.5 for n in size], indexing="ij")
    return (
        torch.stack([((p - c) / h) ** 2 for p, c, h in zip(places, centre, half, strict=True)]).sum(
            0
        )
        <= 1
    )


def bounds(mask: Tensor) -> Tensor:
    """``[1, 2 * d]``: the box around a mask ``[H, W[, D]]``."""
    places = mask.nonzero()
    order = [1, 0, 2][: mask.dim()]
    return torch.cat([places.amin(0)[order], places.amax(0)[order] + 1]).float()[None]


def drawn(size: Sequence[int], seed: int = 0) -> Sample:
    """One bright ellipse on noise, with its mask and its box."""
    generator = torch.Generator().manual_seed(seed)
    share = 0.35 + 0.3 * torch.rand(len(size), generator=generator)
    half = [n * (0.12 + 0.1 * float(torch.rand((), generator=generator))) for n in size]
    mask = ellipsoid(size, [float(s) * n for s, n in zip(share, size, strict=True)], half)
    image = mask.float() * 5 + torch.randn(size, generator=generator) * 0.2
    return Sample(
        image=image[None],
        spacing=(1.0,) * len(size),
        targets=of_one(
            mask.to(torch.uint8)[None], bounds(mask), torch.tensor([2]), torch.tensor(1)
        ),
    )


def step(name: str, **table: object) -> Callable[..., object]:
    """A step with its settings loaded as from a study file."""
    transform = plugins.load("common.transforms", name, "TRANSFORM")
    options = config.load(transform.options, table, f"data.{name}")
    function = transform.prepare or transform.augment or transform.crop
    return lambda *values: function(options, *values)


@pytest.fixture(name="draw")
def _draw() -> Callable[..., Sample]:
    return drawn


@pytest.fixture(name="step")
def _step() -> Callable[..., Callable[..., object]]:
    return step


@pytest.fixture(name="bounds")
def _bounds() -> Callable[[Tensor], Tensor]:
    return bounds


@pytest.fixture(name="batch")
def _batch() -> Callable[..., Batch]:
    """A batch of eight drawn samples."""

    def make(size: Sequence[int], boxes: bool = True) -> Batch:
        samples = [drawn(size, seed) for seed in range(8)]
        whole = stack(samples).targets
        whole = whole if boxes else {name: whole[name] for name in ("mask", "label")}
        return Batch(
            images=torch.stack([s.image for s in samples]),
            targets={**whole, **of_many(labels=torch.arange(8))},
            spacing=(1.0,) * len(size),
        )

    return make
