"""intensity, colour, noise, blur, cutout: only grey values change."""

from __future__ import annotations

import pytest
import torch

from common.sample import Batch
from tests.targets import Seen


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch(*shape: int) -> Batch:
    return Batch(images=torch.randn(shape, generator=_generator(9)))


@pytest.mark.parametrize("name", ["intensity", "colour", "noise", "blur", "cutout"])
def test_masks_and_boxes_stay(name, batch, step):
    for size in ((24, 36), (16, 20, 12)):
        original = batch(size)
        result = step(name, probability=1)(original, _generator())
        assert (
            torch.equal(Seen(result).masks, Seen(original).masks)
            and result.targets["boxes"] is original.targets["boxes"]
        )
        assert not torch.equal(result.images, original.images)


def test_intensity_brightness_shifts_by_deviations(step):
    original = _batch(200, 1, 16, 16)
    result = step("intensity", brightness=[-0.5, 0.5], contrast=[1.0, 1.0], gamma=[1.0, 1.0])(
        original, _generator()
    ).images
    shift = (result - original.images).flatten(1)
    assert torch.allclose(shift.amin(1), shift.amax(1), atol=1e-5)
    share = shift[:, 0] / original.images.flatten(1).std(1, correction=0)
    assert -0.51 < float(share.min()) < -0.4 and 0.4 < float(share.max()) < 0.51


def test_intensity_contrast_keeps_the_mean(step):
    original = _batch(200, 2, 16, 16)
    result = step("intensity", brightness=[0.0, 0.0], contrast=[0.5, 2.0], gamma=[1.0, 1.0])(
        original, _generator()
    ).images
    assert torch.allclose(result.flatten(1).mean(1), original.images.flatten(1).mean(1), atol=1e-4)
    factor = result.flatten(1).std(1) / original.images.flatten(1).std(1)
    assert 0.49 < float(factor.min()) < 0.6 and 1.7 < float(factor.max()) < 2.01
    assert 0.9 < float(factor.median()) < 1.1


def test_intensity_gamma_keeps_range_and_order_for_negative_values(step):
    original = Batch(images=_batch(8, 1, 16, 16).images - 500)
    result = step("intensity", brightness=[0.0, 0.0], contrast=[1.0, 1.0], gamma=[0.5, 0.9])(
        original, _generator()
    ).images
    assert bool(result.isfinite().all())
    assert torch.allclose(result.flatten(1).amin(1), original.images.flatten(1).amin(1), atol=1e-3)
    assert torch.allclose(result.flatten(1).amax(1), original.images.flatten(1).amax(1), atol=1e-3)
    order = original.images.flatten(1).argsort(1)
    assert bool((result.flatten(1).gather(1, order).diff(dim=1) >= -1e-3).all()) and bool(
        result.mean() > original.images.mean()
    )


def test_intensity_of_a_constant_image(step):
    result = step("intensity")(Batch(images=torch.full((4, 1, 8, 8), 3.0)), _generator()).images
    assert torch.allclose(result, torch.full_like(result, 3.0), atol=1e-4)


def test_colour_changes_channels_apart(step):
    original = _batch(32, 3, 16, 16)
    result = step("colour", scale=[0.5, 2.0], shift=[0.0, 0.0])(original, _generator()).images
    factor = result.flatten(2).std(2) / original.images.flatten(2).std(2)
    assert (
        float(factor.std(1).min()) > 0 and float(factor.min()) > 0.49 and float(factor.max()) < 2.01
    )
    assert torch.allclose(result.flatten(2).mean(2), original.images.flatten(2).mean(2), atol=1e-4)


def test_noise_has_the_strength_asked(step):
    original = Batch(images=_batch(16, 1, 64, 64).images * 40 - 1000)
    added = (
        step("noise", sigma=[0.25, 0.25], probability=1.0)(original, _generator()).images
        - original.images
    )
    assert float(added.std()) == pytest.approx(10.0, rel=0.05) and abs(float(added.mean())) < 0.2


def test_noise_is_drawn_per_image(step):
    original = _batch(64, 1, 16, 16)
    strength = (
        (step("noise", sigma=[0.0, 1.0])(original, _generator()).images - original.images)
        .flatten(1)
        .std(1)
    )
    assert 15 < int((strength == 0).sum()) < 50 and float(strength.max()) > 0.8


def test_blur_is_a_gaussian(step):
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    result = step("blur", sigma=[2.0, 2.0], probability=1.0)(
        Batch(images=point), _generator()
    ).images[0, 0]
    rows = torch.arange(41.0) - 20
    assert float(result.sum()) == pytest.approx(1.0, abs=1e-4)
    assert float((result.sum(1) * rows**2).sum()) == pytest.approx(4.0, rel=0.02)
    assert torch.allclose(result, result.T, atol=1e-7) and torch.allclose(
        result, result.flip(0), atol=1e-7
    )


def test_blur_leaves_flat_areas_up_to_the_border(step):
    for shape in ((4, 2, 20, 30), (2, 1, 10, 12, 8)):
        result = step("blur", sigma=[3.0, 5.0], probability=1.0)(
            Batch(images=torch.full(shape, -7.0)), _generator()
        ).images
        assert torch.allclose(result, torch.full(shape, -7.0), atol=1e-4)


def test_blur_of_some_images_leaves_the_others(step):
    original = _batch(64, 1, 16, 16)
    same = (
        (
            step("blur", sigma=[1.0, 1.0], probability=0.5)(original, _generator()).images
            == original.images
        )
        .flatten(1)
        .all(1)
    )
    assert 15 < int(same.sum()) < 50


def test_cutout_hides_rectangles_of_the_size_asked(step):
    for shape in ((20, 2, 40, 60), (20, 1, 20, 24, 16)):
        original = _batch(*shape)
        result = step("cutout", holes=1, size=[0.3, 0.3], probability=1.0)(
            original, _generator()
        ).images
        changed = (result != original.images).all(1)
        share = changed.flatten(1).float().mean(1)
        assert float(share.max()) <= 0.37 ** (len(shape) - 2) and float(share.max()) > 0.2 ** (
            len(shape) - 2
        )
        for image, hidden, before in zip(result, changed, original.images, strict=True):
            places = hidden.nonzero()
            box = tuple(
                slice(int(a), int(b) + 1)
                for a, b in zip(places.amin(0), places.amax(0), strict=True)
            )
            assert bool(hidden[box].all())
            assert torch.allclose(image[:, hidden].mean(1), before.flatten(1).mean(1), atol=1e-5)
