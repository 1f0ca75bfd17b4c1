"""flip: exact, for each image by itself, along the named axes only."""

from __future__ import annotations

import pytest
import torch

from common.errors import StudyError
from tests.common.transforms.images import generator
from tests.targets import Seen


def test_flip_twice_is_the_image_and_only_named_axes_move(batch, step):
    original = batch((24, 32, 20))
    for axis in range(3):
        mirror = step("flip", axes=[axis], probability=1.0)
        once = mirror(original, generator())
        assert torch.equal(once.images, original.images.flip(axis + 2))
        twice = mirror(once, generator())
        assert torch.equal(twice.images, original.images) and all(
            torch.equal(a, b) for a, b in zip(Seen(twice).boxes, Seen(original).boxes, strict=True)
        )


def test_flip_draws_for_each_image(batch, step):
    original = batch((32, 48))
    flipped = [
        not torch.equal(a, b)
        for a, b in zip(step("flip")(original, generator()).images, original.images, strict=True)
    ]
    assert 0 < sum(flipped) < 8


def test_flip_refuses_the_slice_axis_of_flat_images(batch, step):
    with pytest.raises(StudyError, match="0 to 1"):
        step("flip", axes=[2])(batch((32, 32)), generator())
