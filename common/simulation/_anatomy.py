"""An invented upper abdomen: axial CT slices in Hounsfield units, drawn from formulas; nothing in it comes from a person.

Axes: ``u`` runs to the patient's left (right in the image), ``v`` to the back (down in the image), both in half body widths from the
middle of the body; ``z`` runs from the diaphragm (0) to the lower poles of the kidneys (1). Shapes are in half body widths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.simulation._canvas import Array, Canvas, Point, ellipse, length, smooth_noise, upright

EXTENT = 0.8
"""Half body widths from z = 0 to z = 1."""
_WAVES = 5
_VENTRAL, _DORSAL = 0.66, 0.63
_SLAB = 0.02
"""Half the thickness of a slice in z; vessels within it are seen."""
_AIR, _LUNG, _FAT, _WATER, _MUSCLE = -1000.0, -860.0, -105.0, 8.0, 55.0


@dataclass(frozen=True)
class Phase:
    """Hounsfield units at a time after the contrast medium is given; ``lesion`` is relative to the liver, ``rim`` to the lesion."""

    liver: float
    vessel: float
    aorta: float
    spleen: float
    cortex: float
    medulla: float
    lesion: float
    rim: float


@dataclass(frozen=True)
class Lesion:
    """A roughly round mass: centre ``(u, v, z)``, radius, and the lobes of its outline as Fourier amplitudes and angles."""

    centre: tuple[float, float, float]
    radius: float
    amplitudes: Array
    angles: Array
    difference: float
    cyst: bool = False


@dataclass(frozen=True)
class Body:
    """One invented patient.

    Attributes:
        fat: thickness of the fat under the skin.
        meal: Hounsfield units of what is in the stomach.
        wave: ``[_WAVES, 5]``: how the plane is bent.
        jitter: small differences between organs, -1 to 1 each.
        vessels: ``[N, 4]``: spheres ``(u, v, z, radius)`` along the vessels of the liver.
        shift: where the body lies on the couch.
        seed: of the textures.
    """

    phase: Phase
    fat: float
    meal: float
    wave: Array
    jitter: list[float]
    vessels: Array
    gallbladder: bool
    shift: Point
    seed: int
    lesions: tuple[Lesion, ...] = ()


@dataclass(frozen=True)
class Slice:
    """One height: ``hu [H, W]``, the pixels of each lesion, and how deep within the body each pixel lies, 0 to 1."""

    hu: Array
    lesions: list[npt.NDArray[np.bool_]]
    depth: Array


def draw(body: Body, z: float, size: int, edge: float) -> Slice:
    """One slice of ``size * size`` pixels that are ``edge`` half body widths wide, before it is scanned."""
    rng = np.random.default_rng([body.seed, int(z * 1000)])
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) * np.float32(edge)
    u, v = _bent(body, *np.meshgrid(axis - np.float32(body.shift[0]), axis - np.float32(body.shift[1])), z)
    noise = (smooth_noise(rng, size, grain / edge) for grain in (0.03, 0.25))
    canvas = Canvas(u, v, np.full((size, size), _AIR, np.float32), *noise, edge)
    trunk, inner = _trunk(u, v), _cavity(body, u, v)
    _paint_wall(canvas, trunk, inner)
    _paint_bones(canvas, body, z)
    _paint_organs(canvas, body, z, inner)
    within = _paint_liver(canvas, body, z, inner)
    _paint_kidneys(canvas, body, z)
    masks = [_paint_lesion(canvas, body, lesion, z, within) for lesion in body.lesions]
    return Slice(canvas.hu, [m for m in masks if m is not None and m.any()], np.clip(-trunk / np.float32(0.5), 0, 1))


def random_body(rng: np.random.Generator, phase: Phase, fat: float, meal: float) -> Body:
    """A body without lesions; add them with :func:`random_lesion`."""
    wave = [*rng.uniform(-6, 6, (2, _WAVES)), rng.uniform(0, 2 * np.pi, _WAVES), *rng.normal(0, 0.009, (2, _WAVES))]
    return Body(
        phase=phase,
        fat=fat,
        meal=meal,
        wave=np.stack(wave, axis=1).astype(np.float32),
        jitter=rng.uniform(-1, 1, 16).tolist(),
        vessels=_vessels(rng),
        gallbladder=bool(rng.random() < 0.75),
        shift=(float(rng.normal(0, 0.02)), float(rng.normal(0, 0.02))),
        seed=int(rng.integers(2**31)),
    )


def random_lesion(rng: np.random.Generator, body: Body, z: float, radius: float, *, cyst: bool, difference: float) -> Lesion | None:
    """A lesion within the liver at height ``z``, apart from the others; None where no place is found."""
    places = rng.uniform((-0.95, -0.55), (0.35, 0.45), (200, 2)).astype(np.float32)
    u, v = places.T
    room = -_liver(body, u, v, z, _cavity(body, u, v)) - 0.8 * radius - 0.02
    for other in body.lesions:
        room = np.minimum(room, length(u - other.centre[0], v - other.centre[1]) - 1.25 * (radius + other.radius) - 0.03)
    if not (room > 0).any():
        return None
    place = places[int(np.argmax(room > 0))].tolist()
    lobes = rng.normal(0, 0.02 if cyst else 0.11, 4) / np.arange(1, 5) ** 0.7
    return Lesion((*place, z), radius, lobes.astype(np.float32), rng.uniform(0, 6.3, 4).astype(np.float32), difference, cyst)


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
        back.paint(back.ellipse((side * 0.185, 0.46), (0.165, 0.105), side * -14), _MUSCLE + 10 * back.fine)
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
    wide, back, front = _axes(body)
    last = 2.45 - 1.3 * max(0.0, z - 0.25)
    for side in (-1, 1):
        for i, angle in enumerate(np.arange(0.34 + 0.09 * side * body.jitter[0], last, 0.40) + 0.25 * (z * 3 % 1)):
            tall = back if angle < np.pi / 2 else front
            at = (side * (wide + 0.045) * float(np.sin(angle)), (tall + 0.045) * float(np.cos(angle)))
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
        deep = reach * np.clip(canvas.v + np.float32(0.45) * np.abs(canvas.u), 0, 1.2) - np.float32(0.02)
        recess = np.maximum(inner, -inner - deep)
        share = canvas.paint(np.maximum(recess, np.float32(0.24) - np.abs(canvas.u)), _LUNG + 25 * canvas.coarse)
        canvas.hu[...] += share * np.clip(170 * fine - 200, 0, 500)
    for side in (-1, 1):
        crus = canvas.near((side * 0.17, 0.24), 0.12)
        crus.paint(crus.ellipse((side * 0.17, 0.235 + 0.03 * z), (0.035 + 0.045 * z, 0.08), side * 15), _MUSCLE)
    if z < 0.9:
        grow = float(np.sqrt(max(0.05, 1 - ((z - 0.34) / 0.62) ** 2)))
        spleen = canvas.ellipse((0.60 + 0.03 * j[1], 0.14 + 0.02 * j[2]), (0.185 * grow, 0.34 * grow), 38 + 6 * j[3])
        hilum = canvas.ellipse((0.40, 0.06), (0.12, 0.19), 38)
        canvas.paint(np.maximum.reduce([spleen, inner + np.float32(0.015), -hilum]), phase.spleen + 4 * fine)
    if z > 0.4:
        gland = 0.72 * phase.liver + 30 + 14 * fine
        for start, end, radius in (((-0.12, -0.02), (0.10, -0.09), 0.052), ((0.10, -0.09), (0.42, 0.05), 0.040)):
            canvas.paint(canvas.capsule(start, end, radius) + np.float32(0.010) * fine, gland)
        canvas.paint(canvas.capsule((-0.02, 0.01), (0.40, 0.09), 0.016), phase.vessel)
        _paint_bowel(canvas, body, inner)
    if z < 0.9:
        _paint_stomach(canvas, body, z, inner)
    middle = canvas.near((0, 0.1), 0.3)
    aorta = middle.disc((0.075, 0.09), 0.064)
    middle.paint(aorta, phase.aorta)
    if j[4] > 0.2:
        middle.paint(np.maximum(np.abs(aorta + np.float32(0.006)) - np.float32(0.008), np.float32(0.11) - middle.v), 500)
    middle.paint(middle.ellipse((-0.125, 0.085), (0.078, 0.055), 12), 0.5 * (phase.vessel + phase.liver))


def _paint_stomach(canvas: Canvas, body: Body, z: float, inner: Array) -> None:
    """Wall, contents and, since the patient lies on the back, air in front with a level surface."""
    j, shrink, fundus = body.jitter, 1 - 0.5 * max(0.0, z - 0.45), max(0.0, 0.45 - z)
    at = (0.36 + 0.05 * j[5], -0.17 + 0.08 * z + 0.25 * fundus)
    outer = canvas.ellipse(at, ((0.27 + 0.04 * j[6]) * shrink, (0.20 + 0.03 * j[7]) * shrink + 0.20 * fundus), 18 + 10 * j[8])
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
        shape = canvas.ellipse((u + 0.05 * rng.normal(), v + 0.03 * rng.normal()), (radius * 1.25, radius), 50 * rng.normal())
        shape = np.maximum(shape, inner + np.float32(0.02))
        canvas.paint(shape, 60)
        filling = _AIR + 60 if kind < 0.3 else (body.meal if kind < 0.65 else 20 + 60 * canvas.fine)
        canvas.paint(shape + np.float32(0.02), filling)


def _paint_kidneys(canvas: Canvas, body: Body, z: float) -> None:
    """Bean shapes with the fat of the hilum; before the contrast medium is washed through, the cortex stands out."""
    for side, start in _KIDNEYS:
        if z <= start - 0.12:
            continue
        grow, at = _kidney(body, side, z)
        part = canvas.near(at, 0.2)
        outline = part.ellipse(at, (0.120 * grow, 0.160 * grow), side * 28)
        hilum = part.ellipse((at[0] - side * 0.09, at[1] - 0.06), (0.085 * grow, 0.045), side * 35)
        part.paint(outline - np.float32(0.02), _FAT, soft=2.0)
        part.paint(np.maximum(outline, -hilum), body.phase.cortex)
        around = np.arctan2(part.v - np.float32(at[1]), part.u - np.float32(at[0]))
        inner = part.ellipse((at[0] - side * 0.02, at[1] - 0.015), (0.080 * grow, 0.112 * grow), side * 28)
        part.paint(np.maximum(inner, -hilum) + np.float32(0.016) * np.cos(9 * around), body.phase.medulla, soft=1.6)
        part.paint(hilum + np.float32(0.012), _FAT + 40, soft=2.0)


def _paint_liver(canvas: Canvas, body: Body, z: float, inner: Array) -> Array:
    """The liver with its vessels and, lower down, the gallbladder; returns the share of each pixel within it."""
    phase = body.phase
    shape = _liver(body, canvas.u, canvas.v, z, inner)
    canvas.paint(shape, phase.liver + 4 * canvas.fine + 4 * canvas.coarse)
    within = np.clip(0.5 - (shape + np.float32(0.012)) / np.float32(canvas.edge), 0, 1)
    tubes = np.full_like(canvas.u, 9.0)
    holder = Canvas(canvas.u, canvas.v, tubes, tubes, tubes, canvas.edge)
    heights = np.maximum(np.abs(body.vessels[:, 2] - z) - _SLAB, 0) * EXTENT
    for (u, v, _, radius), height in zip(body.vessels.tolist(), heights.tolist(), strict=True):
        if height < radius:
            part = holder.near((u, v), radius)
            np.minimum(part.hu, part.disc((u, v), float(np.sqrt(radius**2 - height**2))), out=part.hu)
    canvas.hu[...] += np.clip(0.5 - tubes / np.float32(canvas.edge), 0, 1) * within * (phase.vessel - canvas.hu)
    if body.gallbladder and 0.5 < z < 0.95:
        grow = float(np.sqrt(1 - ((z - 0.72) / 0.24) ** 2))
        part = canvas.near((-0.26, -0.24), 0.2)
        bladder = part.ellipse((-0.25 + 0.03 * body.jitter[10], -0.24), (0.080 * grow, 0.120 * grow), -25)
        part.paint(bladder, 45)
        part.paint(bladder + np.float32(0.012), _WATER)
    return within


def _paint_lesion(canvas: Canvas, body: Body, lesion: Lesion, z: float, within: Array) -> npt.NDArray[np.bool_] | None:
    """Paint a lesion where the slice meets it; its pixels, or None for a cyst or where it is not met."""
    left = lesion.radius**2 - ((lesion.centre[2] - z) * EXTENT) ** 2
    if left <= 0:
        return None
    radius = np.float32(np.sqrt(left))
    du, dv = canvas.u - np.float32(lesion.centre[0]), canvas.v - np.float32(lesion.centre[1])
    around = np.arctan2(dv, du)
    lobes = sum(a * np.cos(k * around + p) for k, (a, p) in enumerate(zip(lesion.amplitudes, lesion.angles, strict=True), start=2))
    away = length(du, dv) / (1 + lobes)
    share = np.clip(0.5 - (away - radius) / np.float32(canvas.edge + (0.0 if lesion.cyst else 0.012)), 0, 1) * within
    rim = body.phase.rim * np.exp(-(((away / radius - np.float32(0.85)) / np.float32(0.16)) ** 2))
    core = -0.25 * abs(lesion.difference) * np.clip(1 - away / (np.float32(0.6) * radius), 0, 1)
    value = _WATER if lesion.cyst else body.phase.liver + lesion.difference + rim + core + 5 * canvas.fine
    canvas.hu[...] += share * (value - canvas.hu)
    return None if lesion.cyst else share > np.float32(0.5)


def _trunk(u: Array, v: Array) -> Array:
    """Signed distance to the skin: flatter at the back, with the groove of the spine."""
    height = np.where(v < 0, np.float32(_VENTRAL), np.float32(_DORSAL))
    power = np.float32(2.5)
    x, y = np.abs(u), np.abs(v / height)
    radius = (x**power + y**power) ** (1 / power)
    groove = np.float32(0.035) * np.exp(-((u / np.float32(0.10)) ** 2)) * (v > 0)
    return (radius - 1) * np.where(x > y, np.float32(1), height) + groove


def _cavity(body: Body, u: Array, v: Array) -> Array:
    """Signed distance to the inside of the chest and abdominal wall, which the spine bulges inwards."""
    wide, back, front = _axes(body)
    inner = upright(u, v, np.float32(wide), np.where(v < 0, np.float32(front), np.float32(back)))
    return np.maximum(inner, np.float32(0.155) - length(u, (v - np.float32(0.30)) * np.float32(0.85)))


def _axes(body: Body) -> tuple[float, float, float]:
    """Half axes of the cavity: sideways, to the back, to the front."""
    return 0.86 - 0.75 * body.fat, _DORSAL - 0.14 - 0.45 * body.fat, _VENTRAL - 0.10 - 0.9 * body.fat


def _liver(body: Body, u: Array, v: Array, z: float, inner: Array) -> Array:
    """Signed distance to the liver: right and left lobe, cut by the wall, the porta, the spine, the round ligament and the right kidney."""
    j, low = body.jitter, max(0.0, z - 0.35)
    right = ellipse(u, v, (-0.45 - 0.10 * low, 0.02 * j[11]), (0.46 - 0.14 * low, 0.50 - 0.08 * low), 8)
    reach = (0.52 + 0.06 * j[14]) * (1 - 0.6 * low)
    left = ellipse(u, v, (-0.06 - 0.02 * j[12], -0.30 + 0.03 * j[13]), (reach, 0.20 - 0.12 * low), -9 + 4 * j[15])
    blend = np.clip(0.5 + (left - right) / np.float32(0.24), 0, 1)
    both = left * (1 - blend) + right * blend - np.float32(0.12) * blend * (1 - blend)
    porta = np.float32(0.05 + 0.09 * min(1.0, z * 2.5)) - length((u - np.float32(0.03)) * np.float32(0.55), v + np.float32(0.04))
    cava = np.float32(0.105) - length(u + np.float32(0.12), v - np.float32(0.10))
    spine = np.float32(0.21) - length(u, v - np.float32(0.26))
    depth = 0.06 + 0.16 * min(1.0, max(0.0, z - 0.15) * 2.5)
    along = np.clip(v + np.float32(0.60), 0, np.float32(depth + 0.1))
    ligament = np.float32(0.014) - length(u + np.float32(0.10) + np.float32(0.25) * along, v + np.float32(0.60) - along)
    cuts = [both, inner + np.float32(0.010), porta, cava, spine, ligament]
    if z > _KIDNEYS[0][1] - 0.12:
        grow, at = _kidney(body, -1, z)
        cuts.append(np.float32(0.03) - ellipse(u, v, at, (0.120 * grow, 0.160 * grow), -28))
    return np.maximum.reduce(cuts)


_KIDNEYS = ((-1, 0.58), (1, 0.45))
"""Side (-1 is the patient's right) and height at which each begins."""


def _kidney(body: Body, side: int, z: float) -> tuple[float, Point]:
    """Share of its full size, and centre."""
    start = dict(_KIDNEYS)[side]
    grow = min(1.0, 0.6 + (z - start) * 2.2)
    return grow, (side * (0.365 + 0.02 * body.jitter[3]), 0.225 + 0.02 * body.jitter[4])


def _bent(body: Body, u: Array, v: Array, z: float) -> tuple[Array, Array]:
    """The plane bent smoothly, so that no two bodies have the same outlines."""
    waves = [(np.sin(ku * u + kv * v + np.float32(phase + 1.5 * z)), au, av) for ku, kv, phase, au, av in body.wave]
    return u + sum(au * w for w, au, _ in waves), v + sum(av * w for w, _, av in waves)


def _vessels(rng: np.random.Generator) -> Array:
    """Portal branches from the porta outwards at several heights, and hepatic veins that end in the vena cava below the diaphragm."""
    spheres: list[tuple[float, float, float, float]] = []

    def grow(place: tuple[float, float, float], angle: float, climb: float, radius: float, forks: int) -> None:
        u, v, z = place
        for _ in range(12):
            angle, climb = angle + rng.normal(0, 0.10), climb + rng.normal(0, 0.04)
            u, v, z, radius = u + 0.019 * np.cos(angle), v + 0.019 * np.sin(angle), z + 0.019 * climb, radius * 0.98
            spheres.append((u, v, z, radius))
        for turn in (-1, 1) if forks else ():
            grow((u, v, z), angle + turn * rng.uniform(0.3, 0.7), climb + rng.normal(0, 0.15), radius * 0.85, forks - 1)

    for z in (0.30, 0.48, 0.66, 0.84):
        grow((-0.12, -0.05, z + rng.normal(0, 0.04)), np.pi + rng.normal(0, 0.3), rng.normal(0, 0.1), 0.036, 2)
    grow((-0.10, -0.08, 0.42), -np.pi / 2 + rng.normal(0, 0.2), 0.0, 0.028, 1)
    for angle in (np.pi - 0.5, np.pi + 0.25, np.pi + 0.95):
        grow((-0.15, 0.04, 0.10), angle + rng.normal(0, 0.1), rng.uniform(0, 0.25), 0.034, 2)
    return np.array(spheres, np.float32)
