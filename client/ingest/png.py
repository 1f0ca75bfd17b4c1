"""PNG, JPEG, TIFF and BMP files, through Pillow.

The array is ``[C, H, W]`` as the picture is meant to be seen: the EXIF orientation is applied, a palette is looked up, alpha is dropped.
Grey stays at its stored depth (8, 16 or 32 bit); of 16-bit colour Pillow keeps the upper eight bits. These formats state no physical
spacing that could be trusted (a PNG's resolution is that of a printer), so it is 1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from client.ingest import Reader, Scan
from common.errors import CaseError

Array = npt.NDArray[np.generic]
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")  # no other decoder of Pillow ever sees a hospital's file
_LARGEST = 89_478_485
"""Most pixels of one picture: Pillow's own mark for a decompression bomb, 1/4 GiB in 24-bit colour."""
_TOO_LARGE = f"The image has more than {_LARGEST} pixels; give a smaller one."


def read(path: Path) -> Scan:
    """The picture as ``[C, H, W]`` with one or three channels.

    Raises:
        CaseError: damaged, of another format, larger than the limit, or several pictures in one file.
    """
    return Scan(_opened(path, _pixels), (1.0, 1.0))


def read_indices(path: Path) -> Scan:
    """A palette picture's stored numbers as ``[1, H, W]``: how annotation tools write one number a class with a colour to each.

    Raises:
        CaseError: as :func:`read`; or the picture has colours but no palette.
    """
    return Scan(_opened(path, _indices), (1.0, 1.0))


def _opened(path: Path, convert: Callable[[Image.Image], Array]) -> Array:
    try:
        # An open file, not a path: given a path, Pillow 13 maps an uncompressed TIFF into memory with H and W exchanged if it is turned.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            _check(image)
            return convert(ImageOps.exif_transpose(image))
    except CaseError as error:
        raise CaseError(error.public, f"{path}: {error.public}") from None
    except Image.DecompressionBombError:
        raise CaseError(_TOO_LARGE, f"{path}: {_TOO_LARGE}") from None
    except Exception as error:  # decoders raise nearly anything on a damaged file
        raise CaseError("The image file cannot be decoded; give an undamaged PNG, JPEG, TIFF or BMP file.", f"{path}: {error!r}") from None


def _check(image: Image.Image) -> None:
    if image.width * image.height > _LARGEST:
        raise CaseError(_TOO_LARGE)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a JPEG with previews behind the picture
        raise CaseError("The image file holds several pictures; give one picture a file.")


def _pixels(image: Image.Image) -> Array:
    if image.mode in ("P", "PA"):
        colours = np.asarray(image.convert("RGB"))
        grey = bool((colours == colours[..., :1]).all())
        return _channels_first(colours[..., :1] if grey else colours)
    if image.mode in ("LA", "La"):
        return _channels_first(np.asarray(image.convert("L")))
    if image.mode == "1":
        return _channels_first(np.asarray(image).astype(np.uint8))
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;"):
        array = np.asarray(image)
        return _channels_first(array.astype(array.dtype.newbyteorder("=")))
    return _channels_first(np.asarray(image.convert("RGB")))


def _indices(image: Image.Image) -> Array:
    if image.mode != "P":
        raise CaseError("The mask holds colours; give one grey value or one palette number a class.")
    return _channels_first(np.asarray(image))


def _channels_first(array: Array) -> Array:
    """``[H, W]`` or ``[H, W, C]`` to ``[C, H, W]``."""
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


READER = Reader(suffixes=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), read=read)
