"""Convolutions that stay correct under bf16 on a CPU.

Where a map is only one or two pixels wide, oneDNN (3.12, in torch 2.13, with AVX-512) computes the
bf16 gradient of the weights from memory that it never wrote, or writes past its end. Maps that
narrow cost nothing, so there a convolution leaves bf16 for float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_NARROW = 2
"""Pixels of a side up to which bf16 is left."""


class _Sound(nn.Module):
    def forward(self, x: Tensor, *more: Any) -> Tensor:
        """As the convolution itself."""
        if (
            x.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
            and min(x.shape[2:]) <= _NARROW
        ):
            with torch.autocast("cpu", enabled=False):
                narrow: Tensor = super().forward(x.float(), *more)
                return narrow
        wide: Tensor = super().forward(x, *more)
        return wide


class Convolution2d(_Sound, nn.Conv2d):
    """Sound ``Conv2d``."""


class Convolution3d(_Sound, nn.Conv3d):
    """Sound ``Conv3d``."""


class Transposed2d(_Sound, nn.ConvTranspose2d):
    """Sound ``ConvTranspose2d``."""


class Transposed3d(_Sound, nn.ConvTranspose3d):
    """Sound ``ConvTranspose3d``."""


_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: Convolution2d,
    nn.Conv3d: Convolution3d,
    nn.ConvTranspose2d: Transposed2d,
    nn.ConvTranspose3d: Transposed3d,
}


def sound(network: nn.Module) -> nn.Module:
    """The network with every plain convolution made sound, in place; names and weights stay."""
    for module in network.modules():
        # Exactly these types: a subclass has a forward of its own that must not be lost.
        if type(module) in _KINDS:
            module.__class__ = _KINDS[type(module)]
    return network
