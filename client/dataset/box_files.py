"""Boxes: ``boxes.json``, ``{file: {width, height[, depth], objects: [{label, box_xyxy}]}}``.

In 3-D an object has ``box_xyzxyz``. Public sentences name rules and how many boxes break them,
never a coordinate or a label of the file.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from client.dataset import label_names
from client.dataset.label_names import LabelNames
from client.readers import _limits, _registry
from common.errors import CaseError, SiteError
from common.tasks import Task

_LARGEST = 1 << 26
"""Most bytes of boxes.json."""
_MOST_VALUES = 4_000_000
"""Most values of boxes.json; one of two bytes takes some eighty in memory."""
_ROUNDING = 0.5
"""Pixels by which a box may pass the edge before it is called outside."""


@dataclass(frozen=True, eq=False)
class DrawnBoxes:
    """Boxes of one image in the pixels in which they were drawn.

    Attributes:
        corners: float32 ``[N, 2 * d]``, ``x0 y0 [z0] x1 y1 [z1]``, within the image.
        classes: int64 ``[N]``, from 0.
        size: W, H[, D] of the image on which they were drawn.
    """

    corners: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    size: tuple[float, ...]

    def on(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """The corners in the pixels of an image of ``shape`` H, W[, D]."""
        width_first = (shape[1], shape[0], *shape[2:])
        scales = [side / drawn for side, drawn in zip(width_first, self.size, strict=True)]
        factors = np.array(scales * 2, np.float64)
        return np.asarray(self.corners * factors, np.float32)


def read_boxes(folder: Path, names: LabelNames | None = None) -> dict[str, Any]:
    """Entries of boxes.json by file name, unchecked.

    Args:
        folder: the hospital's.
        names: in place of the folder's own labels.toml.

    Raises:
        SiteError: there is no boxes.json, or it is no JSON object.
    """
    path = folder / "boxes.json"
    try:
        raw = _limits.table_bytes(path, _LARGEST)
        # Counted before it is parsed: parsing is what would fill the memory.
        if sum(map(raw.count, (b",", b"[", b"{"))) > _MOST_VALUES:
            raise SiteError("table.values")
        entries = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except FileNotFoundError:
        raise SiteError("data.no_boxes") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SiteError("table.not_json", f"{path}: {error!r}") from None
    if not isinstance(entries, dict):
        raise SiteError("table.no_object")
    names = label_names.read(folder) if names is None else names
    named = [(_registry.key(name), names.entry(entry)) for name, entry in entries.items()]
    return _once(named)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names differ; RFC 8259, section 4 gives two of one name no meaning.

    Raises:
        SiteError: two are one.
    """
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise SiteError("table.names_twice", names=len(pairs) - len(entries))
    return entries


def parse_boxes(entry: Any, task: Task, dimensions: int) -> DrawnBoxes:
    """Check one entry of boxes.json, as the module has it.

    Raises:
        CaseError: a malformed entry, a label that the task does not name, a box outside the image
            or without area.
    """
    name = "box_xyxy" if dimensions == 2 else "box_xyzxyz"
    sides = ("width", "height", "depth")[:dimensions]
    try:
        size = tuple(float(entry[side]) for side in sides)
        labels = [str(item["label"]) for item in entry["objects"]]
        corners = np.array(
            [[float(v) for v in item[name]] for item in entry["objects"]], np.float64
        ).reshape(len(labels), 2 * dimensions)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CaseError("box.entry", repr(error), sides=sides, corners=name) from None
    if not all(math.isfinite(side) and side > 0 for side in size):
        raise CaseError("box.image_size", f"{size}")
    strangers = [label for label in labels if label not in task.classes]
    if strangers:
        raise CaseError(
            "box.label",
            f"{strangers}",
            strangers=len(strangers),
            boxes=len(labels),
            allowed=task.classes,
        )
    _check_inside(corners, size)
    corners = np.clip(corners, 0.0, np.array(size * 2))
    classes = np.array([task.classes.index(label) for label in labels], np.int64)
    return DrawnBoxes(corners.astype(np.float32), classes, size)


def _check_inside(corners: npt.NDArray[np.float64], size: tuple[float, ...]) -> None:
    low = corners[:, : len(size)]
    high = corners[:, len(size) :]
    good = (
        np.isfinite(corners).all(1)
        & (low >= -_ROUNDING).all(1)
        & (high <= np.array(size) + _ROUNDING).all(1)
    )
    # Within the image a box must keep an area.
    good &= (np.minimum(high, size) > np.maximum(low, 0.0)).all(1)
    if not good.all():
        local = f"{corners[~good].tolist()}"
        outside = int((~good).sum())
        raise CaseError("box.outside", local, outside=outside, boxes=len(corners))
