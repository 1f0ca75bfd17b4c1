"""resample: image, mask and boxes reach the spacing alike."""

from __future__ import annotations

import pytest
import torch

from common.errors import CaseError
from tests.common.transforms.images import ramp
from tests.targets import Seen


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
    result = step("resample", spacing=[2.0, 0.5])(ramp(31, 20))
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
        step("resample", spacing=[0.01])(ramp(8, 8, 8).with_(spacing=(100.0, 100.0, 100.0)))
