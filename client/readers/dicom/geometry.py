"""Where slices lie: planes to one straight, evenly spaced grid, or the reason there is none.

DICOM places pixel centres in LPS+ millimetres (PS3.3 C.7.6.2.1.1); grids here are RAS+, as NIfTI's.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from client.readers.dicom.reasons import DicomError, Reason

Array = npt.NDArray[np.float64]
T = TypeVar("T")

SAME_ANGLE = 2e-3
"""Most by which direction cosines of one orientation differ."""
SAME_PIXEL = 1e-3
"""Most by which pixel spacings of one series differ, relative."""
UNEVEN = 0.05
"""Most by which a step between slices differs from the median, relative.

Positions are often rounded to 0.1 mm.
"""
ROUNDED = 0.01
"""Millimetres by which a step may differ whatever its size."""
TILTED = 0.5
"""Most degrees between the stack's axis and the slice normal."""
_STRAIGHT = 0.05
"""Millimetres over the whole stack that rounded positions explain."""
_SAME_PLACE = 1e-3
"""Millimetres below which two slices lie at one position."""


@dataclass(frozen=True)
class Plane:
    """One slice's place.

    Attributes:
        position: centre of the first pixel, LPS millimetres, ``[3]``.
        across, down: unit vectors along a row (to the next column) and along a column (to the next
            row), ``[3]``.
        spacing: millimetres between rows, then between columns (PS3.3 10.7.1.3).
        size: rows, columns.
        source: which file and which frame of it, in the caller's numbers.
        frame: FrameOfReferenceUID.
        traits: whatever may tell volumes of one series apart, by name of attribute.
    """

    position: Array
    across: Array
    down: Array
    spacing: tuple[float, float]
    size: tuple[int, int]
    source: tuple[int, int] = (0, 0)
    frame: str = ""
    traits: dict[str, Hashable] = field(default_factory=dict)

    @property
    def normal(self) -> Array:
        """Unit vector at right angles to the slice, ``[3]``."""
        normal: Array = np.cross(self.across, self.down)
        return normal


@dataclass(frozen=True)
class Grid:
    """A volume's place.

    Attributes:
        order: the planes' sources, by position along the slice normal.
        affine: float64 ``[4, 4]``, from (row, column, slice in ``order``) to RAS millimetres.
        size: rows, columns, slices.
        turn: axis of the closest RAS+ orientation to which each of (row, column, slice) goes.
        flip: whether each of (row, column, slice) is reversed on its way.
    """

    order: tuple[tuple[int, int], ...]
    affine: Array
    size: tuple[int, int, int]
    turn: tuple[int, int, int]
    flip: tuple[bool, bool, bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """H, W, D after the turn to RAS+."""
        return _placed(self.size, self.turn)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres along H, W, D after the turn."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return _placed(tuple(float(length) for length in lengths), self.turn)

    @property
    def turned(self) -> Array:
        """Affine ``[4, 4]`` from (H, W, D) indices after the turn to RAS millimetres."""
        affine = np.eye(4)
        affine[:3, 3] = self.affine[:3, 3]
        for axis, (target, flipped) in enumerate(zip(self.turn, self.flip, strict=True)):
            column = self.affine[:3, axis]
            affine[:3, target] = -column if flipped else column
            affine[:3, 3] += column * (self.size[axis] - 1) * flipped
        return affine

    def apply(self, stack: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Turn ``[rows, columns, slices, ...]`` to RAS+; a view ``[H, W, D, ...]``."""
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flip)
        axes = _placed((0, 1, 2), self.turn)
        return stack[steps].transpose(*axes, *range(3, stack.ndim))


def grid(planes: Sequence[Plane]) -> Grid:
    """Order planes by position and lay one grid through them.

    Raises:
        DicomError: they differ in frame of reference, size, orientation or pixel spacing, coincide,
            are sheared, or their steps differ.
    """
    _check_alike(planes)
    normal = planes[0].normal
    along = np.array([plane.position @ normal for plane in planes])
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    if len(steps) and steps.min() < _SAME_PLACE:
        repeated = int((steps < _SAME_PLACE).sum())
        local = f"{repeated} of {len(planes)} slices repeat a position"
        raise DicomError(Reason.DUPLICATE, local)
    ordered = [planes[i] for i in order]
    positions = np.array([plane.position for plane in ordered])
    _check_straight(positions, normal)
    _check_even(steps, positions)
    return _laid(ordered, positions)


def closest(affine: Array) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The axis of space that each array axis is closest to, and whether it runs against it.

    The rule is that of nibabel's ``io_orientation``. The rotation part is freed of shear first
    (polar decomposition), so that both readers turn an oblique volume alike; the clearest axis
    chooses first, so that the order of storage does not matter.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(directions)
    rotation = left @ right
    turn = [0, 0, 0]
    flip = [False, False, False]
    for axis in np.argsort(-np.abs(rotation).max(axis=0), kind="stable"):
        target = int(np.argmax(np.abs(rotation[:, axis])))
        turn[axis] = target
        flip[axis] = bool(rotation[target, axis] < 0)
        # No other axis may go to this one.
        rotation[target] = 0
    return (turn[0], turn[1], turn[2]), (flip[0], flip[1], flip[2])


def place(
    origin: Sequence[float] | None, cosines: Sequence[float] | None, spacing: Sequence[float] | None
) -> tuple[Array, Array, Array, tuple[float, float]]:
    """Checked position, row direction, column direction and pixel spacing of one slice.

    Raises:
        DicomError: absent, not finite, or the directions are no unit vectors at right angles.
    """
    if not (origin and cosines and spacing) or (
        (len(origin), len(cosines), len(spacing)) != (3, 6, 2)
    ):
        raise DicomError(Reason.GEOMETRY, "position, orientation or pixel spacing is absent")
    if (
        not all(map(math.isfinite, (*origin, *cosines, *spacing)))
        or min(spacing) <= 0
        or max(map(abs, (*origin, *spacing))) > 1e6
    ):
        raise DicomError(Reason.GEOMETRY, f"unusable numbers: {origin}, {cosines}, {spacing}")
    across = np.array(cosines[:3], np.float64)
    down = np.array(cosines[3:], np.float64)
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if max(abs(length - 1) for length in lengths) > 1e-2 or abs(across @ down) > 1e-2:
        local = f"orientation {cosines} is no pair of unit vectors at right angles"
        raise DicomError(Reason.GEOMETRY, local)
    return (
        np.array(origin, np.float64),
        across / lengths[0],
        down / lengths[1],
        (float(spacing[0]), float(spacing[1])),
    )


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    if len({plane.frame for plane in planes}) > 1:
        raise DicomError(Reason.FRAMES)
    if len({plane.size for plane in planes}) > 1:
        raise DicomError(Reason.SIZES, f"{sorted({plane.size for plane in planes})}")
    directions = np.array([(*plane.across, *plane.down) for plane in planes])
    if np.abs(directions - directions[0]).max() > SAME_ANGLE:
        raise DicomError(Reason.ORIENTATIONS)
    spacings = np.array([plane.spacing for plane in planes])
    if np.abs(spacings / np.array(first.spacing) - 1).max() > SAME_PIXEL:
        local = f"pixel spacings {sorted({plane.spacing for plane in planes})}"
        raise DicomError(Reason.SPACINGS, local)


def _check_straight(positions: Array, normal: Array) -> None:
    axis = positions[-1] - positions[0]
    along = float(axis @ normal)
    drift = float(np.linalg.norm(axis - along * normal))
    angle = math.degrees(math.atan2(drift, along))
    if angle > TILTED and drift > _STRAIGHT:
        local = f"{angle:.2f} degrees between the stack's axis and the slice normal"
        raise DicomError(Reason.TILT, local)


def _check_even(steps: Array, positions: Array) -> None:
    if not len(steps):
        return
    step = float(np.median(steps))
    allowed = max(ROUNDED, UNEVEN * step)
    if np.abs(steps - step).max() > allowed:
        # Steps that are all multiples of the smallest: slices are missing.
        regular = float(steps.min())
        multiples = np.abs(steps / regular - np.rint(steps / regular)).max() <= UNEVEN
        listed = ", ".join(f"{value:.3f}" for value in sorted(set(np.round(steps, 3)))[:6])
        raise DicomError(Reason.GAP if multiples else Reason.SPACINGS, f"steps of {listed} mm")
    fractions = np.linspace(0, 1, len(positions))[:, None]
    even = positions[0] + fractions * (positions[-1] - positions[0])
    if np.linalg.norm(positions - even, axis=1).max() > max(0.1 * step, _STRAIGHT):
        raise DicomError(Reason.SPACINGS, "the positions do not lie on one straight, even line")


def _laid(ordered: Sequence[Plane], positions: Array) -> Grid:
    first = ordered[0]
    count = len(ordered)
    affine = np.eye(4)
    affine[:3, 0] = first.down * first.spacing[0]
    affine[:3, 1] = first.across * first.spacing[1]
    affine[:3, 2] = (positions[-1] - positions[0]) / (count - 1) if count > 1 else first.normal
    affine[:3, 3] = positions[0]
    # LPS to RAS.
    affine[:2] *= -1
    turn, flip = closest(affine)
    return Grid(
        order=tuple(plane.source for plane in ordered),
        affine=affine,
        size=(*first.size, count),
        turn=turn,
        flip=flip,
    )


def _placed(values: tuple[T, ...], turn: tuple[int, int, int]) -> tuple[T, T, T]:
    inverse = [turn.index(target) for target in range(3)]
    return values[inverse[0]], values[inverse[1]], values[inverse[2]]
