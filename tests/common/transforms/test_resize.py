"""resize: stretched, or with its aspect kept, as an independent interpolation has it."""

from __future__ import annotations

import pytest
import torch

from common.sample import Sample
from tests.targets import Seen


def test_resize_averages_when_shrinking(step):
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    result = step("resize", size=[16, 16])(Sample(image=board[None].float(), spacing=(1.0, 1.0)))
    assert float((result.image - 0.5).abs().max()) < 0.05
    assert result.spacing == (4.0, 4.0)


def test_resize_agrees_with_an_independent_interpolation(draw, step):
    image = draw((48, 80)).image
    for size in ((24, 20), (96, 100), (30, 90)):
        expected = torch.nn.functional.interpolate(
            image[None], size=size, mode="bilinear", antialias=True, align_corners=False
        )[0]
        assert torch.allclose(
            step("resize", size=list(size))(Sample(image=image, spacing=(1.0, 1.0))).image,
            expected,
            atol=2e-2,
        )
    volume = draw((10, 12, 8)).image
    expected = torch.nn.functional.interpolate(
        volume[None], size=(20, 18, 16), mode="trilinear", align_corners=False
    )[0]
    assert torch.allclose(
        step("resize", size=[20, 18, 16])(Sample(image=volume, spacing=(1.0,) * 3)).image,
        expected,
        atol=1e-4,
    )


def test_resize_moves_boxes_with_the_stretch(draw, step):
    sample = draw((24, 36))
    result = step("resize", size=[48, 18])(sample)
    assert torch.allclose(
        Seen(result).boxes, Seen(sample).boxes * torch.tensor([0.5, 2.0, 0.5, 2.0])
    )
    assert result.spacing == (0.5, 2.0) and torch.equal(Seen(result).classes, Seen(sample).classes)


@pytest.mark.parametrize(
    ("size", "target"), [((30, 60), (40, 40)), ((60, 30), (40, 40)), ((20, 40, 10), (32, 32, 32))]
)
def test_resize_keep_aspect_pads_evenly(size, target, draw, step, bounds):
    result = step("resize", size=list(target), keep_aspect=True, fill=-9.0)(draw(size))
    factor = min(t / n for n, t in zip(size, target, strict=True))
    assert result.image.shape[1:] == target and all(
        abs(s - 1 / factor) < 1e-6 for s in result.spacing
    )
    inside = (result.image[0] != -9.0).nonzero()
    for axis, (n, t) in enumerate(zip(size, target, strict=True)):
        first, last = int(inside[:, axis].min()), int(inside[:, axis].max()) + 1
        assert last - first == round(n * factor) and abs(first - (t - last)) <= 1
    assert float((bounds(Seen(result).mask[0]) - Seen(result).boxes).abs().max()) <= 1.01


def test_resize_there_and_back(draw, step):
    sample = draw((24, 36))
    back = step("resize", size=[24, 36])(step("resize", size=[72, 108])(sample))
    assert torch.equal(Seen(back).mask, Seen(sample).mask) and torch.allclose(
        Seen(back).boxes, Seen(sample).boxes, atol=1e-4
    )
    assert back.spacing == pytest.approx(sample.spacing)
