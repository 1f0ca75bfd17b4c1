"""What the readiness report knows of one case: numbers about its pixels, never a pixel.

``look`` is a thumbnail of 16 x 16 grey steps, enough to find the same picture saved twice and kept
in the hospital's own file only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from client.readers import Scan
from common.errors import CaseError

SIDE = 16
BINS = 32
_BLOCK = 1 << 20
"""Most values that are looked at at a time, so that the facts of a case take no second copy of
it."""
_LARGEST = float(np.finfo(np.float32).max)
_PUBLIC = ("name", "kind", "sha256", "patient", "shape", "spacing", "modality")


@dataclass(frozen=True)
class CaseFacts:
    """One case.

    Attributes:
        name: its file below the hospital's folder, e.g. ``images/P-..._....png``.
        kind: "image" or "volume".
        sha256: of the file as written.
        patient: pseudonym.
        shape: ``[C, H, W[, D]]``.
        spacing: millimetres along H, W[, D].
        modality: DICOM modality, or the file's format.
        scanner: manufacturer and model as the DICOM header states them, else "".
        pixels: SHA-256 of the decoded values and their shape.
        look: ``SIDE * SIDE`` grey steps as hex; "" for a picture of one grey.
        low, high, mean, deviation: of the values.
        histogram: ``BINS`` counts between low and high.
        stamp: sizes and times of the source's files, as a hash: tells that they have changed since.
        mask: the mask's file below the hospital's folder, or "".
    """

    name: str
    kind: str
    sha256: str
    patient: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    modality: str
    scanner: str
    pixels: str
    look: str
    low: float
    high: float
    mean: float
    deviation: float
    histogram: tuple[int, ...]
    stamp: str
    mask: str = ""

    @property
    def file(self) -> str:
        """What tables call it: its file below images/ or dicom/."""
        return self.name.split("/", 1)[1]

    def public(self) -> dict[str, Any]:
        """The part that stands in the manifest."""
        return {name: value for name, value in asdict(self).items() if name in _PUBLIC}

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def parse(cls, line: str) -> CaseFacts | None:
        """What :meth:`line` wrote; None for a torn or foreign line."""
        try:
            values = json.loads(line)
            tuples = {name: tuple(values[name]) for name in ("shape", "spacing", "histogram")}
            return cls(**{**values, **tuples})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


@dataclass(frozen=True)
class ScanDigest:
    """What a scan shows: shape, spacing in mm, and SHA-256 of the values in 64 bit."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    values: str

    def same(self, other: ScanDigest) -> bool:
        """Whether both show exactly the same."""
        close = (
            bool(np.allclose(self.spacing, other.spacing, rtol=1e-4))
            if len(self.spacing) == len(other.spacing)
            else False
        )
        return self.shape == other.shape and self.values == other.values and close


def scan_digest(scan: Scan) -> ScanDigest:
    """Look at a scan once.

    Raises:
        CaseError: it holds values that 32-bit numbers cannot, in which networks compute.
    """
    sha256 = hashlib.sha256()
    for block in _blocks(scan.array):
        # equal values have equal bytes only once minus zero is zero and all NaNs are the same one
        values = block.astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        if bool((np.abs(values[np.isfinite(values)]) > _LARGEST).any()):
            raise CaseError("case.range")
        sha256.update(values.tobytes())
    return ScanDigest(scan.array.shape, scan.spacing, sha256.hexdigest())


def of(scan: Scan, **fields: Any) -> CaseFacts:
    """Facts of a decoded case; ``fields`` are those that its pixels do not tell."""
    low, high, mean, count = _range(scan.array)
    # a histogram needs an axis with some length, also for a picture of one grey
    axis = (low, high if high > low else low + max(1.0, abs(low)))
    counts = np.zeros(BINS, np.int64)
    spread = 0.0
    for values in map(_finite, _blocks(scan.array)):
        counts += np.histogram(values, BINS, axis)[0]
        spread += float(np.square(values - mean).sum())
    return CaseFacts(
        kind="volume" if scan.array.ndim == 4 else "image",
        shape=tuple(int(n) for n in scan.array.shape),
        spacing=tuple(round(float(mm), 5) for mm in scan.spacing),
        pixels=digest(scan.array),
        look=look(scan.array),
        low=low,
        high=high,
        mean=mean,
        deviation=float(np.sqrt(spread / max(1, count))),
        histogram=tuple(int(n) for n in counts),
        **fields,
    )


def _range(array: npt.NDArray[np.generic]) -> tuple[float, float, float, int]:
    """Lowest, highest and mean of the finite values, and how many there are."""
    low = np.inf
    high = -np.inf
    total = 0.0
    count = 0
    for values in map(_finite, _blocks(array)):
        if values.size:
            low = min(low, float(values.min()))
            high = max(high, float(values.max()))
            total += float(values.sum())
            count += values.size
    return (low, high, total / count, count) if count else (0.0, 0.0, 0.0, 0)


def digest(array: npt.NDArray[np.generic]) -> str:
    """SHA-256 of values and shape, the same for the same values of any kind of number."""
    sha256 = hashlib.sha256(repr(array.shape).encode())
    for block in _blocks(array):
        sha256.update(np.ascontiguousarray(block, np.float32).tobytes())
    return sha256.hexdigest()


def _blocks(array: npt.NDArray[np.generic]) -> Iterator[npt.NDArray[Any]]:
    """``[C, H, ...]`` in pieces of whole rows, in order."""
    step = max(1, _BLOCK // max(1, array[0, 0].size))
    for channel in array:
        for start in range(0, len(channel), step):
            yield channel[start : start + step]


def _finite(block: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = block.astype(np.float64)
    return values[np.isfinite(values)]


def look(values: npt.NDArray[Any]) -> str:
    """A thumbnail of the picture, or of the slice in the middle of a volume."""
    flat = values[..., values.shape[3] // 2] if values.ndim == 4 else values
    grey = np.zeros(flat.shape[1:])
    for channel in flat:
        grey += channel
    grey /= len(flat)
    small = _shrunk(_shrunk(np.nan_to_num(grey), 0), 1)
    low = small.min()
    high = small.max()
    if not high > low:
        return ""
    return bytes(np.rint((small - low) / (high - low) * 255).astype(np.uint8)).hex()


def _shrunk(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Means over SIDE equal stretches of an axis, which may begin and end within a pixel."""
    turned = np.moveaxis(values, axis, 0)
    length = len(turned)
    means = np.zeros((SIDE, *turned.shape[1:]))
    for i in range(SIDE):
        start = i * length / SIDE
        end = (i + 1) * length / SIDE
        first = int(start)
        last = min(int(np.ceil(end)), length)
        inside = np.minimum(np.arange(first + 1, last + 1), end) - np.maximum(
            np.arange(first, last), start
        )
        means[i] = np.tensordot(inside, turned[first:last], 1) * (SIDE / length)
    return np.moveaxis(means, 0, axis)
