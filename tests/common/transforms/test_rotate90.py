"""rotate90: every quarter turn, and half turns alone where pixels or sides differ."""

from __future__ import annotations

import torch

from tests.common.transforms.images import generator


def test_rotate90_of_oblong_images_is_a_half_turn(batch, step):
    for original in (batch((32, 48)), batch((32, 32)).with_(spacing=(1.0, 2.0))):
        result = step("rotate90", probability=1.0)(original, generator())
        assert torch.equal(result.images, original.images.flip(2, 3))


def test_rotate90_draws_all_turns(batch, step):
    original = batch((32, 32))
    seen = set()
    for seed in range(10):
        for after, before in zip(
            step("rotate90")(original, generator(seed)).images, original.images, strict=True
        ):
            seen |= {k for k in range(4) if torch.equal(torch.rot90(before, k, (1, 2)), after)}
    assert seen == {0, 1, 2, 3}
