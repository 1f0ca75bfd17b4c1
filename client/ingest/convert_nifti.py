"""NIfTI files without free texts, and volumes that are written as NIfTI.

The stored numbers and the geometry of a NIfTI file stay byte for byte; the texts of its header
(NIfTI-1 and NIfTI-2 standards: descrip, aux_file, intent_name, db_name, data_type), its extensions,
whatever follows the pixels, and the name that gzip keeps (RFC 1952 section 2.3.1) do not.
"""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
import numpy.typing as npt

from client.readers import nifti as reader
from common.errors import CaseError

_CHUNK = 1 << 20
_TEXTS = {
    348: ((4, 10), (14, 18), (148, 80), (228, 24), (328, 16)),
    540: ((240, 80), (320, 24), (508, 16), (525, 15)),
}
"""Start and length of the header's texts, by size of the header."""
_MAGIC = {348: 344, 540: 4}
"""Where the header says that the voxels follow in the same file."""


def bare(path: Path) -> tuple[bytes, str]:
    """The file's content without texts, and its ending.

    Raises:
        CaseError: damaged, or not a single-file NIfTI.
    """
    packed = path.name.lower().endswith(".gz")
    try:
        with reader.opened(path) as (image, file):
            size = image.header.sizeof_hdr
            count = int(np.prod(image.shape, dtype=np.int64))
            length = count * image.header.get_data_dtype().itemsize
            file.seek(0)
            head = file.read(size)
            if head[_MAGIC[size] :][:3] not in (b"n+1", b"n+2"):
                raise CaseError("nifti.apart")
            pixels = _pixels(file, image.dataobj.offset, length)
            parts = chain((_header(head, image.header.endianness, size),), pixels)
            return (_packed(parts), ".nii.gz") if packed else (b"".join(parts), ".nii")
    except CaseError as error:
        raise error.at(path) from None
    # nibabel and zlib raise nearly anything on a damaged file
    except Exception as error:
        raise CaseError("nifti.apart", f"{path}: {error!r}") from None


def volume(
    array: npt.NDArray[np.float32], affine: npt.NDArray[np.float64], packed: bool = True
) -> bytes:
    """A ``.nii.gz`` (or ``.nii``) of ``[H, W, D]`` values with their affine to RAS+ millimetres.

    Whole numbers are int16 or int32, others float32.
    """
    values = _smallest(array)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header.set_sform(affine, 1)
    image.header.set_qform(affine, 1)
    content: bytes = image.to_bytes()
    return pack(content) if packed else content


def pack(content: bytes) -> bytes:
    """Gzip without name and time, so that the same content gives the same bytes."""
    return _packed((content,))


def _packed(parts: Iterable[bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=out, mtime=0) as file:
        for part in parts:
            file.write(part)
    return out.getvalue()


def _pixels(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """``length`` bytes from ``start`` on, piece by piece."""
    file.seek(start)
    while length:
        piece = file.read(min(_CHUNK, length))
        if not piece:
            raise CaseError("nifti.apart")
        length -= len(piece)
        yield piece


def _smallest(array: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
    low = float(array.min())
    high = float(array.max())
    for kind in (np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max and bool((np.rint(array) == array).all()):
            return array.astype(kind)
    return array.astype(np.float32)


def _header(head: bytes, order: str, size: int) -> bytes:
    new = bytearray(head)
    for start, length in _TEXTS[size]:
        new[start : start + length] = bytes(length)
    struct.pack_into(
        f"{order}f" if size == 348 else f"{order}q", new, 108 if size == 348 else 168, size + 4
    )
    return bytes(new) + bytes(4)
