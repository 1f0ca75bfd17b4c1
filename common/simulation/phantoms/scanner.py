"""What a CT scanner makes of a slice: blur, grainy noise, cupping, a circular field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.simulation.phantoms.canvas import Array, length


@dataclass(frozen=True)
class Scanner:
    """One machine and the protocol it is run with.

    Attributes:
        field_of_view: width of the image, millimetres.
        blur: standard deviation of the point spread, millimetres.
        sharpening: how far a sharp kernel raises high frequencies; 0 is none.
        noise: standard deviation in the middle of an average body, Hounsfield units.
        streaks: 0 to 1, how far noise is drawn out sideways, as when too little of the beam passes
            a wide body.
        cupping: Hounsfield units that the middle of the body lacks, as after beam hardening.
        offset: Hounsfield units that the whole calibration is off.
        circle: outside the circle of reconstruction the image is padded.
    """

    field_of_view: float
    blur: float
    sharpening: float
    noise: float
    streaks: float
    cupping: float
    offset: float
    circle: bool


def scan(
    scanner: Scanner, hu: Array, depth: Array, strength: float, rng: np.random.Generator
) -> Array:
    """The measured slice ``[H, W]`` in Hounsfield units.

    Args:
        hu: the object, ``[H, W]``.
        depth: 0 at the skin to 1 deep within the body, ``[H, W]``.
        strength: factor on the noise, for wide or narrow bodies.
        rng: of the noise.
    """
    pixel = scanner.field_of_view / len(hu)
    down = np.fft.fftfreq(len(hu), pixel)[:, None]
    right = np.fft.rfftfreq(len(hu), pixel)[None]
    square = (down**2 + right**2).astype(np.float32)
    spread = np.exp(-2 * (np.pi * scanner.blur) ** 2 * square)
    response = spread * (1 + scanner.sharpening * square / (square + np.float32(0.06**2)))
    # Noise of filtered back-projection: a ramp times the kernel's response (Riederer, Pelc,
    # Chesler, Phys Med Biol 23, 1978).
    grain = np.sqrt(square) * response * np.exp(-scanner.streaks * (12 * right) ** 2)
    white = np.fft.rfft2(rng.standard_normal(hu.shape, np.float32))
    noise = np.fft.irfft2(white * grain, hu.shape)
    measured = np.fft.irfft2(np.fft.rfft2(hu) * response, hu.shape)
    # More beam is lost on the way through the middle than near the skin.
    local = np.float32(0.35) + np.float32(0.65) * np.sqrt(depth)
    measured += (
        noise * (scanner.noise * strength / noise.std()) * local
        + scanner.offset
        - scanner.cupping * depth
    )
    return measured.astype(np.float32)


def outside_circle(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Pixels outside the circle of reconstruction, ``[size, size]``."""
    axis = np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)
    return length(*np.meshgrid(axis, axis)) > size / 2
