"""crop_foreground: the smallest window around what is bright."""

from __future__ import annotations

import pytest
import torch

from common.sample import Sample
from tests.targets import Seen, of_one


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
