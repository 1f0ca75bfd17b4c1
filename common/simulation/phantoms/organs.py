"""Painting the organs that no lesion is looked for in: lungs, spleen, pancreas, bowel, vessels."""

from __future__ import annotations

import numpy as np

from common.simulation.phantoms.body import Body
from common.simulation.phantoms.canvas import Array, Canvas
from common.simulation.phantoms.tissues import AIR, LUNG, MUSCLE


def paint_organs(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    """Lungs, spleen, pancreas, bowel, stomach and the great vessels, back to front.

    What is painted later lies on top.
    """
    if z < 0.42:
        _paint_lungs(canvas, z, inner)
    for side in (-1, 1):
        crus = canvas.near((side * 0.17, 0.24), 0.12)
        crus.paint(
            crus.ellipse((side * 0.17, 0.235 + 0.03 * z), (0.035 + 0.045 * z, 0.08), side * 15),
            MUSCLE,
        )
    if z < 0.9:
        _paint_spleen(canvas, body, z, inner)
    if z > 0.4:
        _paint_pancreas(canvas, body)
        _paint_bowel(canvas, body, inner)
    if z < 0.9:
        _paint_stomach(canvas, body, z, inner)
    _paint_great_vessels(canvas, body)


def _paint_lungs(canvas: Canvas, z: float, inner: Array) -> None:
    """The bases of the lungs, deepest at the back, with their vessels as bright grains."""
    reach = np.float32(0.24 * (1 - z / 0.42) ** 0.7 + 0.01)
    slope = np.clip(canvas.v + np.float32(0.45) * np.abs(canvas.u), 0, 1.2)
    recess = np.maximum(inner, -inner - (reach * slope - np.float32(0.02)))
    share = canvas.paint(
        np.maximum(recess, np.float32(0.24) - np.abs(canvas.u)), LUNG + 25 * canvas.coarse
    )
    canvas.hu[...] += share * np.clip(170 * canvas.fine - 200, 0, 500)


def _paint_spleen(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    j = body.jitter
    grow = float(np.sqrt(max(0.05, 1 - ((z - 0.34) / 0.62) ** 2)))
    spleen = canvas.ellipse(
        (0.60 + 0.03 * j[1], 0.14 + 0.02 * j[2]), (0.185 * grow, 0.34 * grow), 38 + 6 * j[3]
    )
    hilum = canvas.ellipse((0.40, 0.06), (0.12, 0.19), 38)
    canvas.paint(
        np.maximum.reduce([spleen, inner + np.float32(0.015), -hilum]),
        body.phase.spleen + 4 * canvas.fine,
    )


def _paint_pancreas(canvas: Canvas, body: Body) -> None:
    """Head and tail, lobulated, and the vein of the spleen behind them."""
    gland = 0.72 * body.phase.liver + 30 + 14 * canvas.fine
    for start, end, radius in (
        ((-0.12, -0.02), (0.10, -0.09), 0.052),
        ((0.10, -0.09), (0.42, 0.05), 0.040),
    ):
        canvas.paint(canvas.capsule(start, end, radius) + np.float32(0.010) * canvas.fine, gland)
    canvas.paint(canvas.capsule((-0.02, 0.01), (0.40, 0.09), 0.016), body.phase.vessel)


def _paint_great_vessels(canvas: Canvas, body: Body) -> None:
    """Aorta, in some bodies with a calcified wall at its back, and vena cava."""
    phase = body.phase
    middle = canvas.near((0, 0.1), 0.3)
    aorta = middle.disc((0.075, 0.09), 0.064)
    middle.paint(aorta, phase.aorta)
    if body.jitter[4] > 0.2:
        wall = np.abs(aorta + np.float32(0.006)) - np.float32(0.008)
        middle.paint(np.maximum(wall, np.float32(0.11) - middle.v), 500)
    middle.paint(
        middle.ellipse((-0.125, 0.085), (0.078, 0.055), 12), 0.5 * (phase.vessel + phase.liver)
    )


def _paint_stomach(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    """Wall, contents and, since the patient lies on the back, air in front with a level surface."""
    j = body.jitter
    shrink = 1 - 0.5 * max(0.0, z - 0.45)
    fundus = max(0.0, 0.45 - z)
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
    canvas.paint(np.maximum(outer + np.float32(0.028), canvas.v - level), AIR + 30)


def _paint_bowel(canvas: Canvas, body: Body, inner: Array) -> None:
    """Loops of bowel in front and on the left, with gas, stool or fluid."""
    # A generator of its own: loops are the same in every slice of a body, whatever else is drawn.
    rng = np.random.default_rng([body.seed, 7])
    for u, v in ((0.62, -0.02), (0.52, -0.26), (0.24, -0.36), (0.04, -0.40), (0.36, -0.20)):
        radius = 0.075 + 0.04 * rng.random()
        kind = rng.random()
        shape = canvas.ellipse(
            (u + 0.05 * rng.normal(), v + 0.03 * rng.normal()),
            (radius * 1.25, radius),
            50 * rng.normal(),
        )
        shape = np.maximum(shape, inner + np.float32(0.02))
        canvas.paint(shape, 60)
        filling = AIR + 60 if kind < 0.3 else (body.meal if kind < 0.65 else 20 + 60 * canvas.fine)
        canvas.paint(shape + np.float32(0.02), filling)
