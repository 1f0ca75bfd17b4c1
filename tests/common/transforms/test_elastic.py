"""elastic: the map does not fold, and boxes are refused."""

from __future__ import annotations

import pytest
import torch

from common.errors import StudyError
from common.sample import Batch
from tests.common.transforms.images import generator


def test_elastic_does_not_fold(step):
    """Along every row and column the image of a coordinate keeps rising."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    original = Batch(images=torch.stack([rows, columns]).repeat(16, 1, 1, 1))
    for seed in range(5):
        images = step("elastic", strength=0.4, probability=1.0, cells=6)(
            original, generator(seed)
        ).images[:, :, 8:-8, 8:-8]
        down, right = images.diff(dim=2)[..., :-1], images.diff(dim=3)[:, :, :-1]
        determinant = down[:, 0] * right[:, 1] - down[:, 1] * right[:, 0]
        assert float(determinant.min()) > 0 and float(determinant.std()) > 0.05


def test_elastic_refuses_boxes(batch, step):
    with pytest.raises(StudyError, match="boxes"):
        step("elastic")(batch((32, 32)), generator())
