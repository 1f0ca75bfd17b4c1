"""noise: as strong as asked, for each image by itself."""

from __future__ import annotations

import pytest

from common.sample import Batch
from tests.common.transforms.images import generator, noise_batch


def test_noise_has_the_strength_asked(step):
    original = Batch(images=noise_batch(16, 1, 64, 64).images * 40 - 1000)
    added = (
        step("noise", sigma=[0.25, 0.25], probability=1.0)(original, generator()).images
        - original.images
    )
    assert float(added.std()) == pytest.approx(10.0, rel=0.05) and abs(float(added.mean())) < 0.2


def test_noise_is_drawn_per_image(step):
    original = noise_batch(64, 1, 16, 16)
    strength = (
        (step("noise", sigma=[0.0, 1.0])(original, generator()).images - original.images)
        .flatten(1)
        .std(1)
    )
    assert 15 < int((strength == 0).sum()) < 50 and float(strength.max()) > 0.8
