"""NIfTI-1 and NIfTI-2 files (``.nii``, ``.nii.gz``), through nibabel.

Axes: the stored axes i, j, k become ``[1, H, W, D] = [1, i, j, k]`` after the volume was turned to
the closest RAS+ orientation (i to the patient's right, j to the front, k to the head), so an axis
means the same at every hospital. A fourth stored axis becomes the channels. A file with one slice
gives ``[C, H, W]``. Masks go through the same reader, so both turn alike; :func:`aligned` checks
that they lie in one place.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel import orientations as _untyped

from client.readers import Reader, Scan
from client.readers._limits import Unpacked, check_packed
from common.errors import CaseError

# A damaged file would fill the log; what matters is raised.
logging.getLogger("nibabel").setLevel(logging.CRITICAL)

Array = npt.NDArray[np.generic]
_turns: Any = _untyped
_LARGEST = 1 << 29
"""Most voxels of one file; a header may claim any size."""
_FURTHEST = 1 << 26
"""Most bytes before the voxels, for the header and its extensions."""
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}


def read(path: Path) -> Scan:
    """The volume with its intensity scale applied (NIfTI-1 standard, section on data scaling).

    Raises:
        CaseError: damaged, no NIfTI, too large, complex values, more than one axis beyond space, or
            no usable orientation.
    """
    try:
        with opened(path) as (image, file):
            turn = _orientation(image)
            array = _four_axes(image)
            if isinstance(file, Unpacked):
                file.finish()
        array = np.moveaxis(_turns.apply_orientation(array, turn), 3, 0)
        spacing = _spacing(image, turn)
        if _flat(image):
            slices = int(turn[2, 0])
            return Scan(array.squeeze(slices + 1), spacing[:slices] + spacing[slices + 1 :])
        return Scan(array, spacing, _affine(image, turn))
    except CaseError as error:
        raise error.at(path) from None
    # nibabel and zlib raise nearly anything on a damaged file.
    except Exception as error:
        raise CaseError("nifti.damaged", f"{path}: {error!r}") from None


def aligned(first: Path, second: Path) -> bool:
    """Whether two files place their corners within half a voxel of each other in the patient."""
    try:
        with opened(first) as (one, _), opened(second) as (two, _):
            apart = np.linalg.norm(_corners(one) - _corners(two), axis=1).max()
            voxels = np.linalg.norm(one.affine[:3, :3], axis=0)
        return bool(apart <= voxels[voxels > 0].min() / 2)
    # nibabel raises nearly anything on a damaged file; one that states no place lies in none.
    except Exception:
        return False


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, BinaryIO]]:
    """The image with its voxels still unread, and the unpacked file that they are read from.

    Raises:
        CaseError: beyond a limit.
        Exception: nearly any, on a damaged file.
    """
    packed = path.name.lower().endswith(".gz")
    with Unpacked(path) if packed else path.open("rb") as source:
        file = cast(BinaryIO, source)
        kind = _kind(file)
        # Extensions stay unread: they may state any size.
        header = kind.header_class(file.read(kind.header_class.sizeof_hdr))
        _check(header, os.stat(path).st_size, packed)
        affine = header.get_best_affine()
        if not np.isfinite(affine).all():
            raise CaseError("nifti.place")
        image = kind(nib.arrayproxy.ArrayProxy(file, header, mmap=False), affine, header)
        yield image, file


def _kind(file: BinaryIO) -> Any:
    """NIfTI-1 or NIfTI-2 by the header's size and magic (NIfTI-2 standard, on detection)."""
    start = file.read(nib.Nifti2Image.header_class.sizeof_hdr)
    file.seek(0)
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        header = kind.header_class
        if len(start) >= header.sizeof_hdr and header.may_contain_header(start):
            return kind
    raise CaseError("nifti.kind")


def _check(header: Any, size: int, packed: bool) -> None:
    """Hold what the header states against the limits and against the file's size in bytes."""
    shape = header.get_data_shape()
    # As floats: the product of stated sizes would overflow whole numbers.
    if len(shape) < 2 or min(shape) < 1 or np.prod([float(n) for n in shape]) > _LARGEST:
        raise CaseError("nifti.shape")
    if header.get_data_dtype().kind == "c":
        raise CaseError("nifti.complex")
    if not np.isfinite([float(z) for z in header.get_zooms()[:3]]).all():
        raise CaseError("nifti.voxel_size")
    begin = header.get_data_offset()
    if not header.sizeof_hdr <= begin <= _FURTHEST:
        raise CaseError(
            "nifti.begin", f"byte {begin}, allowed: from {header.sizeof_hdr} to {_FURTHEST}"
        )
    voxels = int(np.prod(shape, dtype=np.int64))
    width = int(header.get_data_dtype().itemsize)
    if packed:
        plain = header.get_slope_inter() in ((None, None), (1.0, 0.0))
        # Scaling makes a second array, in 64 bit at least.
        scaled_width = 0 if plain else max(width, 8)
        check_packed(begin + voxels * width, voxels * (width + scaled_width), size)
    elif begin + voxels * width > size:
        raise CaseError("nifti.short", f"{begin + voxels * width} bytes of {size}")


def _flat(image: Any) -> bool:
    return len(image.shape) == 2 or image.shape[2] == 1


def _four_axes(image: Any) -> Array:
    """The scaled values as ``[i, j, k, c]``."""
    array: Any = _scaled(image.dataobj)
    if array.dtype.names:
        array = np.stack([array[n] for n in array.dtype.names[:3]], axis=-1)
        array = array if array.ndim > 3 else array[:, :, None]
    further = [n for n in array.shape[3:] if n > 1]
    if len(further) > 1:
        raise CaseError("nifti.axes")
    space = array.shape[:3] if array.ndim > 2 else (*array.shape, 1)
    shaped: Array = array.reshape(*space, *(further or [1]))
    return shaped


def _scaled(stored: Any) -> Any:
    """``stored * slope + intercept`` as nibabel computes it, in 64 bit, with one copy less."""
    slope = stored.slope
    intercept = stored.inter
    if (slope, intercept) == (1, 0) or stored.dtype.names or stored.dtype.itemsize > 8:
        return np.asanyarray(stored)
    array = stored.get_unscaled().astype(np.float64)
    if slope != 1:
        array *= slope
    if intercept != 0:
        array += intercept
    return array


def _orientation(image: Any) -> npt.NDArray[np.float64]:
    """Where each stored axis goes and whether it is reversed, ``[3, 2]`` in nibabel's form."""
    turn: npt.NDArray[np.float64] = _turns.io_orientation(image.affine)
    # Files of one slice often give it no thickness; its axis is the one that is left.
    if _flat(image) and np.isnan(turn[2, 0]) and not np.isnan(turn[:2]).any():
        turn[2] = (3 - turn[:2, 0].sum(), 1)
    if np.isnan(turn).any():
        raise CaseError("nifti.orientation")
    return turn


def _spacing(image: Any, turn: npt.NDArray[Any]) -> tuple[float, ...]:
    factor = _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    stored = [abs(float(z)) * factor for z in image.header.get_zooms()[:3]] + [1.0]
    turned = [1.0, 1.0, 1.0]
    for axis in range(3):
        turned[int(turn[axis, 0])] = (
            stored[axis] if np.isfinite(stored[axis]) and stored[axis] > 0 else 1.0
        )
    return tuple(turned)


def _corners(image: Any) -> npt.NDArray[np.float64]:
    """Eight corner voxels after the turn to RAS+, ``[8, 3]`` in the header's units."""
    turn = _orientation(image)
    stored = (*image.shape, 1)[:3]
    shape = [0, 0, 0]
    for axis in range(3):
        shape[int(turn[axis, 0])] = stored[axis]
    affine = image.affine @ _turns.inv_ornt_aff(turn, stored)
    ends = np.array(list(itertools.product(*((0, n - 1) for n in shape))))
    places: npt.NDArray[np.float64] = ends @ affine[:3, :3].T + affine[:3, 3]
    return places


def _affine(image: Any, turn: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """From the turned array's axes to RAS+ millimetres, ``[4, 4]``."""
    affine: npt.NDArray[np.float64] = image.affine @ _turns.inv_ornt_aff(
        turn, (*image.shape, 1)[:3]
    )
    affine[:3] *= _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    return affine


READER = Reader(suffixes=(".nii", ".nii.gz"), read=read)
