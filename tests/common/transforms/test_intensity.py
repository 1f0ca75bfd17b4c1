"""intensity: brightness, contrast and gamma as stated, for any grey scale."""

from __future__ import annotations

import torch

from common.sample import Batch
from tests.common.transforms.images import generator, noise_batch


def test_intensity_brightness_shifts_by_deviations(step):
    original = noise_batch(200, 1, 16, 16)
    result = step("intensity", brightness=[-0.5, 0.5], contrast=[1.0, 1.0], gamma=[1.0, 1.0])(
        original, generator()
    ).images
    shift = (result - original.images).flatten(1)
    assert torch.allclose(shift.amin(1), shift.amax(1), atol=1e-5)
    share = shift[:, 0] / original.images.flatten(1).std(1, correction=0)
    assert -0.51 < float(share.min()) < -0.4 and 0.4 < float(share.max()) < 0.51


def test_intensity_contrast_keeps_the_mean(step):
    original = noise_batch(200, 2, 16, 16)
    result = step("intensity", brightness=[0.0, 0.0], contrast=[0.5, 2.0], gamma=[1.0, 1.0])(
        original, generator()
    ).images
    assert torch.allclose(result.flatten(1).mean(1), original.images.flatten(1).mean(1), atol=1e-4)
    factor = result.flatten(1).std(1) / original.images.flatten(1).std(1)
    assert 0.49 < float(factor.min()) < 0.6 and 1.7 < float(factor.max()) < 2.01
    assert 0.9 < float(factor.median()) < 1.1


def test_intensity_gamma_keeps_range_and_order_for_negative_values(step):
    original = Batch(images=noise_batch(8, 1, 16, 16).images - 500)
    result = step("intensity", brightness=[0.0, 0.0], contrast=[1.0, 1.0], gamma=[0.5, 0.9])(
        original, generator()
    ).images
    assert bool(result.isfinite().all())
    assert torch.allclose(result.flatten(1).amin(1), original.images.flatten(1).amin(1), atol=1e-3)
    assert torch.allclose(result.flatten(1).amax(1), original.images.flatten(1).amax(1), atol=1e-3)
    order = original.images.flatten(1).argsort(1)
    assert bool((result.flatten(1).gather(1, order).diff(dim=1) >= -1e-3).all()) and bool(
        result.mean() > original.images.mean()
    )


def test_intensity_of_a_constant_image(step):
    result = step("intensity")(Batch(images=torch.full((4, 1, 8, 8), 3.0)), generator()).images
    assert torch.allclose(result, torch.full_like(result, 3.0), atol=1e-4)
