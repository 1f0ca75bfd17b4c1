"""cutout: rectangles of the size asked, filled with the image's mean."""

from __future__ import annotations

import torch

from tests.common.transforms.images import generator, noise_batch


def test_cutout_hides_rectangles_of_the_size_asked(step):
    for shape in ((20, 2, 40, 60), (20, 1, 20, 24, 16)):
        original = noise_batch(*shape)
        result = step("cutout", holes=1, size=[0.3, 0.3], probability=1.0)(
            original, generator()
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
