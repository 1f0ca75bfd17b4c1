"""Painting an invented upper abdomen: axial CT slices in Hounsfield units.

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

_SLAB = 0.02
"""Half the thickness of a slice in z; vessels within it are seen."""
_AIR, _LUNG, _FAT, _WATER, _MUSCLE = -1000.0, -860.0, -105.0, 8.0, 55.0


@dataclass(frozen=True)
class Slice:
    """One height.

    ``hu [H, W]``, the pixels of each lesion, and how deep within the body each pixel lies, 0 to 1.
    """

    hu: Array
    lesions: list[npt.NDArray[np.bool_]]
    depth: Array


def draw(body: Body, z: float, size: int, edge: float) -> Slice:
    """One slice of ``size * size`` pixels that are ``edge`` half body widths wide, before it is scanned."""
    rng = np.random.default_rng([body.seed, int(z * 1000)])
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) * np.float32(edge)
    across, down = np.meshgrid(axis - np.float32(body.shift[0]), axis - np.float32(body.shift[1]))
    u, v = bent(body, across, down, z)
    fine, coarse = (smooth_noise(rng, size, grain / edge) for grain in (0.03, 0.25))
    canvas = Canvas(u, v, np.full((size, size), _AIR, np.float32), fine, coarse, edge)
    trunk, inner = trunk_distance(u, v), cavity(body, u, v)
    _paint_wall(canvas, trunk, inner)
    _paint_bones(canvas, body, z)
    _paint_organs(canvas, body, z, inner)
    within = _paint_liver(canvas, body, z, inner)
    _paint_kidneys(canvas, body, z)
    masks = [_paint_lesion(canvas, body, lesion, z, within) for lesion in body.lesions]
    return Slice(
        canvas.hu,
        [m for m in masks if m is not None and m.any()],
        np.clip(-trunk / np.float32(0.5), 0, 1),
    )


def _paint_wall(canvas: Canvas, trunk: Array, inner: Array) -> None:
    """Couch, skin, fat, the muscles of the trunk, and the fat of the abdomen."""
    couch = np.abs(canvas.disc((0, -1.9), 2.60)) - np.float32(0.010)
    canvas.paint(np.maximum(couch, np.abs(canvas.u) - np.float32(1.15)), -350)
    canvas.paint(trunk, 10)
    canvas.paint(trunk + np.float32(0.014), _FAT + 9 * canvas.fine)
    canvas.paint(inner - np.float32(0.115), _MUSCLE + 7 * canvas.fine)
    canvas.paint(np.abs(inner - np.float32(0.088)) - np.float32(0.004), _FAT + 60)
    for side in (-1, 1):
        back = canvas.near((side * 0.19, 0.46), 0.2)
        back.paint(
            back.ellipse((side * 0.185, 0.46), (0.165, 0.105), side * -14), _MUSCLE + 10 * back.fine
        )
    canvas.paint(inner, _FAT + 8 + 6 * canvas.coarse)


def _paint_bones(canvas: Canvas, body: Body, z: float) -> None:
    """A vertebra with its canal and processes, and the ribs, which cross the slice obliquely."""
    spine = canvas.near((0, 0.4), 0.3)
    for side in (-1, 1):
        spine.paint(spine.capsule((side * 0.09, 0.37), (side * 0.25, 0.43), 0.026), 400)
        spine.paint(spine.capsule((side * 0.09, 0.31), (side * 0.045, 0.47), 0.028), 450)
    spine.paint(spine.capsule((0, 0.46), (0, 0.56), 0.022), 400)
    vertebra = spine.ellipse((0, 0.235), (0.135, 0.105))
    spine.paint(vertebra, 520)
    spine.paint(vertebra + np.float32(0.020), 190 + 40 * spine.fine)
    spine.paint(spine.ellipse((0, 0.375), (0.056, 0.048)), 30)
    wide, back, front = axes(body)
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


def _paint_organs(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    """Lungs, spleen, pancreas, bowel, stomach and the great vessels, back to front."""
    phase, j, fine = body.phase, body.jitter, canvas.fine
    if z < 0.42:
        reach = np.float32(0.24 * (1 - z / 0.42) ** 0.7 + 0.01)
        deep = reach * np.clip(canvas.v + np.float32(0.45) * np.abs(canvas.u), 0, 1.2) - np.float32(
            0.02
        )
        recess = np.maximum(inner, -inner - deep)
        share = canvas.paint(
            np.maximum(recess, np.float32(0.24) - np.abs(canvas.u)), _LUNG + 25 * canvas.coarse
        )
        canvas.hu[...] += share * np.clip(170 * fine - 200, 0, 500)
    for side in (-1, 1):
        crus = canvas.near((side * 0.17, 0.24), 0.12)
        crus.paint(
            crus.ellipse((side * 0.17, 0.235 + 0.03 * z), (0.035 + 0.045 * z, 0.08), side * 15),
            _MUSCLE,
        )
    if z < 0.9:
        grow = float(np.sqrt(max(0.05, 1 - ((z - 0.34) / 0.62) ** 2)))
        spleen = canvas.ellipse(
            (0.60 + 0.03 * j[1], 0.14 + 0.02 * j[2]), (0.185 * grow, 0.34 * grow), 38 + 6 * j[3]
        )
        hilum = canvas.ellipse((0.40, 0.06), (0.12, 0.19), 38)
        canvas.paint(
            np.maximum.reduce([spleen, inner + np.float32(0.015), -hilum]), phase.spleen + 4 * fine
        )
    if z > 0.4:
        gland = 0.72 * phase.liver + 30 + 14 * fine
        for start, end, radius in (
            ((-0.12, -0.02), (0.10, -0.09), 0.052),
            ((0.10, -0.09), (0.42, 0.05), 0.040),
        ):
            canvas.paint(canvas.capsule(start, end, radius) + np.float32(0.010) * fine, gland)
        canvas.paint(canvas.capsule((-0.02, 0.01), (0.40, 0.09), 0.016), phase.vessel)
        _paint_bowel(canvas, body, inner)
    if z < 0.9:
        _paint_stomach(canvas, body, z, inner)
    middle = canvas.near((0, 0.1), 0.3)
    aorta = middle.disc((0.075, 0.09), 0.064)
    middle.paint(aorta, phase.aorta)
    if j[4] > 0.2:
        middle.paint(
            np.maximum(
                np.abs(aorta + np.float32(0.006)) - np.float32(0.008), np.float32(0.11) - middle.v
            ),
            500,
        )
    middle.paint(
        middle.ellipse((-0.125, 0.085), (0.078, 0.055), 12), 0.5 * (phase.vessel + phase.liver)
    )


def _paint_stomach(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    """Wall, contents and, since the patient lies on the back, air in front with a level surface."""
    j, shrink, fundus = body.jitter, 1 - 0.5 * max(0.0, z - 0.45), max(0.0, 0.45 - z)
    at = (0.36 + 0.05 * j[5], -0.17 + 0.08 * z + 0.25 * fundus)
    outer = canvas.ellipse(
        at,
        ((0.27 + 0.04 * j[6]) * shrink, (0.20 + 0.03 * j[7]) * shrink + 0.20 * fundus),
        18 + 10 * j[8],
    )
    outer = np.maximum(outer, inner + np.float32(0.02))
    canvas.paint(outer, 70)
    canvas.paint(outer + np.float32(0.028), body.meal + 14 * canvas.fine)
    level = np.float32(at[1] - 0.06 + 0.06 * j[9] - 0.2 * fundus)
    canvas.paint(np.maximum(outer + np.float32(0.028), canvas.v - level), _AIR + 30)


def _paint_bowel(canvas: Canvas, body: Body, inner: Array) -> None:
    """Loops of bowel in front and on the left, with gas, stool or fluid."""
    rng = np.random.default_rng([body.seed, 7])
    for u, v in ((0.62, -0.02), (0.52, -0.26), (0.24, -0.36), (0.04, -0.40), (0.36, -0.20)):
        radius, kind = 0.075 + 0.04 * rng.random(), rng.random()
        shape = canvas.ellipse(
            (u + 0.05 * rng.normal(), v + 0.03 * rng.normal()),
            (radius * 1.25, radius),
            50 * rng.normal(),
        )
        shape = np.maximum(shape, inner + np.float32(0.02))
        canvas.paint(shape, 60)
        filling = _AIR + 60 if kind < 0.3 else (body.meal if kind < 0.65 else 20 + 60 * canvas.fine)
        canvas.paint(shape + np.float32(0.02), filling)


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
        part.paint(outline - np.float32(0.02), _FAT, soft=2.0)
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
        part.paint(hilum + np.float32(0.012), _FAT + 40, soft=2.0)


def _paint_liver(canvas: Canvas, body: Body, z: float, inner: Array) -> Array:
    """The liver with its vessels and, lower down, the gallbladder.

    Returns the share of each pixel within it.
    """
    phase = body.phase
    shape = liver(body, canvas.u, canvas.v, z, inner)
    canvas.paint(shape, phase.liver + 4 * canvas.fine + 4 * canvas.coarse)
    within: Array = np.clip(0.5 - (shape + np.float32(0.012)) / np.float32(canvas.edge), 0, 1)
    tubes = np.full_like(canvas.u, 9.0)
    holder = Canvas(canvas.u, canvas.v, tubes, tubes, tubes, canvas.edge)
    heights = np.maximum(np.abs(body.vessels[:, 2] - z) - _SLAB, 0) * EXTENT
    for (u, v, _, radius), height in zip(body.vessels.tolist(), heights.tolist(), strict=True):
        if height < radius:
            part = holder.near((u, v), radius)
            np.minimum(
                part.hu, part.disc((u, v), float(np.sqrt(radius**2 - height**2))), out=part.hu
            )
    canvas.hu[...] += (
        np.clip(0.5 - tubes / np.float32(canvas.edge), 0, 1) * within * (phase.vessel - canvas.hu)
    )
    if body.gallbladder and 0.5 < z < 0.95:
        grow = float(np.sqrt(1 - ((z - 0.72) / 0.24) ** 2))
        bladder = canvas.ellipse(
            (GALLBLADDER[0] + 0.03 * body.jitter[10], GALLBLADDER[1]),
            (0.080 * grow, 0.120 * grow),
            -25,
        )
        within = within * (1 - canvas.paint(bladder, 45))
        canvas.paint(bladder + np.float32(0.012), _WATER)
    return within


def _paint_lesion(
    canvas: Canvas, body: Body, lesion: Lesion, z: float, within: Array
) -> npt.NDArray[np.bool_] | None:
    """Paint a lesion where the slice meets it.

    Its pixels, or None for a cyst or where it is not met.
    """
    left = lesion.radius**2 - ((lesion.centre[2] - z) * EXTENT) ** 2
    if left <= 0:
        return None
    radius = np.float32(np.sqrt(left))
    du, dv = canvas.u - np.float32(lesion.centre[0]), canvas.v - np.float32(lesion.centre[1])
    around = np.arctan2(dv, du)
    lobes = sum(
        a * np.cos(k * around + p)
        for k, (a, p) in enumerate(zip(lesion.amplitudes, lesion.angles, strict=True), start=2)
    )
    away = length(du, dv) / (1 + lobes)
    share = (
        np.clip(
            0.5 - (away - radius) / np.float32(canvas.edge + (0.0 if lesion.cyst else 0.012)), 0, 1
        )
        * within
    )
    rim = body.phase.rim * np.exp(-(((away / radius - np.float32(0.85)) / np.float32(0.16)) ** 2))
    core = -0.25 * abs(lesion.difference) * np.clip(1 - away / (np.float32(0.6) * radius), 0, 1)
    value = (
        _WATER
        if lesion.cyst
        else body.phase.liver + lesion.difference + rim + core + 5 * canvas.fine
    )
    canvas.hu[...] += share * (value - canvas.hu)
    return None if lesion.cyst else share > np.float32(0.5)
