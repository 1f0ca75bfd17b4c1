"""Average precision by the COCO definition, in NumPy: of one image, then over many.

The definition is that of the reference evaluation (Lin et al. 2014,
cocodataset.org/#detection-eval): per class and IoU threshold 0.50, 0.55, ... 0.95, detections are
matched greedily from the highest score down, each to the free true box that it overlaps most; at
most 100 detections per image and class count; precision is made monotone from the right and read at
101 recalls 0.00, 0.01, ... 1.00.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from common.tasks import Row

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
_RECALLS: Floats = np.linspace(0.0, 1.0, 101)
_LARGEST = 100


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union ``[N, M]`` of boxes ``[N, 2 * d]`` and ``[M, 2 * d]`` (corner form).

    0 where both are empty.
    """
    d = a.shape[1] // 2
    low = np.maximum(a[:, None, :d], b[None, :, :d])
    high = np.minimum(a[:, None, d:], b[None, :, d:])
    shared = (high - low).clip(min=0).prod(-1)
    volumes = (a[:, d:] - a[:, :d]).prod(-1)[:, None] + (b[:, d:] - b[:, :d]).prod(-1)[None, :]
    union = volumes - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def match(overlap: Floats) -> Bools:
    """Which detections are right at each threshold, bool ``[N, 10]``.

    Args:
        overlap: IoU ``[N, G]`` of detections, highest score first, with the true boxes of one class
            in one image.
    """
    right = np.zeros((len(overlap), len(THRESHOLDS)), bool)
    if not overlap.shape[1]:
        return right
    free = np.ones((len(THRESHOLDS), overlap.shape[1]), bool)
    # The reference lowers a threshold of 1 by as much, so that an exact hit counts.
    least = np.minimum(THRESHOLDS, 1 - 1e-10)
    lines = np.arange(len(THRESHOLDS))
    for number in np.flatnonzero(overlap.max(1) >= least[0]):
        open_ = np.where(free, overlap[number], -1.0)
        # Of equal overlaps the reference takes the last.
        last = open_.shape[1] - 1 - open_[:, ::-1].argmax(1)
        hit = open_[lines, last] >= least
        right[number] = hit
        free[lines[hit], last[hit]] = False
    return right


def score_image(
    boxes: Floats,
    scores: Floats,
    classes: Integers,
    true_boxes: Floats,
    true_classes: Integers,
    count: int,
) -> dict[str, np.ndarray]:
    """What scoring keeps of one image.

    Args:
        boxes, scores, classes: detections ``[N, 2 * d]``, ``[N]``, ``[N]``.
        true_boxes, true_classes: ``[G, 2 * d]``, ``[G]``.
        count: number of classes K.

    Returns:
        ``scores`` float32 ``[n]``, ``classes`` int16 ``[n]``, ``matches`` bool ``[n, 10]``,
        ``truths`` int64 ``[K]`` (true boxes per class).
    """
    taken = []
    matches = []
    for number in range(count):
        own = np.flatnonzero(classes == number)
        own = own[np.argsort(-scores[own], kind="stable")][:_LARGEST]
        taken.append(own)
        matches.append(match(iou(boxes[own], true_boxes[true_classes == number])))
    order = np.concatenate(taken)
    return {
        "scores": scores[order].astype(np.float32),
        "classes": classes[order].astype(np.int16),
        "matches": np.concatenate(matches),
        "truths": np.bincount(true_classes, minlength=count).astype(np.int64),
    }


def average_precision(rows: Sequence[Row]) -> Floats:
    """Average precision ``[10, K]`` per IoU threshold and class over a set of images.

    ``nan`` for a class without true boxes. Rows may repeat (bootstrap): a repeated row is a further
    image.
    """
    if not rows:
        return np.full((len(THRESHOLDS), 1), np.nan)
    truths = np.sum([row["truths"] for row in rows], axis=0)
    scores = np.concatenate([row["scores"] for row in rows])
    classes = np.concatenate([row["classes"] for row in rows])
    matches = np.concatenate([row["matches"] for row in rows])
    order = np.argsort(-scores, kind="stable")
    result = np.full((len(THRESHOLDS), len(truths)), np.nan)
    for number in np.flatnonzero(truths):
        own = order[classes[order] == number]
        result[:, number] = _interpolated(matches[own], int(truths[number]))
    return result


def _interpolated(right: Bools, truths: int) -> Floats:
    """101-point average precision per threshold, ``[10]``.

    From flags ``[N, 10]`` in order of falling score.
    """
    if not len(right):
        return np.zeros(len(THRESHOLDS))
    hits = np.cumsum(right.T, axis=1)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # The fewest hits that reach each recall.
    needed = np.searchsorted(np.arange(truths + 1) / truths, _RECALLS)
    places = np.stack([np.searchsorted(line, needed) for line in hits])
    reached = places < len(right)
    values = np.take_along_axis(precision, np.minimum(places, len(right) - 1), 1)
    return np.asarray(np.where(reached, values, 0.0).mean(1))
