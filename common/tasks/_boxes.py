"""Geometry of boxes: overlap, decoding, which anchor learns which box, suppression of duplicates.

Boxes are float ``[..., 2 * d]``, ``x0 y0 [z0] x1 y1 [z1]`` in pixels, upper ends exclusive
(:mod:`common.sample`); d is 2 or 3. Everything is vectorised over batch, boxes and anchors, and
computes in the precision of its arguments: hand in float32, also under autocast.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LARGEST_LOG_SCALE = 4.0
"""A decoded box is at most e**4, 55 times as wide as its anchor.

So an untrained network overflows nothing.
"""


class Candidates(NamedTuple):
    """What a detector's forward returns: one prediction for every anchor.

    Attributes:
        logits: ``[B, A, K]``, one per class; no background class (each class is a yes or no of its
            own).
        offsets: ``[B, A, 2 * d]``, see :func:`decode`.
        anchors: float32 ``[A, 2 * d]``.
        levels: number of anchors of each pyramid level, in order; they add up to A.
    """

    logits: Tensor
    offsets: Tensor
    anchors: Tensor
    levels: tuple[int, ...]


def decode(anchors: Tensor, offsets: Tensor) -> Tensor:
    """Boxes from anchors and offsets (Ren et al. 2015, "Faster R-CNN", equation 2).

    Args:
        anchors: ``[A, 2 * d]``.
        offsets: ``[..., A, 2 * d]``: d shifts of the centre in sizes of the anchor, then d
            logarithms of the scale.

    Returns:
        ``[..., A, 2 * d]``.
    """
    low, high = anchors.chunk(2, -1)
    shift, scale = offsets.chunk(2, -1)
    centre = (low + high) / 2 + shift * (high - low)
    half = (high - low) / 2 * scale.clamp(-_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE).exp()
    return torch.cat([centre - half, centre + half], -1)


def volume(boxes: Tensor) -> Tensor:
    """Area or volume ``[...]`` in pixels; 0 for a box that is turned inside out."""
    low, high = boxes.chunk(2, -1)
    return (high - low).clamp(min=0).prod(-1)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union ``[..., N, M]`` of boxes ``[..., N, 2 * d]`` and ``[..., M, 2 * d]``.

    0 where both are empty.
    """
    d = a.shape[-1] // 2
    shared = torch.ones((), dtype=a.dtype, device=a.device)
    # One axis at a time: no [..., N, M, d] in memory.
    for axis in range(d):
        low = torch.maximum(a[..., :, None, axis], b[..., None, :, axis])
        high = torch.minimum(a[..., :, None, d + axis], b[..., None, :, d + axis])
        shared = shared * (high - low).clamp(min=0)
    union = volume(a)[..., :, None] + volume(b)[..., None, :] - shared
    return shared / union.clamp(min=torch.finfo(a.dtype).tiny)


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU ``[...]`` of boxes pair by pair, both ``[..., 2 * d]``.

    Rezatofighi et al. 2019, algorithm 1.
    """
    low_a, high_a = a.chunk(2, -1)
    low_b, high_b = b.chunk(2, -1)
    shared = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(-1)
    hull = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).clamp(min=0).prod(-1)
    tiny = torch.finfo(a.dtype).eps
    union = (volume(a) + volume(b) - shared).clamp(min=tiny)
    iou = shared / union
    return iou, iou - (hull - union) / hull.clamp(min=tiny)


def clip(boxes: Tensor, extent: Tensor) -> Tensor:
    """Boxes cut off at the image's edges; ``extent`` is ``[d]``: width, height[, depth]."""
    return torch.minimum(boxes.clamp(min=0), torch.cat([extent, extent]))


def assign(
    anchors: Tensor, levels: tuple[int, ...], boxes: Tensor, present: Tensor, nearest: int
) -> Tensor:
    """Which box each anchor learns: adaptive training sample selection.

    Zhang et al. 2020, "ATSS", algorithm 1.
    A box's candidates are the ``nearest`` anchors of each level; those become its own whose centre
    lies inside it and whose IoU is at least the candidates' mean plus standard deviation. Unlike
    the paper, a box that gets none gets its best candidate, so that no small finding goes
    unlearned. An anchor that is wanted by several boxes goes to the one it overlaps most.

    Args:
        anchors: ``[A, 2 * d]``.
        levels: anchors per level.
        boxes: ``[B, G, 2 * d]``, filled up to the same number for every image.
        present: bool ``[B, G]``, False where a box is filling.
        nearest: candidates per level.

    Returns:
        int64 ``[B, A]``: number of the box, or -1 for background.
    """
    if boxes.shape[1] == 0:
        return torch.full((boxes.shape[0], anchors.shape[0]), -1, device=boxes.device)
    candidates = _nearest(anchors, levels, boxes, nearest)
    overlap = pairwise_iou(boxes, anchors.expand(boxes.shape[0], -1, -1))
    iou = overlap.gather(-1, candidates)
    own = _inside(_centre(anchors)[candidates], boxes) & (
        iou >= (iou.mean(-1) + iou.std(-1, correction=0))[..., None]
    )
    best = torch.zeros_like(own).scatter_(-1, iou.argmax(-1, keepdim=True), True)
    # 1 + IoU beats every IoU: the last resort of one box goes before the choice of another.
    rank = torch.where(own, iou, torch.where(best & ~own.any(-1, keepdim=True), 1 + iou, -1))
    rank = torch.where(present[..., None], rank, -1)
    claims = torch.full_like(overlap, -1).scatter_(-1, candidates, rank)
    strength, owner = claims.max(1)
    return torch.where(strength >= 0, owner, -1)


def _nearest(anchors: Tensor, levels: tuple[int, ...], boxes: Tensor, count: int) -> Tensor:
    """Numbers ``[B, G, C]`` of the ``count`` anchors of each level that are nearest to each box."""
    # Not through matrix products: they lose the digits that tell close anchors apart.
    distance = torch.cdist(
        _centre(boxes),
        _centre(anchors).expand(boxes.shape[0], -1, -1),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    numbers = []
    start = 0
    for part in distance.split(levels, -1):
        numbers.append(part.topk(min(count, part.shape[-1]), -1, largest=False).indices + start)
        start += part.shape[-1]
    return torch.cat(numbers, -1)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points ``[B, G, C, d]`` lie in their box of ``[B, G, 2 * d]``: bool ``[B, G, C]``."""
    low, high = boxes[:, :, None].chunk(2, -1)
    return ((points > low) & (points < high)).all(-1)


def suppress(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression within each class: indices ``[n]`` of the boxes kept.

    Highest score first (ties: first come).
    A box goes if a kept box of its class with a higher score overlaps it by more than
    ``threshold``. Found without a loop over boxes: starting from "all kept", the rule is applied to
    all at once until nothing changes, which gives the greedy result after at most as many steps as
    the longest chain of suppressions (Zheng et al. 2022, "Cluster-NMS", proposition 1).

    Args:
        boxes: ``[N, 2 * d]``.
        scores: ``[N]``.
        classes: ``[N]``.
        threshold: IoU from 0 to 1.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    classes = classes[order]
    beats = (pairwise_iou(boxes, boxes) > threshold) & (classes[:, None] == classes[None, :])
    # A row beats a column; float32, as matrix products of bool are not there.
    beats = beats.triu(1).to(torch.float32)
    kept = torch.ones(len(order), device=boxes.device)
    while True:
        now = (kept @ beats == 0).to(torch.float32)
        if torch.equal(now, kept):
            return order[kept > 0]
        kept = now


def _centre(boxes: Tensor) -> Tensor:
    low, high = boxes.chunk(2, -1)
    return (low + high) / 2
