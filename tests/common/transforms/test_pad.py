"""pad: to a size and to a multiple, evenly."""

from __future__ import annotations

import torch

from tests.targets import Seen


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
