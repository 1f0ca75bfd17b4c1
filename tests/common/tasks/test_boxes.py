"""Geometry of boxes against counted pixels, plain loops and the papers' algorithms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from common.models import Shape, retinanet
from common.tasks import _boxes
from tests.common.tasks.definitions import plain_iou


def random_boxes(count: int, d: int, seed: int, largest: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    low = torch.randint(0, largest, (count, d), generator=g)
    return torch.cat([low, low + torch.randint(1, largest, (count, d), generator=g)], 1).float()


@pytest.mark.parametrize("d", [2, 3])
def test_overlap_is_that_of_counted_pixels(d: int) -> None:
    a, b = random_boxes(12, d, 0), random_boxes(9, d, 1)

    def painted(box: Tensor) -> Tensor:
        canvas = torch.zeros((24,) * d, dtype=torch.bool)
        canvas[tuple(slice(int(box[k]), int(box[d + k])) for k in range(d))] = True
        return canvas

    expected = torch.tensor(
        [[(painted(p) & painted(q)).sum() / (painted(p) | painted(q)).sum() for q in b] for p in a]
    )
    torch.testing.assert_close(_boxes.pairwise_iou(a, b), expected)
    torch.testing.assert_close(_boxes.overlaps(a[:9], b)[0], expected[:9].diagonal())


def test_generalised_overlap_of_boxes_apart_falls_with_their_distance() -> None:
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [2, 0, 4, 2], [6, 0, 8, 2]])
    iou, giou = _boxes.overlaps(a, b)
    assert iou.tolist() == [1, 0, 0]
    torch.testing.assert_close(giou, torch.tensor([1.0, 0.0, -0.5]))


def test_decoding_moves_by_sizes_and_scales_by_powers() -> None:
    anchors = torch.tensor([[10.0, 20, 14, 28]])
    offsets = torch.tensor([[0.5, -0.25, math.log(2), 0.0], [0, 0, 99.0, -99.0]])
    moved = _boxes.decode(anchors, offsets[:, None])
    torch.testing.assert_close(moved[0], torch.tensor([[10.0, 18, 18, 26]]))
    assert torch.isfinite(moved).all()


def test_suppression_is_the_greedy_one() -> None:
    g = torch.Generator().manual_seed(2)
    for case in range(100):
        count = int(torch.randint(0, 40, (), generator=g))
        boxes = random_boxes(count, 2 + case % 2, case)
        scores = torch.randint(0, 8, (count,), generator=g) / 8  # many ties
        classes = torch.randint(0, 2, (count,), generator=g)
        kept: list[int] = []
        for k in sorted(range(count), key=lambda k: -float(scores[k])):
            rivals = [j for j in kept if classes[j] == classes[k]]
            if all(plain_iou(boxes[k].tolist(), boxes[j].tolist()) <= 0.3 for j in rivals):
                kept.append(k)
        assert _boxes.suppress(boxes, scores, classes, 0.3).tolist() == kept


def plain_assignment(
    anchors: Tensor, levels: tuple[int, ...], boxes: Tensor, nearest: int
) -> list[int]:
    """Algorithm 1 of the ATSS paper for one image, with the rule for boxes that get no anchor."""
    d = anchors.shape[1] // 2
    centres = (anchors[:, :d] + anchors[:, d:]) / 2
    result, strength = [-1] * len(anchors), [-1.0] * len(anchors)
    for number, box in enumerate(boxes):
        middle, candidates, start = (box[:d] + box[d:]) / 2, [], 0
        for length in levels:
            order = sorted(
                range(start, start + length), key=lambda k: float((centres[k] - middle).norm())
            )
            candidates += order[:nearest]
            start += length
        ious = np.array([plain_iou(anchors[k].tolist(), box.tolist()) for k in candidates])
        inside = [
            bool((centres[k] > box[:d]).all() and (centres[k] < box[d:]).all()) for k in candidates
        ]
        own = {
            k: v
            for k, v, i in zip(candidates, ious, inside, strict=True)
            if i and v >= ious.mean() + ious.std() - 1e-6
        }
        own = own or {candidates[int(ious.argmax())]: 1 + float(ious.max())}
        for k, v in own.items():
            if v > strength[k]:
                strength[k], result[k] = v, number
    return result


@pytest.mark.parametrize("d", [2, 3])
def test_anchors_learn_the_boxes_that_the_paper_gives_them(d: int) -> None:
    network = retinanet.RetinaNet(retinanet.Options(widths=(8, 8)), Shape(d, 1, 1))
    per_level = network.anchors([(6, 10, 5)[:d], (3, 5, 3)[:d]], torch.device("cpu"))
    anchors, levels = torch.cat(per_level), tuple(len(a) for a in per_level)
    g = torch.Generator().manual_seed(d)
    low = torch.rand(8, 5, d, generator=g) * torch.tensor([36.0, 20, 16][:d])
    boxes = torch.cat([low, low + 0.5 + 16 * torch.rand(8, 5, d, generator=g)], -1)
    present = torch.arange(5) < torch.tensor([5, 4, 3, 2, 1, 0, 5, 5])[:, None]
    owners = _boxes.assign(anchors, levels, boxes, present, 7)
    for image in range(8):
        expected = plain_assignment(anchors, levels, boxes[image][present[image]], 7)
        assert owners[image].tolist() == expected


def test_a_finding_between_all_anchors_still_gets_one() -> None:
    anchors = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8]])
    boxes = torch.tensor([[[0.0, 0, 8, 8], [7, 4, 8, 5]], [[0, 0, 8, 8], [9, 0, 16, 8]]])
    owners = _boxes.assign(anchors, (2,), boxes, torch.ones(2, 2, dtype=torch.bool), 1)
    assert owners.tolist() == [
        [1, -1],
        [0, 1],
    ]  # the small one goes first: the large one would be left with others
