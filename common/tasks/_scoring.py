"""Measures that tasks share: area under the ROC curve, recall, overlap, distance of surfaces.

And the mean of a prediction over mirror images.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from torch import Tensor

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def mean_defined(values: Array) -> float:
    """Mean of the values that are not nan; nan where there is none."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else math.nan


def area_under_roc(scores: Array, positive: Array) -> float:
    """Area under the ROC curve from the rank sum, exact with ties through midranks.

    Hanley and McNeil 1982; Mann and Whitney 1947.

    Args:
        scores: ``[N]``, higher means more likely positive.
        positive: bool ``[N]``.

    Returns:
        Chance that a positive scores higher than a negative, a tie counting half; nan without both,
        or with a score that is nan.
    """
    positives = int(np.count_nonzero(positive))
    negatives = positive.size - positives
    if positives == 0 or negatives == 0 or np.isnan(scores).any():
        return math.nan
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    midranks = np.cumsum(sizes) - (sizes - 1) / 2
    rank_sum = float(midranks[group][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def mean_recall(predicted: Array, truth: Array) -> float:
    """Balanced accuracy (Brodersen 2010): mean recall of the classes in ``truth`` ``[N]``."""
    return mean_defined(
        np.array([np.mean(predicted[truth == number] == number) for number in np.unique(truth)])
    )


def dice(predicted: Mask, truth: Mask) -> float:
    """Overlap 2 |A and B| / (|A| + |B|) (Dice 1945); 1 where both are empty: that is right."""
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    return 2 * int(np.count_nonzero(predicted & truth)) / total if total else 1.0


def hausdorff_95(predicted: Mask, truth: Mask, spacing: Sequence[float]) -> float:
    """95th percentile of the distance between two surfaces in mm, the larger of both directions.

    Huttenlocher 1993; BraTS convention. A surface pixel is a pixel of the mask with a neighbour
    along an axis that is not, or that lies at the edge of the image.

    Args:
        predicted, truth: bool ``[H, W[, D]]``.
        spacing: mm per pixel along H, W[, D].

    Returns:
        nan where both are empty, the diagonal of the image where one is: the largest distance there
            could be.
    """
    if predicted.any() != truth.any():
        return math.sqrt(sum((n * s) ** 2 for n, s in zip(truth.shape, spacing, strict=True)))
    if not truth.any():
        return math.nan
    # Cut first: the distance transform costs by the pixels of the whole array.
    box = _bounding_box(predicted | truth)
    one = _surface(predicted[box])
    other = _surface(truth[box])
    return max(_directed_95(one, other, spacing), _directed_95(other, one, spacing))


def _directed_95(start: Mask, end: Mask, spacing: Sequence[float]) -> float:
    distances = distance_transform_edt(~end, sampling=spacing)
    return float(np.percentile(distances[start], 95))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    axes = range(mask.ndim)
    occupied = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    return tuple(slice(int(o[0]), int(o[-1]) + 1) for o in occupied)


def _surface(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    inside = mask.copy()
    for axis, start in itertools.product(range(mask.ndim), (0, 2)):
        shifted = tuple(
            slice(start, start + n) if a == axis else slice(1, 1 + n)
            for a, n in enumerate(mask.shape)
        )
        inside &= padded[shifted]
    surface: Mask = mask & ~inside
    return surface


def over_flips(predict: Callable[[Tensor], Tensor], images: Tensor, follow: bool) -> Tensor:
    """Mean prediction over all 2^d mirror images of ``[B, C, H, W[, D]]``.

    Args:
        predict: network output for images.
        images: what to predict.
        follow: the output is an image itself and is mirrored back.
    """
    axes = range(2, images.dim())
    choices = [c for n in range(images.dim() - 1) for c in itertools.combinations(axes, n)]
    total = predict(images)
    for flipped in choices[1:]:
        output = predict(images.flip(flipped))
        total = total + (output.flip(flipped) if follow else output)
    return total / len(choices)
