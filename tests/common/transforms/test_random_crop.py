"""random_crop: a part of the image, drawn evenly, and on what is labelled as often as asked."""

from __future__ import annotations

import pytest
import torch

from common.sample import Sample
from tests.common.transforms.images import generator
from tests.targets import Seen, of_one


def _numbered(*size: int) -> Sample:
    """Pixels hold their own running number, so that a window tells where it came from."""
    count = int(torch.tensor(size).prod())
    image = torch.arange(float(count)).reshape(1, *size)
    return Sample(
        image=image, spacing=(1.0,) * len(size), targets=of_one((image % 3 == 0).to(torch.uint8))
    )


def test_window_is_a_part_of_image_and_mask(step):
    sample = _numbered(20, 30)
    for seed in range(20):
        result = step("random_crop", size=[8, 12])(sample, generator(seed))
        top, left = divmod(int(result.image[0, 0, 0]), 30)
        assert torch.equal(result.image, sample.image[:, top : top + 8, left : left + 12])
        assert torch.equal(Seen(result).mask, Seen(sample).mask[:, top : top + 8, left : left + 12])


def test_every_start_is_drawn(step):
    starts = {
        int(step("random_crop", size=[7, 3])(_numbered(8, 4), generator(s)).image[0, 0, 0])
        for s in range(60)
    }
    assert starts == {0, 1, 4, 5}


@pytest.mark.parametrize("size", [(60, 60), (24, 24, 24)])
def test_foreground_is_in_the_window(size, step):
    sample = _numbered(*size)
    mask = torch.zeros_like(Seen(sample).mask)
    mask[(0, *[2] * len(size))] = 1
    mask[(0, *[n - 3 for n in size])] = 2
    seen = set()
    for seed in range(30):
        result = step("random_crop", size=[9], foreground=1.0)(
            sample.with_(targets=of_one(mask)), generator(seed)
        )
        assert result.image.shape[1:] == (9,) * len(size)
        seen |= set(Seen(result).mask.unique().tolist())
        assert int(Seen(result).mask.sum()) > 0
    assert seen == {0, 1, 2}
    hits = sum(
        int(
            step("random_crop", size=[9])(sample.with_(targets=of_one(mask)), generator(s))
            .targets["mask"]
            .values.any()
        )
        for s in range(30)
    )
    assert hits < 15


def test_foreground_pixels_are_drawn_evenly(step):
    sample = _numbered(30, 30)
    mask = torch.zeros_like(Seen(sample).mask)
    mask[0, 10, 10], mask[0, 20, 18:21] = 1, 1
    centres = [
        step("random_crop", size=[1], foreground=1.0)(
            sample.with_(targets=of_one(mask)), generator(s)
        ).image.item()
        for s in range(400)
    ]
    counts = [centres.count(float(p)) for p in (310, 618, 619, 620)]
    assert sum(counts) == 400 and min(counts) > 60


def test_boxes_are_a_foreground_too(step):
    sample = _numbered(50, 50).with_(
        targets=of_one(boxes=torch.tensor([[40.0, 4.0, 44.0, 10.0]]), classes=torch.tensor([5]))
    )
    for seed in range(10):
        result = step("random_crop", size=[12, 12], foreground=1.0)(sample, generator(seed))
        assert Seen(result).boxes.tolist() == [[4.0, 3.0, 8.0, 9.0]]
        assert Seen(result).classes.tolist() == [5]


def test_a_small_image_is_padded_evenly(draw, step, bounds):
    sample = draw((20, 40))
    result = step("random_crop", size=[32, 40], fill=-3.0)(sample, generator(0))
    assert torch.equal(result.image[:, 6:26], sample.image) and bool(
        (result.image[:, :6] == -3).all()
    )
    assert torch.equal(bounds(Seen(result).mask[0]), Seen(result).boxes)


def test_a_box_that_leaves_the_window_is_dropped(step):
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [8.0, 0.0, 18.0, 10.0], [2.0, 2.0, 6.0, 6.0]])
    sample = Sample(
        image=torch.zeros(1, 10, 20),
        spacing=(1.0, 1.0),
        targets=of_one(boxes=boxes, classes=torch.arange(3)),
    )
    for seed in range(20):
        result = step("random_crop", size=[10, 10])(sample, generator(seed))
        widths = (Seen(result).boxes[:, 2] - Seen(result).boxes[:, 0]).tolist()
        full = [10.0, 10.0, 4.0]
        assert all(
            w >= 0.3 * full[c] for w, c in zip(widths, Seen(result).classes.tolist(), strict=True)
        )


def test_no_foreground_falls_back_to_any_window(step):
    sample = _numbered(20, 30).with_(targets=of_one(torch.zeros(1, 20, 30, dtype=torch.uint8)))
    starts = {
        int(step("random_crop", size=[8], foreground=1.0)(sample, generator(s)).image[0, 0, 0])
        for s in range(20)
    }
    assert len(starts) > 10
