"""Masks: ``masks/``, one file for each image with the image's name, in any format that a reader takes.

Public sentences name rules and allowed values, never a value found.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from client.ingest import _formats, nifti, png
from common.errors import CaseError, SiteError
from common.tasks import Task

_FRACTION = 1e-3  # by which a file's scale factor may make a value miss a whole number


def find_masks(folder: Path) -> dict[str, Path]:
    """Mask files of ``masks/`` by stem; of two for one stem the first by name is kept.

    Raises:
        SiteError: there is no ``masks/``, or it cannot be listed.
    """
    room = folder / "masks"
    files = _formats.files(room)
    if not files and not room.is_dir():
        raise SiteError("The folder has no masks/; give one mask for each image, with the image's name.")
    found: dict[str, Path] = {}
    for path in (p for p in files if not p.name.startswith(".") and _formats.ending(p.name)):
        found.setdefault(_formats.stem(path.relative_to(room).as_posix()), path)
    return found


def read_mask(path: Path, image: Path, shape: tuple[int, ...], task: Task) -> npt.NDArray[np.uint8]:
    """Class numbers ``[1, H, W[, D]]`` of the mask of an image of ``shape`` H, W[, D].

    Raises:
        CaseError: the mask cannot be decoded, has another size or place than the image, or holds a value that the task does not name; with one
            class whose value the task does not name, several values beside 0.
    """
    array = _one_channel(path)
    if array.shape[1:] != shape:
        sizes = f"{path}: {array.shape[1:]}, image {shape}"
        raise CaseError("The mask has another size than its image; give masks of the image's size.", sizes)
    if _formats.reader_of(path) is _formats.reader_of(image) is nifti.READER and not nifti.aligned(image, path):
        raise CaseError("The mask lies elsewhere than its image (their affines differ); save the mask with the image's affine.", f"{path}")
    return _class_numbers(array, task, path)


def _one_channel(path: Path) -> npt.NDArray[np.generic]:
    array = _formats.read(path).array
    if len(array) > 1 and bool((array == array[:1]).all()):
        return array[:1]
    if len(array) > 1 and _formats.reader_of(path) is png.READER:
        return png.read_indices(path).array
    if len(array) > 1:
        raise CaseError("The mask has several channels; give one class number a pixel.", f"{path}")
    return array


def _class_numbers(array: npt.NDArray[np.generic], task: Task, path: Path) -> npt.NDArray[np.uint8]:
    whole = array.dtype.kind in "bui"
    stored = array if whole else np.rint(array.astype(np.float64))
    if not whole and not np.allclose(stored, array.astype(np.float64), rtol=0, atol=_FRACTION):
        raise CaseError("The mask holds values that are no whole numbers; give one class number a pixel.", f"{path}")
    if task.mask_values is None and len(task.classes) == 1:
        return _one_class(stored, path)
    values = task.mask_values or tuple(range(1, len(task.classes) + 1))
    result = np.zeros(array.shape, np.uint8)
    for number, value in enumerate(values, start=1):
        result[stored == value] = number
    strange = int(((result == 0) & (stored != 0)).sum())
    if strange:
        allowed = ", ".join(map(str, values))
        raise CaseError(f"The mask holds values that the study does not name; allowed: 0, {allowed}.", f"{path}: {strange} pixels")
    return result


def _one_class(stored: npt.NDArray[np.generic], path: Path) -> npt.NDArray[np.uint8]:
    """1 where the stored value is not 0; which value stands for the class may differ from mask to mask, not within one."""
    inside = stored != 0
    values = stored[inside]
    if values.size and bool((values != values[0]).any()):
        rule = "allowed: 0 and one other value, as the study names one class; or list every value in task.classes and task.mask_values"
        raise CaseError(f"The mask holds several values beside 0; {rule}.", f"{path}: {len(np.unique(values))} values beside 0")
    return np.asarray(inside, np.uint8)
