"""Networks in their smallest settings, for the tests of all and of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from common.models import Shape
from common.models._norm import normalised
from common.study import config, plugins

SIDES: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 3}
"""What MONAI's classes are told of :func:`assert_equals_monais`'s images."""
LEVELS: dict[str, Any] = {
    "channels": (8, 16, 32),
    "strides": (2, 1),
    "kernel_size": 5,
    "up_kernel_size": 5,
    "dropout": 0.1,
}
OWN = {"channels": [8, 16, 32], "strides": [2, 1], "kernel_size": 5, "dropout": 0.1}
"""The same levels as a study states them."""
SMALL: dict[str, dict[str, Any]] = {
    "densenet": {"features": 8, "growth": 4, "blocks": [2, 2]},
    "resnet": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1]},
    "segresnet": {"down": [1, 1], "up": [1]},
    "dynunet": {"channels": [8, 16, 32]},
    "attention_unet": {"channels": [8, 16, 32], "strides": [2, 2]},
}


def build(name: str, dimensions: int, seed: int = 0, outputs: int = 3, **options: Any) -> nn.Module:
    """A plug-in's network of small settings, from a seed."""
    plugin = plugins.load("common.models", name, "MODEL")
    torch.manual_seed(seed)
    network: nn.Module = plugin.build(
        config.load(plugin.options, SMALL.get(name, {}) | options, "model"),
        Shape(dimensions, 1, outputs),
    )
    return network


def pictures(dimensions: int, side: int = 16, count: int = 2) -> Tensor:
    """The same images ``[count, 1, H, W[, D]]`` every time."""
    return torch.randn(count, 1, *[side] * dimensions, generator=torch.Generator().manual_seed(1))


def channels_last(dimensions: int) -> torch.memory_format:
    """torch's layout with the channels last."""
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def assert_equals_monais(
    name: str, options: dict[str, Any], direct: Callable[[], nn.Module], norm: str, divisible: int
) -> None:
    """A plug-in builds what MONAI's class builds with the stated arguments, weight for weight."""
    plugin = plugins.load("common.models", name, "MODEL")
    torch.manual_seed(7)
    ours = plugin.build(config.load(plugin.options, options, "model"), Shape(2, 1, 3))
    torch.manual_seed(7)
    own = ours.state_dict()
    expected = normalised(direct(), norm, 2, divisible).state_dict()
    assert list(own) == list(expected)
    assert all(torch.equal(own[key], expected[key]) for key in own)
    assert ours.divisible == divisible
