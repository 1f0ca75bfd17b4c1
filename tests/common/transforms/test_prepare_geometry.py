"""resample, resize, pad, crop_foreground."""

from __future__ import annotations

import pytest
import torch

from common.errors import CaseError
from common.sample import Sample
from tests.targets import Seen, of_one


def _ramp(*size: int) -> Sample:
    """An image whose channels are the coordinates of the pixel centres."""
    places = torch.meshgrid(*[torch.arange(n) + 0.5 for n in size], indexing="ij")
    return Sample(image=torch.stack(places), spacing=(1.0,) * len(size))


@pytest.mark.parametrize(
    ("size", "spacing", "expected"),
    [((40, 60), (0.5, 1.0), (20, 60)), ((20, 24, 10), (1.0, 1.0, 3.0), (20, 24, 30))],
)
def test_resample_reaches_the_spacing(size, spacing, expected, draw, step):
    sample = draw(size).with_(spacing=spacing)
    result = step("resample", spacing=[1.0])(sample)
    assert result.image.shape[1:] == expected == Seen(result).mask.shape[1:] and result.spacing == (
        1.0,
    ) * len(size)


def test_resample_keeps_an_image_that_fits(draw, step):
    sample = draw((24, 36))
    result = step("resample", spacing=[1.0, 1.0])(sample)
    assert torch.allclose(result.image, sample.image, atol=1e-6) and torch.equal(
        Seen(result).mask, Seen(sample).mask
    )
    assert torch.equal(Seen(result).boxes, Seen(sample).boxes)


@pytest.mark.parametrize("size", [(48, 64), (32, 40, 24)])
@pytest.mark.parametrize("spacing", [0.4, 0.77, 1.6])
def test_resample_moves_image_mask_and_boxes_alike(size, spacing, draw, step, bounds):
    result = step("resample", spacing=[spacing])(draw(size))
    seen = bounds(Seen(result).mask[0])
    bright = bounds(result.image[0] > 2.5)
    assert float((seen - bright).abs().max()) <= max(1.0, 0.5 / spacing + 0.5)
    assert float((seen - Seen(result).boxes).abs().max()) <= max(1.0, 0.5 / spacing + 0.5)


def test_resample_puts_coordinates_where_they_belong(step):
    result = step("resample", spacing=[2.0, 0.5])(_ramp(31, 20))
    assert result.image.shape == (2, 16, 40)
    rows = result.image[0, 1:-1, 0]
    assert torch.allclose(rows.diff(), torch.full((13,), 2.0), atol=1e-4) and torch.allclose(
        rows.mean(), torch.tensor(15.5), atol=1e-3
    )
    columns = result.image[1, 0, 2:-2]
    assert torch.allclose(columns.diff(), torch.full((35,), 0.5), atol=1e-4)
    assert torch.allclose(columns.mean(), torch.tensor(10.0), atol=1e-3)


def test_resample_refuses_an_absurd_size(step):
    with pytest.raises(CaseError, match="more voxels than are allowed"):
        step("resample", spacing=[0.01])(_ramp(8, 8, 8).with_(spacing=(100.0, 100.0, 100.0)))


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


def test_pad_to_size_and_multiple(draw, step, bounds):
    sample = draw((25, 36))
    result = step("pad", size=[40, 30], multiple=16, fill=7.0)(sample)
    assert result.image.shape[1:] == (48, 48)
    assert (
        torch.equal(result.image[:, 11:36, 6:42], sample.image)
        and float(result.image[0, 0, 0]) == 7.0
    )
    assert int(Seen(result).mask.sum()) == int(Seen(sample).mask.sum()) and torch.equal(
        bounds(Seen(result).mask[0]), Seen(result).boxes
    )
    assert step("pad", size=[10], multiple=1)(sample).image.shape == sample.image.shape
    assert step("pad", size=[10], multiple=8)(draw((9, 8, 7))).image.shape[1:] == (16, 16, 16)


@pytest.mark.parametrize("size", [(40, 56), (20, 30, 16)])
def test_crop_foreground_finds_the_window(size, draw, step, bounds):
    sample = draw(size)
    sample = sample.with_(image=Seen(sample).mask.float() * 100 - 50)
    result = step("crop_foreground", threshold=0.0)(sample)
    box = bounds(Seen(sample).mask[0])[0]
    order = [1, 0, 2][: len(size)]
    d = len(size)
    assert result.image.shape[1:] == tuple(int(box[d:][i] - box[:d][i]) for i in order)
    assert torch.equal(Seen(result).boxes[0, :d], torch.zeros(d)) and int(
        Seen(result).mask.sum()
    ) == int(Seen(sample).mask.sum())
    wider = step("crop_foreground", margin=2)(sample)
    assert all(
        a == b + 4 for a, b in zip(wider.image.shape[1:], result.image.shape[1:], strict=True)
    )
    assert step("crop_foreground", margin=500)(sample).image.shape == sample.image.shape


def test_crop_foreground_clips_boxes_and_drops_those_outside(step):
    image = torch.zeros(1, 20, 20)
    image[:, 5:15, 5:15] = 1
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 4.0, 4.0]])
    result = step("crop_foreground")(
        Sample(
            image=image,
            spacing=(1.0, 1.0),
            targets=of_one(boxes=boxes, classes=torch.tensor([3, 4])),
        )
    )
    assert Seen(result).boxes.tolist() == [[0.0, 0.0, 5.0, 5.0]] and Seen(
        result
    ).classes.tolist() == [3]


def test_crop_foreground_leaves_an_empty_image(draw, step):
    sample = draw((20, 20)).with_(image=torch.zeros(1, 20, 20))
    assert step("crop_foreground")(sample) is sample


def test_a_crop_does_not_keep_the_whole_image_in_memory(draw, step):
    sample = draw((64, 64))
    result = step("crop_foreground", threshold=4.0)(sample)
    assert (
        result.image.untyped_storage().nbytes()
        == result.image.numel() * 4
        < sample.image.numel() * 4
    )
