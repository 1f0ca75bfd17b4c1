"""Images and generators that the tests of several steps start from."""

from __future__ import annotations

import torch

from common.sample import Batch, Sample
from tests.targets import Seen


def generator(seed: int = 0) -> torch.Generator:
    """A generator of its own: tests share no random state."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int) -> torch.Tensor:
    """Standard normal grey values."""
    return torch.randn(shape, generator=generator())


def noise_batch(*shape: int) -> Batch:
    """A batch ``[B, C, H, W[, D]]`` of standard normal grey values without targets."""
    return Batch(images=torch.randn(shape, generator=generator(9)))


def sample_of(image: torch.Tensor) -> Sample:
    """An image ``[C, H, W[, D]]`` of one millimetre a pixel without targets."""
    return Sample(image=image, spacing=(1.0,) * (image.dim() - 1))


def ramp(*size: int) -> Sample:
    """An image whose channels are the coordinates of the pixel centres."""
    places = torch.meshgrid(*[torch.arange(n) + 0.5 for n in size], indexing="ij")
    return sample_of(torch.stack(places))


def as_image(batch: Batch) -> Batch:
    """The mask as the image, so that both must stay equal."""
    return batch.with_(images=Seen(batch).masks.float())
