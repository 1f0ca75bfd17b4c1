"""standardise: zero mean and unit variance of what counts."""

from __future__ import annotations

import torch

from tests.common.transforms.images import noise, sample_of


def test_standardise_each_channel(step):
    image = torch.stack([noise(20, 30) * 5 + 1e6, noise(20, 30) * 0.01 - 3])
    result = step("standardise")(sample_of(image)).image
    assert torch.allclose(result.mean((1, 2)), torch.zeros(2), atol=1e-4)
    assert torch.allclose(result.std((1, 2), correction=0), torch.ones(2), atol=1e-4)


def test_standardise_together_keeps_the_ratio_of_channels(step):
    image = torch.stack([noise(20, 30), noise(20, 30) * 10])
    result = step("standardise", per_channel=False)(sample_of(image)).image
    assert abs(float(result.mean())) < 1e-4 and abs(float(result.std(correction=0)) - 1) < 1e-4
    assert torch.allclose(
        result.std((1, 2))[1] / result.std((1, 2))[0],
        image.std((1, 2))[1] / image.std((1, 2))[0],
        rtol=1e-3,
    )


def test_standardise_nonzero_leaves_the_background(step):
    image = noise(1, 20, 30) * 4 + 50
    image[:, :10] = 0
    result = step("standardise", nonzero=True)(sample_of(image)).image
    assert bool((result[:, :10] == 0).all())
    assert (
        abs(float(result[:, 10:].mean())) < 1e-4
        and abs(float(result[:, 10:].std(correction=0)) - 1) < 1e-4
    )
