"""local_contrast: slow shading goes, texture stays."""

from __future__ import annotations

import torch

from tests.common.transforms.images import noise, sample_of


def test_local_contrast_removes_slow_shading(step):
    texture = noise(1, 96, 96)
    shading = torch.linspace(1, 6, 96)[None, None, :]
    plain, shaded = (
        step("local_contrast", sigma=6.0, floor=0.01)(sample_of(i)).image
        for i in (texture, texture * shading + shading * 30)
    )
    assert (
        float(
            torch.corrcoef(torch.stack([i[..., 12:-12].flatten() for i in (plain, shaded)]))[0, 1]
        )
        > 0.97
    )
    halves = [float(shaded[..., half].std()) for half in (slice(8, 48), slice(48, 88))]
    assert abs(halves[0] / halves[1] - 1) < 0.15
