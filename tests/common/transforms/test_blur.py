"""blur: a Gaussian that leaves flat areas and the other images alone."""

from __future__ import annotations

import pytest
import torch

from common.sample import Batch
from tests.common.transforms.images import generator, noise_batch


def test_blur_is_a_gaussian(step):
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    result = step("blur", sigma=[2.0, 2.0], probability=1.0)(
        Batch(images=point), generator()
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
            Batch(images=torch.full(shape, -7.0)), generator()
        ).images
        assert torch.allclose(result, torch.full(shape, -7.0), atol=1e-4)


def test_blur_of_some_images_leaves_the_others(step):
    original = noise_batch(64, 1, 16, 16)
    same = (
        (
            step("blur", sigma=[1.0, 1.0], probability=0.5)(original, generator()).images
            == original.images
        )
        .flatten(1)
        .all(1)
    )
    assert 15 < int(same.sum()) < 50
