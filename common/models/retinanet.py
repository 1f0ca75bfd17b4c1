"""RetinaNet in 2-D and 3-D: residual backbone, feature pyramid, two heads that all levels share.

Lin et al. 2017, "Focal Loss for Dense Object Detection". The network gives every anchor one logit
per class and the offsets of one box; which anchor learns which box is the task's business
(:mod:`common.tasks.detection`). Anchors are computed from the image's extent, so they are neither
weights nor buffers and never travel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.errors import StudyError
from common.models import Model, Shape
from common.models._fpn import Backbone, Pyramid, convolution, unit
from common.models._norm import norm_setting
from common.study.config import setting
from common.tasks._boxes import Candidates

# So that background does not drown the first steps (section 3.3).
_PRIOR = 0.01
"""Start probability of every class at every anchor."""


@dataclass(frozen=True)
class Options:
    """Settings of the network ([model])."""

    widths: tuple[int, ...] = setting(
        (32, 64, 128, 192),
        doc="channels of the stages with strides 4, 8, 16, ...",
        low=4,
        high=2048,
    )
    blocks: int = setting(1, doc="residual blocks per stage", low=1, high=32)
    finest_stride: int = setting(
        4,
        doc="stride in pixels of the finest level on which boxes are sought; "
        "8: half the time, if no finding is under 25 pixels",
        choices=(4, 8, 16),
    )
    pyramid_width: int = setting(64, doc="channels of the pyramid and the heads", low=4, high=1024)
    head_depth: int = setting(1, doc="convolutions of each head before its last", low=0, high=8)
    anchor_size: float = setting(
        12.0,
        doc="edge in pixels of the anchors of the finest level; it doubles from level to level",
        low=1.0,
        high=4096.0,
    )
    anchor_scales: tuple[float, ...] = setting(
        (1.0,),
        doc="sizes of the anchors at one place, as multiples of the edge",
        low=0.05,
        high=20.0,
    )
    anchor_aspects: tuple[float, ...] = setting(
        (1.0,), doc="height divided by width of the anchors, at equal area", low=0.05, high=20.0
    )
    anchor_depths: tuple[float, ...] = setting(
        (1.0,),
        doc="volumes: extent along D of the anchors as multiples of the edge",
        low=0.05,
        high=20.0,
    )
    norm: str = norm_setting("group")


class RetinaNet(nn.Module):
    """The network; see :class:`Options`.

    Raises:
        StudyError: no stage has the finest stride.
    """

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        d = shape.dimensions
        self.shapes = anchor_shapes(options, d)
        self.strides = _strides(options)
        self.skip = len(options.widths) - len(self.strides)
        self.backbone = Backbone(
            dimensions=d,
            inputs=shape.inputs,
            widths=options.widths,
            blocks=options.blocks,
            norm=options.norm,
        )
        self.pyramid = Pyramid(d, options.widths[self.skip :], options.pyramid_width)
        self.classes = _head(options, d, len(self.shapes) * shape.outputs)
        self.boxes = _head(options, d, len(self.shapes) * 2 * d)
        _initialise(self)

    def forward(self, images: Tensor) -> Candidates:
        """Predictions for images ``[B, C, H, W[, D]]`` of any extent.

        They are filled up with zeros at the far ends to whole strides.
        """
        coarsest = self.strides[-1]
        missing = [-extent % coarsest for extent in images.shape[2:]]
        if any(missing):
            images = F.pad(images, [side for extent in reversed(missing) for side in (0, extent)])
        levels = self.pyramid(self.backbone(images)[self.skip :])
        per_level = len(self.shapes)
        anchors = self.anchors([level.shape[2:] for level in levels], images.device)
        return Candidates(
            logits=torch.cat([_flat(self.classes(level), per_level) for level in levels], 1),
            offsets=torch.cat([_flat(self.boxes(level), per_level) for level in levels], 1),
            anchors=torch.cat(anchors),
            levels=tuple(len(part) for part in anchors),
        )

    def anchors(self, extents: Sequence[Sequence[int]], device: torch.device) -> list[Tensor]:
        """Anchors ``[A_l, 2 * d]`` of levels with extents ``H_l, W_l[, D_l]``.

        Row by row, at each place all shapes in order.
        """
        result = []
        for number, (extent, stride) in enumerate(zip(extents, self.strides, strict=True)):
            grid = torch.meshgrid(
                *(torch.arange(n, device=device, dtype=torch.float32) for n in extent),
                indexing="ij",
            )
            row, column, *rest = [(axis + 0.5) * stride for axis in grid]
            # x lies along W, y along H, z along D.
            centre = torch.stack([column, row, *rest], -1).flatten(0, -2)[:, None]
            half = torch.tensor(self.shapes, device=device) * (2**number / 2)
            result.append(torch.cat([centre - half, centre + half], -1).flatten(0, 1))
        return result


def anchor_shapes(options: Options, dimensions: int) -> list[tuple[float, ...]]:
    """Extents along x, y[, z] in pixels of the anchors of the finest level."""
    depths = options.anchor_depths if dimensions == 3 else (1.0,)
    shapes = []
    for scale, aspect, depth in itertools.product(
        options.anchor_scales, options.anchor_aspects, depths
    ):
        edge = options.anchor_size * scale
        shapes.append(
            (edge / math.sqrt(aspect), edge * math.sqrt(aspect), edge * depth)[:dimensions]
        )
    return shapes


def _strides(options: Options) -> list[int]:
    """Strides of the pyramid's levels, finest first."""
    stages = [4 << n for n in range(len(options.widths))]
    if not stages or stages[-1] < options.finest_stride:
        raise StudyError(
            f"model.widths names {len(stages)} stages (strides {stages}); "
            "name more, or lower model.finest_stride to one of these strides."
        )
    return [stride for stride in stages if stride >= options.finest_stride]


def _head(options: Options, dimensions: int, outputs: int) -> nn.Sequential:
    width = options.pyramid_width
    units = [unit(dimensions, width, width, options.norm) for _ in range(options.head_depth)]
    return nn.Sequential(*units, convolution(dimensions, width, outputs, bias=True))


def _flat(head: Tensor, shapes: int) -> Tensor:
    """``[B, shapes * n, H, W[, D]]`` to ``[B, H * W [* D] * shapes, n]``, in anchor order."""
    return head.movedim(1, -1).reshape(head.shape[0], -1, head.shape[1] // shapes)


def _initialise(network: RetinaNet) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for head, bias in (
        (network.classes[-1], -math.log((1 - _PRIOR) / _PRIOR)),
        (network.boxes[-1], 0.0),
    ):
        nn.init.normal_(head.get_parameter("weight"), std=0.01)
        nn.init.constant_(head.get_parameter("bias"), bias)


MODEL = Model(tasks=("detection",), options=Options, build=RetinaNet)
