"""An invented patient and the shapes of the organs, as formulas; nothing in it comes from a person.

Axes: ``u`` runs to the patient's left (right in the image), ``v`` to the back (down in the image),
both in half body widths from the middle of the body; ``z`` runs from the diaphragm (0) to the lower
poles of the kidneys (1). Shapes are in half body widths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.simulation.phantoms.canvas import Array, Point, ellipse, length, upright

EXTENT = 0.8
"""Half body widths from z = 0 to z = 1."""
GALLBLADDER: Point = (-0.25, -0.24)
KIDNEYS = ((-1, 0.58), (1, 0.45))
"""Side (-1 is the patient's right) and height at which each begins."""
_WAVES = 5
_VENTRAL = 0.66
"""Half height of the body in front of its middle; behind it ``_DORSAL``."""
_DORSAL = 0.63


@dataclass(frozen=True)
class Phase:
    """Hounsfield units at a time after the contrast medium is given.

    ``lesion`` is relative to the liver, ``rim`` to the lesion.
    """

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
    """A roughly round mass.

    Attributes:
        centre: ``(u, v, z)``.
        radius: mean radius.
        amplitudes: lobes of its outline, as Fourier amplitudes from the second on.
        angles: of those.
        difference: Hounsfield units from the liver.
        cyst: whether it is a harmless one, filled with water.
    """

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


def random_body(rng: np.random.Generator, phase: Phase, fat: float, meal: float) -> Body:
    """A body without lesions; add them with :func:`random_lesion`."""
    wave = [
        *rng.uniform(-6, 6, (2, _WAVES)),
        rng.uniform(0, 2 * np.pi, _WAVES),
        *rng.normal(0, 0.009, (2, _WAVES)),
    ]
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


def random_lesion(
    rng: np.random.Generator, body: Body, z: float, radius: float, *, cyst: bool, difference: float
) -> Lesion | None:
    """A lesion within the liver at height ``z``, apart from the others; None if it has no place."""
    # Many places at once: the first that fits is taken.
    places = rng.uniform((-0.95, -0.55), (0.35, 0.45), (200, 2)).astype(np.float32)
    u, v = places.T
    inner = cavity(body, u, v)
    room = -liver(body, u, v, z=z, inner=inner) - 0.8 * radius - 0.02
    if body.gallbladder:
        room = np.minimum(room, length(u - GALLBLADDER[0], v - GALLBLADDER[1]) - 0.13 - radius)
    for other in body.lesions:
        away = length(u - other.centre[0], v - other.centre[1])
        room = np.minimum(room, away - 1.25 * (radius + other.radius) - 0.03)
    if not (room > 0).any():
        return None
    place = places[int(np.argmax(room > 0))].tolist()
    lobes = rng.normal(0, 0.02 if cyst else 0.11, 4) / np.arange(1, 5) ** 0.7
    return Lesion(
        centre=(*place, z),
        radius=radius,
        amplitudes=lobes.astype(np.float32),
        angles=rng.uniform(0, 6.3, 4).astype(np.float32),
        difference=difference,
        cyst=cyst,
    )


def trunk_distance(u: Array, v: Array) -> Array:
    """Signed distance to the skin: flatter at the back, with the groove of the spine."""
    height = np.where(v < 0, np.float32(_VENTRAL), np.float32(_DORSAL))
    power = np.float32(2.5)
    x = np.abs(u)
    y = np.abs(v / height)
    radius = (x**power + y**power) ** (1 / power)
    groove = np.float32(0.035) * np.exp(-((u / np.float32(0.10)) ** 2)) * (v > 0)
    distance: Array = (radius - 1) * np.where(x > y, np.float32(1), height) + groove
    return distance


def cavity(body: Body, u: Array, v: Array) -> Array:
    """Signed distance to the inside of chest and abdominal wall, which the spine bulges inwards."""
    wide, back, front = axes(body)
    inner = upright(u, v, np.float32(wide), np.where(v < 0, np.float32(front), np.float32(back)))
    spine = np.float32(0.155) - length(u, (v - np.float32(0.30)) * np.float32(0.85))
    return np.asarray(np.maximum(inner, spine), np.float32)


def axes(body: Body) -> tuple[float, float, float]:
    """Half axes of the cavity: sideways, to the back, to the front."""
    return (
        0.86 - 0.75 * body.fat,
        _DORSAL - 0.14 - 0.45 * body.fat,
        _VENTRAL - 0.10 - 0.9 * body.fat,
    )


def liver(body: Body, u: Array, v: Array, z: float, inner: Array) -> Array:
    """Signed distance to the liver.

    Right and left lobe, cut by the wall, the porta, the spine, the round ligament and the right
    kidney.
    """
    j = body.jitter
    low = max(0.0, z - 0.35)
    right_centre = (-0.45 - 0.10 * low, 0.02 * j[11])
    right = ellipse(u, v, right_centre, (0.46 - 0.14 * low, 0.50 - 0.08 * low), degrees=8)
    left_centre = (-0.06 - 0.02 * j[12], -0.30 + 0.03 * j[13])
    reach = (0.52 + 0.06 * j[14]) * (1 - 0.6 * low)
    left = ellipse(u, v, left_centre, (reach, 0.20 - 0.12 * low), degrees=-9 + 4 * j[15])
    # A smooth union: the lobes flow into each other without a crease.
    blend = np.clip(0.5 + (left - right) / np.float32(0.24), 0, 1)
    both = left * (1 - blend) + right * blend - np.float32(0.12) * blend * (1 - blend)
    porta = np.float32(0.05 + 0.09 * min(1.0, z * 2.5)) - length(
        (u - np.float32(0.03)) * np.float32(0.55), v + np.float32(0.04)
    )
    cava = np.float32(0.105) - length(u + np.float32(0.12), v - np.float32(0.10))
    spine = np.float32(0.21) - length(u, v - np.float32(0.26))
    depth = 0.06 + 0.16 * min(1.0, max(0.0, z - 0.15) * 2.5)
    along = np.clip(v + np.float32(0.60), 0, np.float32(depth + 0.1))
    ligament = np.float32(0.014) - length(
        u + np.float32(0.10) + np.float32(0.25) * along, v + np.float32(0.60) - along
    )
    cuts = [both, inner + np.float32(0.010), porta, cava, spine, ligament]
    if z > KIDNEYS[0][1] - 0.12:
        grow, at = kidney(body, -1, z)
        cuts.append(np.float32(0.03) - ellipse(u, v, at, (0.120 * grow, 0.160 * grow), degrees=-28))
    return np.asarray(np.maximum.reduce(cuts), np.float32)


def kidney(body: Body, side: int, z: float) -> tuple[float, Point]:
    """Share of its full size, and centre."""
    start = dict(KIDNEYS)[side]
    grow = min(1.0, 0.6 + (z - start) * 2.2)
    return grow, (side * (0.365 + 0.02 * body.jitter[3]), 0.225 + 0.02 * body.jitter[4])


def bent(body: Body, u: Array, v: Array, z: float) -> tuple[Array, Array]:
    """The plane bent smoothly, so that no two bodies have the same outlines."""
    waves = [
        (np.sin(ku * u + kv * v + np.float32(phase + 1.5 * z)), au, av)
        for ku, kv, phase, au, av in body.wave
    ]
    return u + sum(au * w for w, au, _ in waves), v + sum(av * w for w, _, av in waves)


def _vessels(rng: np.random.Generator) -> Array:
    """Portal branches and hepatic veins of the liver, as spheres ``[N, 4]``.

    Branches grow from the porta outwards at several heights; the veins end in the vena cava below
    the diaphragm.
    """
    spheres: list[tuple[float, float, float, float]] = []

    def grow(
        place: tuple[float, float, float], angle: float, climb: float, radius: float, forks: int
    ) -> None:
        u, v, z = place
        for _ in range(12):
            angle += rng.normal(0, 0.10)
            climb += rng.normal(0, 0.04)
            u += 0.019 * np.cos(angle)
            v += 0.019 * np.sin(angle)
            z += 0.019 * climb
            radius *= 0.98
            spheres.append((u, v, z, radius))
        for turn in (-1, 1) if forks else ():
            grow(
                (u, v, z),
                angle + turn * rng.uniform(0.3, 0.7),
                climb + rng.normal(0, 0.15),
                radius * 0.85,
                forks - 1,
            )

    for z in (0.30, 0.48, 0.66, 0.84):
        grow(
            (-0.12, -0.05, z + rng.normal(0, 0.04)),
            np.pi + rng.normal(0, 0.3),
            rng.normal(0, 0.1),
            0.036,
            2,
        )
    grow((-0.10, -0.08, 0.42), -np.pi / 2 + rng.normal(0, 0.2), 0.0, 0.028, 1)
    for angle in (np.pi - 0.5, np.pi + 0.25, np.pi + 0.95):
        grow((-0.15, 0.04, 0.10), angle + rng.normal(0, 0.1), rng.uniform(0, 0.25), 0.034, 2)
    return np.array(spheres, np.float32)
