"""NIfTI-1 and NIfTI-2 files (``.nii``, ``.nii.gz``), through nibabel.

Axes: the stored axes i, j, k become ``[1, H, W, D] = [1, i, j, k]`` after the volume was turned to the closest RAS+ orientation (i to the
patient's right, j to the front, k to the head), so an axis means the same at every hospital. A fourth stored axis becomes the channels. A
file with one slice gives ``[C, H, W]``. Masks go through the same reader, so both turn alike; :func:`aligned` checks that they lie in one
place.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel import orientations as _untyped

from client.ingest import Reader, Scan
from common.errors import CaseError

Array = npt.NDArray[np.generic]
_turns: Any = _untyped
_LARGEST = 1 << 29
"""Most voxels of one file; a header may claim any size."""
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}


def read(path: Path) -> Scan:
    """The volume with its intensity scale applied (scl_slope, scl_inter: NIfTI-1 standard, section on data scaling).

    Raises:
        CaseError: damaged, no NIfTI, too large, complex values, more than one axis beyond space, or no usable orientation.
    """
    try:
        image = _open(path)
        turn = _orientation(image)
        array = _four_axes(image)
        array = np.moveaxis(_turns.apply_orientation(array, turn), 3, 0)
        spacing = _spacing(image, turn)
        if _flat(image):
            slices = int(turn[2, 0])
            return Scan(array.squeeze(slices + 1), spacing[:slices] + spacing[slices + 1 :])
        return Scan(array, spacing)
    except CaseError as error:
        raise CaseError(error.public, f"{path}: {error.public}") from None
    except Exception as error:  # nibabel and zlib raise nearly anything on a damaged file
        raise CaseError("The NIfTI file cannot be decoded; give an undamaged .nii or .nii.gz file.", f"{path}: {error!r}") from None


def aligned(first: Path, second: Path) -> bool:
    """Whether two files place their corners within half a voxel of each other in the patient's coordinates."""
    try:
        one, two = _open(first), _open(second)
        apart = np.linalg.norm(_corners(one) - _corners(two), axis=1).max()
    except CaseError:
        return False
    voxels = np.linalg.norm(one.affine[:3, :3], axis=0)
    return bool(apart <= voxels[voxels > 0].min() / 2)


def _open(path: Path) -> Any:
    image: Any = nib.load(path, mmap=False)
    if not isinstance(image, nib.Nifti1Image):
        raise CaseError("The file is no NIfTI image; give a .nii or .nii.gz file.")
    shape = image.shape
    if len(shape) < 2 or min(shape) < 1 or np.prod([float(n) for n in shape]) > _LARGEST:
        raise CaseError(f"The NIfTI header states a shape that cannot be used; give 2 or 3 axes of space and at most {_LARGEST} voxels.")
    if image.header.get_data_dtype().kind == "c":
        raise CaseError("The NIfTI file holds complex numbers; give magnitudes.")
    return image


def _flat(image: Any) -> bool:
    return len(image.shape) == 2 or image.shape[2] == 1


def _four_axes(image: Any) -> Array:
    """The scaled values as ``[i, j, k, c]``."""
    array: Any = np.asanyarray(image.dataobj)
    if array.dtype.names:
        array = np.stack([array[n] for n in array.dtype.names[:3]], axis=-1)
        array = array if array.ndim > 3 else array[:, :, None]
    further = [n for n in array.shape[3:] if n > 1]
    if len(further) > 1:
        raise CaseError("The NIfTI file has more than one axis beyond space; give one volume a file.")
    space = array.shape[:3] if array.ndim > 2 else (*array.shape, 1)
    shaped: Array = array.reshape(*space, *(further or [1]))
    return shaped


def _orientation(image: Any) -> npt.NDArray[np.float64]:
    """Where each stored axis goes and whether it is reversed, ``[3, 2]`` in nibabel's form."""
    turn: npt.NDArray[np.float64] = _turns.io_orientation(image.affine)
    if _flat(image) and np.isnan(turn[2, 0]) and not np.isnan(turn[:2]).any():
        turn[2] = (3 - turn[:2, 0].sum(), 1)
    if np.isnan(turn).any():
        raise CaseError("The NIfTI header states no usable orientation; store a qform or an sform.")
    return turn


def _spacing(image: Any, turn: npt.NDArray[Any]) -> tuple[float, ...]:
    factor = _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    stored = [abs(float(z)) * factor for z in image.header.get_zooms()[:3]] + [1.0]
    turned = [1.0, 1.0, 1.0]
    for axis in range(3):
        turned[int(turn[axis, 0])] = stored[axis] if np.isfinite(stored[axis]) and stored[axis] > 0 else 1.0
    return tuple(turned)


def _corners(image: Any) -> npt.NDArray[np.float64]:
    """Places of the eight corner voxels after the turn to RAS+, ``[8, 3]`` in the header's units."""
    turn = _orientation(image)
    stored = (*image.shape, 1)[:3]
    shape = [0, 0, 0]
    for axis in range(3):
        shape[int(turn[axis, 0])] = stored[axis]
    affine = image.affine @ _turns.inv_ornt_aff(turn, stored)
    ends = np.array(list(itertools.product(*((0, n - 1) for n in shape))))
    places: npt.NDArray[np.float64] = ends @ affine[:3, :3].T + affine[:3, 3]
    return places


READER = Reader(suffixes=(".nii", ".nii.gz"), read=read)
