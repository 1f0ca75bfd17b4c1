"""Normalisation without batch statistics for any network.

Some of MONAI's builders ignore their norm argument or have none.
A network is built with whatever its builder makes, then :func:`normalised` exchanges every norm
layer and refuses a network in which batch statistics are left. Exchanging draws no random number
and keeps a layer that two parts of a network share shared.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from common.errors import StudyError
from common.study.config import setting

NORMS = ("group", "instance", "batch")
_MOST_GROUPS = 8
_FEWEST_CHANNELS = 4


def norm_setting(default: str = "group") -> Any:
    """The option ``norm``, the same for every network."""
    doc = "normalisation; batch keeps running statistics, which leak and drift between hospitals"
    return setting(default, doc=doc, choices=NORMS)


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu and He 2018, eq. 1-4) that keeps the memory layout of its input.

    torch's kernel for channels-last input is several times slower on a CPU than the one for
    contiguous input with two copies around it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W[, D]]`` to the same shape and memory layout."""
        return _like(
            torch.group_norm(x.contiguous(), self.num_groups, self.weight, self.bias, self.eps), x
        )


class InstanceNorm(GroupNorm):
    """Instance normalisation with scale and shift (Ulyanov et al. 2016): one group a channel.

    A map of a single pixel has no spread: normalising it would erase it (torch refuses it in
    training), so it is only scaled and shifted.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W[, D]]`` to the same shape and memory layout."""
        if all(size == 1 for size in x.shape[2:]):
            shape = (-1,) + (1,) * (x.dim() - 2)
            return x * self.weight.view(shape) + self.bias.view(shape)
        return super().forward(x)


def groups(channels: int) -> int:
    """The most groups, 8 at most, that divide the channels and leave four or more in each.

    1 where there is no such number.
    """
    fitting = (
        g
        for g in range(_MOST_GROUPS, 1, -1)
        if channels % g == 0 and channels // g >= _FEWEST_CHANNELS
    )
    return next(fitting, 1)


def norm_layer(kind: str, channels: int, dimensions: int) -> nn.Module:
    """One norm layer.

    Args:
        kind: one of :data:`NORMS`.
        channels: channels of its input.
        dimensions: 2 or 3.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels) if dimensions == 2 else nn.BatchNorm3d(channels)
    return InstanceNorm(channels) if kind == "instance" else GroupNorm(groups(channels), channels)


def normalised(network: nn.Module, kind: str, dimensions: int, divisible: int = 1) -> nn.Module:
    """The network with every batch, instance and group norm layer exchanged for the given kind.

    Args:
        network: changed in place.
        kind: one of :data:`NORMS`.
        dimensions: 2 or 3.
        divisible: image sizes that the network takes are multiples of this; kept as the network's
            attribute ``divisible``.

    Raises:
        StudyError: batch statistics are left although ``kind`` is not "batch".
    """
    exchanged: dict[int, nn.Module] = {}
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, (_NormBase, nn.GroupNorm)):
                # By identity: a layer that two parts of the network share stays shared.
                new = exchanged.setdefault(
                    id(layer), norm_layer(kind, _channels(layer), dimensions)
                )
                setattr(module, name, new)
    if kind != "batch":
        _refuse_batch_statistics(network)
    # Past nn.Module's own __setattr__, which has no type for a plain number.
    object.__setattr__(network, "divisible", divisible)
    return network


def _refuse_batch_statistics(network: nn.Module) -> None:
    left = sorted({type(m).__name__ for m in network.modules() if isinstance(m, _NormBase)})
    if left:
        raise StudyError(
            f"model holds {', '.join(left)}, whose batch statistics could not be exchanged; "
            "choose another model or norm = 'batch'."
        )


def _channels(layer: _NormBase | nn.GroupNorm) -> int:
    return layer.num_channels if isinstance(layer, nn.GroupNorm) else layer.num_features


def _like(x: Tensor, layout: Tensor) -> Tensor:
    if layout.is_contiguous() or layout.dim() not in (4, 5):
        return x
    channels_last = torch.channels_last if layout.dim() == 4 else torch.channels_last_3d
    return (
        x.contiguous(memory_format=channels_last)
        if layout.is_contiguous(memory_format=channels_last)
        else x
    )
