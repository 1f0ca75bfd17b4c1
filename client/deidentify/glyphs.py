"""Rows of printed letters in a picture, found without reading them.

Print differs from anatomy in four ways that can be counted: its strokes are thin and of one grey
that stands off sharply from what is around them, its letters are of one height, they stand on one
line, and they follow each other closely. A row of :data:`LETTERS` or more is taken for text. Fewer
are taken for a marker: the L, R or AP of a radiograph says where left is and names nobody.

The picture is looked at in several sizes, so that strokes of 1 to about 16 pixels are found, both
bright on dark and dark on bright.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

LETTERS = 4
"""Fewest letters of a row that is taken for text; 1 to 3 are a side marker."""
_LARGEST = 2048
"""Longer sides are first reduced to at most this many pixels."""
_SMALLEST = 96
_TOPHAT = 7
"""Strokes are thinner than this many pixels at the size at which they are looked at."""
_LOOKS = ((0.10, 10), (0.14, 6), (0.20, 5), (0.28, 5))
"""Pairs of a contrast and a number of crossings, both at least.

Contrast: how far a stroke stands off its surroundings, as a part of the picture's range. Crossings:
how many strokes a line through the middle of a row crosses; 4 letters have 5 or more, and faint
patterns must be longer than plain ones before they are text.
"""
_UPRIGHT = 0.20
"""From this contrast on, rows that run up or down count, too."""
_LOWEST = 5
_HIGHEST = 34
"""Heights of letters, in pixels at the size at which they are looked at."""
_WIDEST = 8
"""A letter, or letters that touch, are at most this many heights wide."""
_THINNEST = 0.12
"""A letter covers at least this part of its box."""
_LETTER = 0.75
"""A letter with the space behind it is about so many heights wide."""
_DENSITY = 1.0
"""Crossings in a stretch as long as the row is high, at least; the edge of a rib has far fewer."""
_SHARP = 0.6
"""Steepest steps from pixel to pixel over the contrast, at least: print has edges, anatomy has
slopes."""

_NOISE = 4.0
"""A contrast counts from so many times the typical one of the whole picture on; below that it is
grain."""
_BESIDE = 0.5
"""What lies right above and below a row is covered by strokes this much less than the row itself,
at least; noise is everywhere alike."""
_SPREAD = 0.6
"""The strokes of a row differ in grey by at most this part of their contrast."""

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
Boxes = npt.NDArray[np.int64]
"""``[N, 4]``: top, left, bottom, right."""


@dataclass(frozen=True)
class Row:
    """Where a row of letters stands: top, left, bottom, right in parts of height and width."""

    box: tuple[float, float, float, float]
    letters: int


def rows(picture: npt.NDArray[np.generic]) -> list[Row]:
    """Rows of letters in a grey ``[H, W]`` or coloured ``[H, W, C]`` picture of any real kind.

    Letters that run up or down count, too.
    """
    printed: list[Row] = []
    for plane in _planes(picture):
        for grey in _sizes(plane):
            for strokes, ground in _strokes(grey):
                printed += _rows(strokes, ground, _LOOKS)
                turned = _rows(
                    strokes.T, ground.T, [look for look in _LOOKS if look[0] >= _UPRIGHT]
                )
                printed += [
                    Row((row.box[1], row.box[0], row.box[3], row.box[2]), row.letters)
                    for row in turned
                ]
    return printed


def _planes(picture: npt.NDArray[np.generic]) -> Iterator[Grey]:
    """Colour as its brightest and its darkest channel: any colour of print stands out in one."""
    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0)
    for plane in [values] if values.ndim == 2 else [values.max(axis=-1), values.min(axis=-1)]:
        low, high = (float(one) for one in np.percentile(plane, (0.05, 99.95)))
        # a picture that is empty but for a few pixels
        if high <= low:
            low = float(plane.min())
            high = float(plane.max())
        if high > low:
            yield np.clip((plane - low) / (high - low), 0, 1)


def _sizes(plane: Grey) -> Iterator[Grey]:
    """The plane with at most 2048 pixels a side, then halved again and again.

    It is halved as long as it stays large enough for a row of letters.
    """
    plane = _reduced(plane, max(1, -(-max(plane.shape) // _LARGEST)))
    yield plane
    while min(plane.shape) >= 2 * _SMALLEST:
        plane = _reduced(plane, 2)
        yield plane


def _reduced(plane: Grey, step: int) -> Grey:
    if step == 1:
        return plane
    height, width = (side // step * step for side in plane.shape)
    means: Grey = (
        plane[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    )
    return means


def _strokes(grey: Grey) -> Iterator[tuple[Grey, Grey]]:
    """What is thinner than a stroke and brighter than its surroundings, beside the picture.

    Then the same of the negative.
    """
    for one in (grey, 1 - grey):
        yield one - ndimage.grey_opening(one, (_TOPHAT, _TOPHAT)), one


def _rows(strokes: Grey, grey: Grey, looks: Sequence[tuple[float, int]]) -> list[Row]:
    printed: list[Row] = []
    grain = _NOISE * float(np.median(strokes))
    for contrast, crossings in [look for look in looks if look[0] >= grain]:
        mask = strokes > contrast
        for box in _lines(_letters(mask)):
            letters = round((box[3] - box[1]) / (_LETTER * (box[2] - box[0])))
            if letters >= LETTERS and _printed(mask, strokes, grey, box=box, fewest=crossings):
                high, wide = grey.shape
                printed.append(
                    Row((box[0] / high, box[1] / wide, box[2] / high, box[3] / wide), letters)
                )
    return printed


def _letters(mask: Mask) -> Boxes:
    """Connected patches of a letter's height that cover enough of their box, left to right."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        return np.empty((0, 4), np.int64)
    boxes: Boxes = np.array(
        [
            (down.start, across.start, down.stop, across.stop)
            for down, across in ndimage.find_objects(labels)
        ]
    )
    height = boxes[:, 2] - boxes[:, 0]
    width = boxes[:, 3] - boxes[:, 1]
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    fits = (
        (height >= _LOWEST)
        & (height <= _HIGHEST)
        & (width <= _WIDEST * height)
        & (area >= _THINNEST * height * width)
    )
    ordered: Boxes = boxes[fits][np.argsort(boxes[fits, 1], kind="stable")]
    return ordered


def _lines(letters: Boxes) -> Iterator[Box]:
    """Boxes of lines: letters of one height, each at most a height behind the one before it."""
    bottoms: dict[int, list[int]] = {}
    for number, box in enumerate(letters):
        bottoms.setdefault(int(box[2]), []).append(number)
    used = np.zeros(len(letters), bool)
    for first in range(len(letters)):
        if not used[first]:
            line = _line(letters, first, bottoms, used)
            yield (
                int(letters[line, 0].min()),
                int(letters[line, 1].min()),
                int(letters[line, 2].max()),
                int(letters[line, 3].max()),
            )


def _line(letters: Boxes, first: int, bottoms: dict[int, list[int]], used: Mask) -> list[int]:
    top, _, bottom, right = (int(edge) for edge in letters[first])
    height = bottom - top
    line = [first]
    reach = max(1, height // 5)
    used[first] = True
    near = sorted(
        n
        for level in range(bottom - reach, bottom + reach + 1)
        for n in bottoms.get(level, ())
        if n > first and not used[n]
    )
    for number in near:
        box = letters[number]
        if box[1] - right > height:
            break
        if (
            0.6 * height <= box[2] - box[0] <= 1.6 * height
            and abs(int(box[2]) - int(letters[line[-1], 2])) <= reach
        ):
            line.append(number)
            used[number] = True
            right = max(right, int(box[3]))
            height = max(height, int(box[2] - box[0]))
    return line


def _printed(mask: Mask, strokes: Grey, grey: Grey, box: Box, fewest: int) -> bool:
    """Whether a row's strokes are print.

    They follow each other as closely as letters do, alone on their line, sharp and of one grey.
    """
    top, left, bottom, right = box
    height = bottom - top
    width = right - left
    inside = mask[top:bottom, left:right]
    crossings = (np.diff(inside.astype(np.int8), axis=1, prepend=np.int8(0)) == 1).sum(axis=1)
    typical = float(np.median(crossings[int(0.15 * height) : max(int(0.85 * height), 1)]))
    if typical < fewest or typical * height < _DENSITY * width:
        return False
    beside = np.concatenate(
        [
            mask[max(0, top - 3) : max(0, top - 1), left:right],
            mask[bottom + 1 : bottom + 3, left:right],
        ]
    )
    if beside.size and beside.mean() > _BESIDE * inside.mean():
        return False
    contrast = float(np.median(strokes[top:bottom, left:right][inside]))
    around = grey[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2]
    steps = np.concatenate([np.abs(np.diff(around, axis=axis)).ravel() for axis in (0, 1)])
    return bool(
        np.percentile(steps, 95) >= _SHARP * contrast
        and _spread(grey[top:bottom, left:right], inside) <= _SPREAD * contrast
    )


def _spread(grey: Grey, inside: Mask) -> float:
    """How far the brightest strokes are brighter than the darker ones, taken along their ridges."""
    ridge = grey[(grey >= ndimage.maximum_filter(grey, (1, 3))) & inside]
    low, high = np.percentile(ridge, (30, 90)) if ridge.size else (0.0, np.inf)
    return float(high - low)
