"""rescale: percentiles or a fixed window become 0 and 1."""

from __future__ import annotations

import torch

from tests.common.transforms.images import sample_of


def test_rescale_percentiles(step):
    image = torch.arange(1001.0).reshape(1, 7, 143)
    result = step("rescale", percentiles=[10.0, 90.0], clip=False)(sample_of(image)).image
    assert torch.allclose(result, (image - 100) / 800, atol=1e-6)
    clipped = step("rescale", percentiles=[10.0, 90.0])(sample_of(image)).image
    assert torch.equal(clipped, result.clamp(0, 1))


def test_rescale_per_channel(step):
    image = torch.stack(
        [torch.arange(100.0).reshape(10, 10), torch.arange(100.0).reshape(10, 10) * 7 - 50]
    )
    apart = step("rescale", percentiles=[0.0, 100.0], per_channel=True)(sample_of(image)).image
    together = step("rescale", percentiles=[0.0, 100.0])(sample_of(image)).image
    assert torch.allclose(apart[0], apart[1], atol=1e-6)
    assert float(together[0].max()) < 0.3 and float(together.max()) == 1


def test_rescale_a_window_of_hounsfield_units(step):
    image = torch.tensor([[[-1000.0, -160.0, 40.0, 240.0, 3000.0]]])
    result = step("rescale", input_range=[-160.0, 240.0])(sample_of(image)).image
    assert torch.allclose(result, torch.tensor([[[0.0, 0.0, 0.5, 1.0, 1.0]]]))
