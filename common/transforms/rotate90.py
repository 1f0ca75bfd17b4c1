"""Turn images by quarter turns in the H-W plane, without interpolation: for images that have no up, as in dermoscopy and pathology."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._boxes import edges, joined
from common.transforms._options import chosen


@dataclass(frozen=True)
class Options:
    """How often."""

    probability: float = setting(
        0.75, doc="share of the images turned, by one, two or three quarters", low=0.0, high=1.0
    )


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Images that are not square (in pixels or in millimetres) are turned by 180 degrees only. Masks and boxes follow exactly."""
    height, width = batch.images.shape[2:4]
    square = height == width and batch.spacing[0] == batch.spacing[1]
    drawn = 1 + torch.randint(3, (len(batch),), generator=generator)
    turned = chosen(options.probability, len(batch), generator, torch.device("cpu"))
    turns = torch.where(turned, drawn if square else torch.full_like(drawn, 2), 0)
    boxes = batch.boxes
    if boxes is not None:
        boxes = tuple(
            _turned_boxes(b, int(k), height, width) for b, k in zip(boxes, turns, strict=True)
        )
    masks = None if batch.masks is None else _turned(batch.masks, turns)
    return batch.with_(images=_turned(batch.images, turns), masks=masks, boxes=boxes)


def _turned(values: Tensor, turns: Tensor) -> Tensor:
    """Each image of ``[B, C, H, W[, D]]`` turned counter-clockwise by its own number of quarter turns."""
    result = values.clone()
    for k in (1, 2, 3):
        which = (turns == k).nonzero()[:, 0].to(values.device)
        if len(which):
            result[which] = torch.rot90(values[which], k, (2, 3))
    return result


def _turned_boxes(boxes: Tensor, turns: int, height: int, width: int) -> Tensor:
    """A counter-clockwise quarter turn takes (row, column) to (W - column, row)."""
    low, high = (e.clone() for e in edges(boxes))
    for _ in range(turns):
        rows, columns = (
            (low[:, 0].clone(), high[:, 0].clone()),
            (low[:, 1].clone(), high[:, 1].clone()),
        )
        low[:, 0], high[:, 0] = width - columns[1], width - columns[0]
        low[:, 1], high[:, 1] = rows
        height, width = width, height
    return joined(low, high)


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
