"""Boxes: ``boxes.json``, ``{file: {width, height[, depth], objects: [{label, box_xyxy}]}}``; in 3-D ``box_xyzxyz``.

Public sentences name rules and how many boxes break them, never a coordinate or a label found.
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

_LARGEST, _MOST_VALUES = 1 << 26, 4_000_000
"""Most bytes and values of boxes.json; a value of two bytes takes some eighty in memory."""
_ROUNDING = 0.5  # pixels by which a box may pass the edge before it is called outside


@dataclass(frozen=True, eq=False)
class Boxes:
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
        factors = np.array(
            [have / drawn for have, drawn in zip(width_first, self.size, strict=True)] * 2,
            np.float64,
        )
        return np.asarray(self.corners * factors, np.float32)


def read_boxes(folder: Path, names: LabelNames | None = None) -> dict[str, Any]:
    """Entries of boxes.json by file name, unchecked; ``names`` in place of the folder's own labels.toml.

    Raises:
        SiteError: there is no boxes.json, or it is no JSON object.
    """
    path = folder / "boxes.json"
    try:
        raw = _limits.table_bytes(path, _LARGEST)
        if sum(map(raw.count, (b",", b"[", b"{"))) > _MOST_VALUES:
            raise SiteError(
                f"boxes.json has more than {_MOST_VALUES} values; give width, height and objects for each image and nothing else."
            )
        entries = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except FileNotFoundError:
        raise SiteError(
            "The folder has no boxes.json; give one with width, height and objects for each image."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SiteError(
            "boxes.json cannot be read; give valid JSON.", f"{path}: {error!r}"
        ) from None
    if not isinstance(entries, dict):
        raise SiteError("boxes.json is no object; give {file: {width, height, objects}}.")
    names = label_names.read(folder) if names is None else names
    named = [(_registry.key(name), names.entry(entry)) for name, entry in entries.items()]
    return _once(named)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names differ; RFC 8259, section 4 leaves it open what two of one name mean.

    Raises:
        SiteError: two are one.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        again = len(pairs) - len(found)
        raise SiteError(
            f"boxes.json states {again} names twice in one object; keep one entry for each image and one value for each name."
        )
    return found


def parse_boxes(entry: Any, task: Task, dimensions: int) -> Boxes:
    """Check one entry of boxes.json: ``{width, height[, depth], objects: [{label, box_xyxy}]}``; in 3-D ``box_xyzxyz``.

    Raises:
        CaseError: a malformed entry, a label that the task does not name, a box outside the image or without area.
    """
    name = "box_xyxy" if dimensions == 2 else "box_xyzxyz"
    try:
        size = tuple(float(entry[side]) for side in ("width", "height", "depth")[:dimensions])
        labels = [str(item["label"]) for item in entry["objects"]]
        corners = np.array(
            [[float(v) for v in item[name]] for item in entry["objects"]], np.float64
        ).reshape(len(labels), 2 * dimensions)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        wanted = ", ".join(("width", "height", "depth")[:dimensions])
        rule = f"give {wanted} and objects, each with label and {name}"
        raise CaseError(f"The entry in boxes.json is malformed; {rule}.", repr(error)) from None
    if not all(math.isfinite(side) and side > 0 for side in size):
        raise CaseError(
            "The image size in boxes.json is not positive; give the size on which the boxes were drawn.",
            f"{size}",
        )
    strangers = [label for label in labels if label not in task.classes]
    if strangers:
        names = ", ".join(task.classes)
        raise CaseError(
            f"{len(strangers)} of {len(labels)} boxes have a label that the study does not name: {names}.",
            f"{strangers}",
        )
    _check_inside(corners, size)
    corners = np.clip(corners, 0.0, np.array(size * 2))
    return Boxes(
        corners.astype(np.float32),
        np.array([task.classes.index(t) for t in labels], np.int64),
        size,
    )


def _check_inside(corners: npt.NDArray[np.float64], size: tuple[float, ...]) -> None:
    low, high = corners[:, : len(size)], corners[:, len(size) :]
    good = (
        np.isfinite(corners).all(1)
        & (low >= -_ROUNDING).all(1)
        & (high <= np.array(size) + _ROUNDING).all(1)
    )
    good &= (np.minimum(high, size) > np.maximum(low, 0.0)).all(1)
    if not good.all():
        bad = int((~good).sum())
        rule = "a box needs 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height" + (
            " and 0 <= z0 < z1 <= depth" if len(size) > 2 else ""
        )
        raise CaseError(
            f"{bad} of {len(corners)} boxes lie outside the image or have no area; {rule}.",
            f"{corners[~good].tolist()}",
        )
