"""colour_constancy: a coloured light goes, grey and black stay."""

from __future__ import annotations

import torch

from tests.common.transforms.images import sample_of


def test_colour_constancy_undoes_a_coloured_light(step):
    scene = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(1)) * 200
    warm = scene * torch.tensor([1.0, 0.8, 0.4])[:, None, None]
    first, second = (step("colour_constancy")(sample_of(i)).image for i in (scene, warm))
    first, second = first / first.mean(), second / second.mean()
    assert torch.allclose(first, second, atol=1e-4)
    assert torch.allclose(
        step("colour_constancy", power=1.0)(sample_of(warm)).image.mean((1, 2)).std(),
        torch.tensor(0.0),
        atol=1e-3,
    )


def test_colour_constancy_leaves_grey_and_black(step):
    grey = (torch.rand(1, 9, 9) * 255).repeat(3, 1, 1)
    for image in (grey, grey[:1], torch.zeros(3, 9, 9)):
        assert torch.allclose(step("colour_constancy")(sample_of(image)).image, image, rtol=1e-5)
    red = torch.stack([grey[0], torch.zeros(9, 9), torch.zeros(9, 9)])
    assert bool(step("colour_constancy")(sample_of(red)).image.isfinite().all())
