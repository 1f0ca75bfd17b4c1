"""standardise, rescale, local_contrast, colour_constancy."""

from __future__ import annotations

import torch

from common.sample import Sample


def _sample(image: torch.Tensor) -> Sample:
    return Sample(image=image, spacing=(1.0,) * (image.dim() - 1))


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_standardise_each_channel(step):
    image = torch.stack([_noise(20, 30) * 5 + 1e6, _noise(20, 30) * 0.01 - 3])
    result = step("standardise")(_sample(image)).image
    assert torch.allclose(result.mean((1, 2)), torch.zeros(2), atol=1e-4)
    assert torch.allclose(result.std((1, 2), correction=0), torch.ones(2), atol=1e-4)


def test_standardise_together_keeps_the_ratio_of_channels(step):
    image = torch.stack([_noise(20, 30), _noise(20, 30) * 10])
    result = step("standardise", per_channel=False)(_sample(image)).image
    assert abs(float(result.mean())) < 1e-4 and abs(float(result.std(correction=0)) - 1) < 1e-4
    assert torch.allclose(
        result.std((1, 2))[1] / result.std((1, 2))[0],
        image.std((1, 2))[1] / image.std((1, 2))[0],
        rtol=1e-3,
    )


def test_standardise_nonzero_leaves_the_background(step):
    image = _noise(1, 20, 30) * 4 + 50
    image[:, :10] = 0
    result = step("standardise", nonzero=True)(_sample(image)).image
    assert bool((result[:, :10] == 0).all())
    assert (
        abs(float(result[:, 10:].mean())) < 1e-4
        and abs(float(result[:, 10:].std(correction=0)) - 1) < 1e-4
    )


def test_constant_images_become_zero(step):
    for value in (0.0, 0.1, -1024.0, 1.7e6):
        image = _sample(torch.full((1, 16, 16), value))
        for name, table in (
            ("standardise", {}),
            ("standardise", {"nonzero": True}),
            ("rescale", {}),
        ):
            assert bool((step(name, **table)(image).image == 0).all())
        assert float(step("local_contrast", sigma=2.0)(image).image.abs().max()) < 1


def test_rescale_percentiles(step):
    image = torch.arange(1001.0).reshape(1, 7, 143)
    result = step("rescale", percentiles=[10.0, 90.0], clip=False)(_sample(image)).image
    assert torch.allclose(result, (image - 100) / 800, atol=1e-6)
    clipped = step("rescale", percentiles=[10.0, 90.0])(_sample(image)).image
    assert torch.equal(clipped, result.clamp(0, 1))


def test_rescale_per_channel(step):
    image = torch.stack(
        [torch.arange(100.0).reshape(10, 10), torch.arange(100.0).reshape(10, 10) * 7 - 50]
    )
    apart = step("rescale", percentiles=[0.0, 100.0], per_channel=True)(_sample(image)).image
    together = step("rescale", percentiles=[0.0, 100.0])(_sample(image)).image
    assert torch.allclose(apart[0], apart[1], atol=1e-6)
    assert float(together[0].max()) < 0.3 and float(together.max()) == 1


def test_rescale_a_window_of_hounsfield_units(step):
    image = torch.tensor([[[-1000.0, -160.0, 40.0, 240.0, 3000.0]]])
    result = step("rescale", input_range=[-160.0, 240.0])(_sample(image)).image
    assert torch.allclose(result, torch.tensor([[[0.0, 0.0, 0.5, 1.0, 1.0]]]))


def test_local_contrast_removes_slow_shading(step):
    texture = _noise(1, 96, 96)
    shading = torch.linspace(1, 6, 96)[None, None, :]
    plain, shaded = (
        step("local_contrast", sigma=6.0, floor=0.01)(_sample(i)).image
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


def test_colour_constancy_undoes_a_coloured_light(step):
    scene = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(1)) * 200
    warm = scene * torch.tensor([1.0, 0.8, 0.4])[:, None, None]
    first, second = (step("colour_constancy")(_sample(i)).image for i in (scene, warm))
    first, second = first / first.mean(), second / second.mean()
    assert torch.allclose(first, second, atol=1e-4)
    assert torch.allclose(
        step("colour_constancy", power=1.0)(_sample(warm)).image.mean((1, 2)).std(),
        torch.tensor(0.0),
        atol=1e-3,
    )


def test_colour_constancy_leaves_grey_and_black(step):
    grey = (torch.rand(1, 9, 9) * 255).repeat(3, 1, 1)
    for image in (grey, grey[:1], torch.zeros(3, 9, 9)):
        assert torch.allclose(step("colour_constancy")(_sample(image)).image, image, rtol=1e-5)
    red = torch.stack([grey[0], torch.zeros(9, 9), torch.zeros(9, 9)])
    assert bool(step("colour_constancy")(_sample(red)).image.isfinite().all())
