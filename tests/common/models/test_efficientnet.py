"""EfficientNet: padding follows from the kernel, so that images of any size pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import build


def test_no_padding_is_fixed_for_one_image_size() -> None:
    network = build("efficientnet", 2)
    paddings = [m for name, m in network.named_modules() if name.endswith("_padding")]
    assert paddings
    assert all(isinstance(module, nn.Identity) for module in paddings)
    kernels = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.padding == tuple(side // 2 for side in m.kernel_size) for m in kernels)


def test_a_size_that_is_not_published_is_refused() -> None:
    with pytest.raises(StudyError, match=r"model\.size"):
        build("efficientnet", 2, size="b9")


@pytest.mark.parametrize("side", [9, 16])
def test_small_images_pass(side: int) -> None:
    assert torch.isfinite(build("efficientnet", 2)(torch.randn(2, 1, side, side))).all()
