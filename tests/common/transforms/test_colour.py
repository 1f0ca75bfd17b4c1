"""colour: each channel by itself."""

from __future__ import annotations

import torch

from tests.common.transforms.images import generator, noise_batch


def test_colour_changes_channels_apart(step):
    original = noise_batch(32, 3, 16, 16)
    result = step("colour", scale=[0.5, 2.0], shift=[0.0, 0.0])(original, generator()).images
    factor = result.flatten(2).std(2) / original.images.flatten(2).std(2)
    assert (
        float(factor.std(1).min()) > 0 and float(factor.min()) > 0.49 and float(factor.max()) < 2.01
    )
    assert torch.allclose(result.flatten(2).mean(2), original.images.flatten(2).mean(2), atol=1e-4)
