"""Painting an invented upper abdomen: axial CT slices in Hounsfield units, from the wall inwards.

Axes and units are those of :mod:`common.simulation.phantoms.body`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.simulation.phantoms.body import (
    EXTENT,
    GALLBLADDER,
    KIDNEYS,
    Body,
    Lesion,
    axes,
    bent,
    cavity,
    kidney,
    liver,
    trunk_distance,
)
from common.simulation.phantoms.canvas import Array, Canvas, length, smooth_noise
from common.simulation.phantoms.organs import paint_organs
from common.simulation.phantoms.tissues import AIR, FAT, MUSCLE, WATER

_SLAB = 0.02
"""Half the thickness of a slice in z; vessels within it are seen."""


@dataclass(frozen=True)
class Slice:
    """One height.

    Attributes:
        hu: Hounsfield units, ``[H, W]``.
        lesions: the pixels of each lesion, ``[H, W]``.
        depth: how deep within the body each pixel lies, 0 to 1, ``[H, W]``.
    """

    hu: Array
    lesions: list[npt.NDArray[np.bool_]]
    depth: Array


def draw(body: Body, z: float, size: int, edge: float) -> Slice:
    """One slice before it is scanned.

    Args:
        body: whose.
        z: its height.
        size: pixels along each side.
        edge: width of a pixel in half body widths.
    """
    rng = np.random.default_rng([body.seed, int(z * 1000)])
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) * np.float32(edge)
    across, down = np.meshgrid(axis - np.float32(body.shift[0]), axis - np.float32(body.shift[1]))
    u, v = bent(body, across, down, z)
    fine, coarse = (smooth_noise(rng, size, grain / edge) for grain in (0.03, 0.25))
    hu = np.full((size, size), AIR, np.float32)
    canvas = Canvas(u, v, hu, fine=fine, coarse=coarse, edge=edge)
    trunk = trunk_distance(u, v)
    inner = cavity(body, u, v)
    _paint_wall(canvas, trunk, inner)
    _paint_bones(canvas, body, z)
    paint_organs(canvas, body, z, inner)
    within = _paint_liver(canvas, body, z, inner)
    _paint_kidneys(canvas, body, z)
    masks = [_paint_lesion(canvas, body, lesion, z=z, within=within) for lesion in body.lesions]
    return Slice(
        hu=canvas.hu,
        lesions=[m for m in masks if m is not None and m.any()],
        depth=np.clip(-trunk / np.float32(0.5), 0, 1),
    )


def _paint_wall(canvas: Canvas, trunk: Array, inner: Array) -> None:
    """Couch, skin, fat, the muscles of the trunk, and the fat of the abdomen."""
    couch = np.abs(canvas.disc((0, -1.9), 2.60)) - np.float32(0.010)
    canvas.paint(np.maximum(couch, np.abs(canvas.u) - np.float32(1.15)), -350)
    canvas.paint(trunk, 10)
    canvas.paint(trunk + np.float32(0.014), FAT + 9 * canvas.fine)
    canvas.paint(inner - np.float32(0.115), MUSCLE + 7 * canvas.fine)
    canvas.paint(np.abs(inner - np.float32(0.088)) - np.float32(0.004), FAT + 60)
    for side in (-1, 1):
        back = canvas.near((side * 0.19, 0.46), 0.2)
        back.paint(
            back.ellipse((side * 0.185, 0.46), (0.165, 0.105), side * -14), MUSCLE + 10 * back.fine
        )
    canvas.paint(inner, FAT + 8 + 6 * canvas.coarse)


def _paint_bones(canvas: Canvas, body: Body, z: float) -> None:
    """A vertebra with its canal and processes, and the ribs."""
    spine = canvas.near((0, 0.4), 0.3)
    for side in (-1, 1):
        spine.paint(spine.capsule((side * 0.09, 0.37), (side * 0.25, 0.43), 0.026), 400)
        spine.paint(spine.capsule((side * 0.09, 0.31), (side * 0.045, 0.47), 0.028), 450)
    spine.paint(spine.capsule((0, 0.46), (0, 0.56), 0.022), 400)
    vertebra = spine.ellipse((0, 0.235), (0.135, 0.105))
    spine.paint(vertebra, 520)
    spine.paint(vertebra + np.float32(0.020), 190 + 40 * spine.fine)
    spine.paint(spine.ellipse((0, 0.375), (0.056, 0.048)), 30)
    _paint_ribs(canvas, body, z)


def _paint_ribs(canvas: Canvas, body: Body, z: float) -> None:
    """The ribs, which cross the slice obliquely, and in front their cartilage."""
    wide, back, front = axes(body)
    # Towards the feet the arch of the ribs opens in front.
    last = 2.45 - 1.3 * max(0.0, z - 0.25)
    for side in (-1, 1):
        for i, angle in enumerate(
            np.arange(0.34 + 0.09 * side * body.jitter[0], last, 0.40) + 0.25 * (z * 3 % 1)
        ):
            tall = back if angle < np.pi / 2 else front
            at = (
                side * (wide + 0.045) * float(np.sin(angle)),
                (tall + 0.045) * float(np.cos(angle)),
            )
            turn = float(np.degrees(np.arctan2(-np.sin(angle) * tall, side * np.cos(angle) * wide)))
            part = canvas.near(at, 0.1)
            shape = part.ellipse(at, (0.075 + 0.02 * body.jitter[i % 16], 0.031), turn)
            cartilage = angle > 2.0
            part.paint(shape, 130 if cartilage else 480)
            part.paint(shape + np.float32(0.016), 105 if cartilage else 220)


def _paint_kidneys(canvas: Canvas, body: Body, z: float) -> None:
    """Bean shapes with the fat of the hilum.

    Before the contrast medium is washed through, the cortex stands out.
    """
    for side, start in KIDNEYS:
        if z <= start - 0.12:
            continue
        grow, at = kidney(body, side, z)
        part = canvas.near(at, 0.2)
        outline = part.ellipse(at, (0.120 * grow, 0.160 * grow), side * 28)
        hilum = part.ellipse((at[0] - side * 0.09, at[1] - 0.06), (0.085 * grow, 0.045), side * 35)
        part.paint(outline - np.float32(0.02), FAT, soft=2.0)
        part.paint(np.maximum(outline, -hilum), body.phase.cortex)
        around = np.arctan2(part.v - np.float32(at[1]), part.u - np.float32(at[0]))
        inner = part.ellipse(
            (at[0] - side * 0.02, at[1] - 0.015), (0.080 * grow, 0.112 * grow), side * 28
        )
        part.paint(
            np.maximum(inner, -hilum) + np.float32(0.016) * np.cos(9 * around),
            body.phase.medulla,
            soft=1.6,
        )
        part.paint(hilum + np.float32(0.012), FAT + 40, soft=2.0)


def _paint_liver(canvas: Canvas, body: Body, z: float, inner: Array) -> Array:
    """The liver with its vessels and, lower down, the gallbladder.

    Returns:
        the share of each pixel that is liver, ``[H, W]``.
    """
    phase = body.phase
    shape = liver(body, canvas.u, canvas.v, z=z, inner=inner)
    canvas.paint(shape, phase.liver + 4 * canvas.fine + 4 * canvas.coarse)
    within: Array = np.clip(0.5 - (shape + np.float32(0.012)) / np.float32(canvas.edge), 0, 1)
    # Distances of all vessels first, so that where two meet nothing is painted twice.
    tubes = np.full_like(canvas.u, 9.0)
    distances = Canvas(canvas.u, canvas.v, tubes, fine=tubes, coarse=tubes, edge=canvas.edge)
    heights = np.maximum(np.abs(body.vessels[:, 2] - z) - _SLAB, 0) * EXTENT
    for (u, v, _, radius), height in zip(body.vessels.tolist(), heights.tolist(), strict=True):
        if height < radius:
            part = distances.near((u, v), radius)
            disc = part.disc((u, v), float(np.sqrt(radius**2 - height**2)))
            np.minimum(part.hu, disc, out=part.hu)
    share = np.clip(0.5 - tubes / np.float32(canvas.edge), 0, 1)
    canvas.hu[...] += share * within * (phase.vessel - canvas.hu)
    if body.gallbladder and 0.5 < z < 0.95:
        grow = float(np.sqrt(1 - ((z - 0.72) / 0.24) ** 2))
        bladder = canvas.ellipse(
            (GALLBLADDER[0] + 0.03 * body.jitter[10], GALLBLADDER[1]),
            (0.080 * grow, 0.120 * grow),
            -25,
        )
        within = within * (1 - canvas.paint(bladder, 45))
        canvas.paint(bladder + np.float32(0.012), WATER)
    return within


def _paint_lesion(
    canvas: Canvas, body: Body, lesion: Lesion, z: float, within: Array
) -> npt.NDArray[np.bool_] | None:
    """Paint a lesion where the slice meets it.

    Returns:
        its pixels ``[H, W]``; None where it is not met, or for a cyst, which is no lesion to find.
    """
    square = lesion.radius**2 - ((lesion.centre[2] - z) * EXTENT) ** 2
    if square <= 0:
        return None
    radius = np.float32(np.sqrt(square))
    du = canvas.u - np.float32(lesion.centre[0])
    dv = canvas.v - np.float32(lesion.centre[1])
    around = np.arctan2(dv, du)
    lobes = sum(
        a * np.cos(k * around + p)
        for k, (a, p) in enumerate(zip(lesion.amplitudes, lesion.angles, strict=True), start=2)
    )
    away = length(du, dv) / (1 + lobes)
    # A cyst has a sharp edge, a tumour grows into the liver around it.
    edge = np.float32(canvas.edge + (0.0 if lesion.cyst else 0.012))
    share = np.clip(0.5 - (away - radius) / edge, 0, 1) * within
    rim = body.phase.rim * np.exp(-(((away / radius - np.float32(0.85)) / np.float32(0.16)) ** 2))
    core = -0.25 * abs(lesion.difference) * np.clip(1 - away / (np.float32(0.6) * radius), 0, 1)
    value = (
        WATER
        if lesion.cyst
        else body.phase.liver + lesion.difference + rim + core + 5 * canvas.fine
    )
    canvas.hu[...] += share * (value - canvas.hu)
    return None if lesion.cyst else share > np.float32(0.5)
