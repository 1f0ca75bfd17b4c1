"""Masks: ``masks/``, one file for each image with its name, in any format that a reader takes.

Public sentences name rules and allowed values, never a value of the file.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from client.dataset import label_names
from client.readers import _registry, nifti, raster
from common.errors import CaseError, SiteError
from common.tasks import Task

Affine = npt.NDArray[np.float64]
_FRACTION = 1e-3
"""By how much a file's scale factor may make a value miss a whole number."""


def find_masks(folder: Path) -> dict[str, Path]:
    """Mask files of ``masks/`` by stem; of two for one stem the first by name is kept.

    Raises:
        SiteError: there is no ``masks/``, or it cannot be listed.
    """
    root = folder / "masks"
    files = _registry.files(root)
    if not files and not root.is_dir():
        raise SiteError("data.no_masks")
    by_stem: dict[str, Path] = {}
    for path in (p for p in files if not p.name.startswith(".") and _registry.ending(p.name)):
        by_stem.setdefault(_registry.stem(path.relative_to(root).as_posix()), path)
    return by_stem


def read_mask(
    path: Path, image: Path, shape: tuple[int, ...], task: Task, affine: Affine | None = None
) -> npt.NDArray[np.uint8]:
    """Class numbers ``[1, H, W[, D]]`` of the mask of an image of ``shape`` H, W[, D].

    Args:
        path: the mask's file.
        image: the image's file.
        shape: of the image.
        task: says which values stand for which class.
        affine: of the image, if it is a DICOM volume; a mask that states a place must lie there.

    Raises:
        CaseError: the mask cannot be decoded, has another size or place than the image, or holds a
            value that the task does not name; with one class whose value the task does not name,
            several values beside 0.
    """
    array, place = _one_channel(path)
    if array.shape[1:] != shape:
        raise CaseError("mask.size", f"{path}: {array.shape[1:]}, image {shape}")
    both_nifti = _registry.reader_of(path) is _registry.reader_of(image) is nifti.READER
    if both_nifti and not nifti.aligned(image, path):
        raise CaseError("mask.elsewhere", f"{path}")
    if affine is not None and place is not None and not _together(affine, place, shape):
        raise CaseError("mask.elsewhere", f"{path}")
    return _class_numbers(array, task, path)


def _together(one: Affine, two: Affine, shape: tuple[int, ...]) -> bool:
    """Whether two affines place the corners of a volume within half a voxel of each other."""
    ends = np.array(list(itertools.product(*((0, n - 1) for n in shape))))
    apart = np.linalg.norm(ends @ (one - two)[:3, :3].T + (one - two)[:3, 3], axis=1).max()
    return bool(apart <= np.linalg.norm(one[:3, :3], axis=0).min() / 2)


def _one_channel(path: Path) -> tuple[npt.NDArray[np.generic], Affine | None]:
    scan = _registry.read(path)
    array = scan.array
    # Grey written as colour: all channels say the same.
    if len(array) > 1 and bool((array == array[:1]).all()):
        array = array[:1]
    elif len(array) > 1 and _registry.reader_of(path) is raster.READER:
        array = raster.read_indices(path).array
    elif len(array) > 1:
        raise CaseError("mask.channels", f"{path}")
    return array, scan.affine


def _class_numbers(array: npt.NDArray[np.generic], task: Task, path: Path) -> npt.NDArray[np.uint8]:
    whole = array.dtype.kind in "bui"
    values: npt.NDArray[Any] = array
    # In its own depth: a mask in 64 bit may fill the memory by itself.
    stored = values if whole else np.rint(values)
    # Infinite less infinite is no number, and so no whole one.
    with np.errstate(invalid="ignore"):
        exact = whole or bool((np.abs(stored - values) <= _FRACTION).all())
    if not exact:
        raise CaseError("mask.fractions", f"{path}")
    names = label_names.beside(path)
    if names.masks:
        return names.classes(stored, task.classes)
    if task.mask_values is None and len(task.classes) == 1:
        return _one_class(stored, path)
    allowed = task.mask_values or tuple(range(1, len(task.classes) + 1))
    result = np.zeros(array.shape, np.uint8)
    for number, value in enumerate(allowed, start=1):
        result[stored == value] = number
    strange = int(((result == 0) & (stored != 0)).sum())
    if strange:
        listed = ", ".join(map(str, allowed))
        raise CaseError("mask.values", f"{path}: {strange} pixels; allowed: 0, {listed}")
    return result


def _one_class(stored: npt.NDArray[np.generic], path: Path) -> npt.NDArray[np.uint8]:
    """1 where the stored value is not 0; it may differ from mask to mask, not within one."""
    inside = stored != 0
    values = stored[inside]
    if values.size and bool((values != values[0]).any()):
        raise CaseError("mask.several", f"{path}: {len(np.unique(values))} values beside 0")
    return np.asarray(inside, np.uint8)
