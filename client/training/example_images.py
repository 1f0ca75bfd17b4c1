"""Small pictures of phantoms for the report, truth and prediction as transparent overlays.

Pictures are PNG, written here with zlib alone (PNG specification, third edition, chapters 5 and
11), so that no image library is needed.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from common.sample import Sample
from common.targets.boxes import Boxes
from common.targets.mask import Mask

Pixels = npt.NDArray[np.uint8]
_TRUTH = (0, 158, 115)
_PREDICTION = (230, 97, 0)


def picture(sample: Sample, prediction: Mapping[str, Tensor]) -> dict[str, str]:
    """Base64 PNGs ``{"image", "truth", "prediction"}`` of the middle slice."""
    shown = {
        "image": _grey(sample),
        "truth": np.zeros((1, 1, 4), np.uint8),
        "prediction": np.zeros((1, 1, 4), np.uint8),
    }
    mask = Mask.of(sample)
    boxes = Boxes.of(sample)
    if mask is not None and "mask" in prediction:
        shown["truth"] = _outline(_slice(mask.values[0]), _TRUTH)
        shown["prediction"] = _outline(_slice(prediction["mask"]), _PREDICTION)
    elif boxes is not None and "boxes" in prediction:
        size = shown["image"].shape[:2]
        shown["truth"] = _frames(boxes.corners[0], size, _TRUTH)
        shown["prediction"] = _frames(prediction["boxes"], size, _PREDICTION)
    return {name: base64.b64encode(png(pixels)).decode() for name, pixels in shown.items()}


def png(pixels: Pixels) -> bytes:
    """A PNG file of ``[H, W, 3]`` (RGB) or ``[H, W, 4]`` (RGBA) pixels."""
    height, width, channels = pixels.shape
    # Each row begins with its filter type; 0 is none.
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    # Eight bits a sample, RGBA or RGB; default compression and filters, not interlaced.
    form = (8, 6 if channels == 4 else 2, 0, 0, 0)
    header = struct.pack(">IIBBBBB", width, height, *form)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _slice(values: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = values.float().numpy()[0]
    return array if array.ndim == 2 else array[..., array.shape[-1] // 2]


def _grey(sample: Sample) -> Pixels:
    planes = [_slice(sample.image[i : i + 1]) for i in range(sample.image.shape[0])]
    # Percentiles, so that a few bright pixels do not make the rest black.
    low, high = np.percentile(planes, [1, 99.5])
    scaled = [np.clip((p - low) / max(high - low, 1e-6), 0, 1) * 255 for p in planes]
    return np.stack(scaled if len(scaled) == 3 else scaled[:1] * 3, axis=-1).astype(np.uint8)


def _outline(mask: npt.NDArray[np.float32], colour: tuple[int, int, int]) -> Pixels:
    inside = np.pad(mask > 0, 1)
    core = (
        inside[1:-1, 1:-1]
        & inside[:-2, 1:-1]
        & inside[2:, 1:-1]
        & inside[1:-1, :-2]
        & inside[1:-1, 2:]
    )
    edge = inside[1:-1, 1:-1] & ~core
    return _coloured(edge, colour)


def _frames(boxes: Tensor, size: tuple[int, int], colour: tuple[int, int, int]) -> Pixels:
    edge = np.zeros(size, bool)
    # Boxes in 3-D are not drawn: the middle slice need not show any of them.
    drawn = boxes.round().int().clamp(min=0).tolist() if boxes.shape[1] == 4 else []
    for x0, y0, x1, y1 in drawn:
        edge[[min(y0, size[0] - 1), min(y1, size[0]) - 1], x0:x1] = True
        edge[y0:y1, [min(x0, size[1] - 1), min(x1, size[1]) - 1]] = True
    return _coloured(edge, colour)


def _coloured(edge: npt.NDArray[np.bool_], colour: tuple[int, int, int]) -> Pixels:
    opaque = np.array([*colour, 255], np.uint8)
    return np.where(edge[..., None], opaque, np.uint8(0)).astype(np.uint8)
