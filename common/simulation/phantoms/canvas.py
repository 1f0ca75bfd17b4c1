"""A canvas on which shapes are painted by their signed distance, with edges one pixel wide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Point = tuple[float, float]
_SLACK = 0.12
"""How far the plane is bent and the body moved, at most: what is near a point lies within this."""


@dataclass(frozen=True)
class Canvas:
    """Pixels with their coordinates, arrays ``[H, W]``; :meth:`near` gives views of a part.

    Attributes:
        u, v: coordinates of the pixel centres, bent with the body.
        hu: what has been painted so far, changed in place.
        fine, coarse: random fields of unit variance with grains of about 5 and 40 millimetres.
        edge: width of a pixel in the units of ``u``.
    """

    u: Array
    v: Array
    hu: Array
    fine: Array
    coarse: Array
    edge: float

    def near(self, at: Point, reach: float) -> Canvas:
        """The part of the canvas that a shape of size ``reach`` around ``at`` may touch."""
        height, width = self.hu.shape
        half = reach + _SLACK
        part = tuple(
            slice(
                max(0, int((c - half) / self.edge + n / 2)),
                max(1, int((c + half) / self.edge + n / 2) + 2),
            )
            for c, n in ((at[1], height), (at[0], width))
        )
        return Canvas(
            u=self.u[part],
            v=self.v[part],
            hu=self.hu[part],
            fine=self.fine[part],
            coarse=self.coarse[part],
            edge=self.edge,
        )

    def paint(self, distance: Array, value: float | Array, soft: float = 1.0) -> Array:
        """Cover a shape given by its signed distance.

        Args:
            distance: ``[H, W]``, below 0 inside.
            value: Hounsfield units.
            soft: width of the edge in pixels.

        Returns:
            the share of each pixel that it covers.
        """
        share: Array = np.clip(0.5 - distance / np.float32(self.edge * soft), 0, 1)
        self.hu[...] += share * (value - self.hu)
        return share

    def ellipse(self, at: Point, axes: Point, degrees: float = 0.0) -> Array:
        """Signed distance, to first order, to an ellipse turned clockwise in the image."""
        return ellipse(self.u, self.v, at, axes, degrees=degrees)

    def capsule(self, start: Point, end: Point, radius: float) -> Array:
        """Signed distance to a line with round ends."""
        du = end[0] - start[0]
        dv = end[1] - start[1]
        x = self.u - np.float32(start[0])
        y = self.v - np.float32(start[1])
        along: Array = np.clip(
            (x * np.float32(du) + y * np.float32(dv)) / np.float32(du * du + dv * dv), 0, 1
        )
        return length(x - along * np.float32(du), y - along * np.float32(dv)) - np.float32(radius)

    def disc(self, at: Point, radius: float) -> Array:
        """Signed distance to a circle."""
        return length(self.u - np.float32(at[0]), self.v - np.float32(at[1])) - np.float32(radius)


def length(x: Array, y: Array) -> Array:
    """Length of vectors."""
    # Several times faster than numpy.hypot, which guards against overflow.
    return np.sqrt(x * x + y * y)


def ellipse(u: Array, v: Array, at: Point, axes: Point, degrees: float = 0.0) -> Array:
    """See :meth:`Canvas.ellipse`."""
    angle = np.radians(degrees)
    c = np.float32(np.cos(angle))
    s = np.float32(np.sin(angle))
    du = u - np.float32(at[0])
    dv = v - np.float32(at[1])
    return upright(c * du + s * dv, c * dv - s * du, np.float32(axes[0]), np.float32(axes[1]))


def upright(x: Array, y: Array, a: np.float32 | Array, b: np.float32 | Array) -> Array:
    """Signed distance, to first order, to an ellipse around the origin of half axes a and b."""
    x, y = x / a, y / b
    radius = length(x, y) + np.float32(1e-6)
    distance: Array = (radius - 1) * radius / (length(x / a, y / b) + np.float32(1e-6))
    return distance


def smooth_noise(rng: np.random.Generator, size: int, grain: float) -> Array:
    """``[size, size]`` of unit variance with structures of about ``grain`` pixels."""
    down = np.fft.fftfreq(size)[:, None]
    right = np.fft.rfftfreq(size)[None]
    white = np.fft.rfft2(rng.standard_normal((size, size), np.float32))
    smooth = np.fft.irfft2(
        white * np.exp(-((down**2 + right**2) * (2 * max(grain, 0.3)) ** 2)), (size, size)
    )
    return (smooth / max(float(smooth.std()), 1e-9)).astype(np.float32)
