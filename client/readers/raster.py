"""PNG, JPEG, TIFF and BMP files, through Pillow.

The array is ``[C, H, W]`` as the picture is meant to be seen: the EXIF orientation is applied, a
palette is looked up, alpha is dropped. Grey stays at its stored depth (8, 16 or 32 bit); of 16-bit
colour Pillow keeps the upper eight bits. These formats state no physical spacing that could be
trusted (a PNG's resolution is that of a printer), so it is 1.0.

Pillow reads through :class:`_Counted`, which ends files made of a million tiny parts; what a
picture takes in memory is held against its file's size before a pixel is decoded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from client.readers import Reader, Scan
from common.errors import CaseError

# A damaged file would fill the log with warnings; what matters is raised.
warnings.filterwarnings("ignore", module=r"PIL\b")

Array = npt.NDArray[np.generic]
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""No other decoder of Pillow ever sees a hospital's file."""
_LARGEST = 89_478_485
"""Most pixels of a picture: Pillow's mark for a decompression bomb, 1/4 GiB in 24-bit colour."""
_FREE = 1 << 27
"""Bytes that a picture may take in memory in any case: masks pack a thousandfold."""
_RATIO = 200
"""How many times its file's size a picture may take in memory beyond that."""
_READS = 10_000
"""Calls by which any file may be read."""
_BYTES_A_READ = 512
"""Bytes of a file for each of which one further call is allowed."""
_BEFORE_PIXELS = 1 << 26
"""Most bytes read before the first pixel: text, profiles, EXIF."""
_SCANS = 100
"""Most scans of a JPEG (ITU-T T.81, B.2.3); encoders write about ten.

However short a scan is, decoding it passes over the whole picture.
"""
_CHUNK = 1 << 20
"""Bytes read at a time in search of scans."""
_STRIP = 1 << 20
"""Pixels taken out of Pillow's picture at a time."""
_ORIENTATION = 0x0112
_TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""Turns ``[H, W, ...]`` upright by the orientation of Exif (TIFF 6.0, section 8); gives views."""


def read(path: Path) -> Scan:
    """The picture as ``[C, H, W]`` with one or three channels.

    Raises:
        CaseError: damaged, of another format, larger than the limit, or several pictures in one
            file.
    """
    return Scan(_array(path, _pixels), (1.0, 1.0))


def read_indices(path: Path) -> Scan:
    """A palette picture's stored numbers as ``[1, H, W]``.

    Annotation tools write masks so: one number a class, with a colour to each.

    Raises:
        CaseError: as :func:`read`; or the picture has colours but no palette.
    """
    return Scan(_array(path, _indices), (1.0, 1.0))


def _array(path: Path, convert: Callable[[Image.Image], Array]) -> Array:
    with opened(path) as (image, _):
        array = convert(image)
        # Asked only now: of a TIFF, Pillow itself turns the pixels as it reads them.
        upright = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
        return _channels_first(array if upright is None else upright(array))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Image.Image, _Counted]]:
    """The picture, within the limits but undecoded, and the file that its pixels are read from.

    Raises:
        CaseError: as :func:`read`, also for whatever a decoder raises within the context.
    """
    try:
        # An open file, not a path: given a path, Pillow 13 maps an uncompressed TIFF into memory
        # with H and W exchanged if it is turned.
        with _Counted(path) as file, Image.open(file, formats=_FORMATS) as image:
            _check(image, file)
            yield image, file
    except CaseError as error:
        raise error.at(path) from None
    except Image.DecompressionBombError:
        raise CaseError("picture.too_large", f"{path}: more than {_LARGEST} pixels") from None
    # Decoders raise nearly anything on a damaged file.
    except Exception as error:
        raise CaseError("picture.damaged", f"{path}: {error!r}") from None


class _Counted(io.FileIO):
    """A file that counts how it is read.

    Attributes:
        size: bytes.
        left: bytes that may still be read before the pixels; infinite from then on.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        self.left: float = _BEFORE_PIXELS
        self._calls = _READS + self.size // _BYTES_A_READ

    def read(self, size: int | None = -1, /) -> bytes:
        """As of a file; all of it where no size is given.

        Raises:
            CaseError: more calls or bytes than are allowed.
        """
        content: Any = super().read(
            -1 if size is None else size if size < 0 else min(size, self.size)
        )
        self._calls -= 1
        self.left -= len(content)
        if self._calls < 0 or self.left < 0:
            raise CaseError("picture.parts")
        return bytes(content)


def _check(image: Image.Image, file: _Counted) -> None:
    pixels = image.width * image.height
    if pixels > _LARGEST:
        raise CaseError("picture.too_large")
    # MPO is a JPEG of a camera with previews behind the picture.
    if image.format != "MPO" and _several(image):
        raise CaseError("picture.several")
    width = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}.get(image.mode, 4)
    if pixels * width > max(_FREE, _RATIO * file.size):
        raise CaseError("picture.growth", f"{pixels * width} bytes from {file.size}", ratio=_RATIO)
    if not _covered(image, file.size):
        raise CaseError("picture.short")
    file.left = float("inf")
    if image.format in ("JPEG", "MPO") and _scans(file) > _SCANS:
        raise CaseError("picture.scans", scans=_SCANS)


def _covered(image: Image.Image, size: int) -> bool:
    """Whether the file's pieces reach over the whole picture; unpacked ones need a bit a pixel.

    Pillow leaves black what is missing, which would pass for a background.
    """
    pieces: list[Any] = getattr(image, "tile", [])
    extents = [piece.extents for piece in pieces if piece.extents] or [(0, 0, 0, 0)]
    right = max(extent[2] for extent in extents)
    bottom = max(extent[3] for extent in extents)
    # The pieces of a TIFF lie as before its turn.
    sides = ((image.width, image.height), (image.height, image.width))
    reached = any(right >= width and bottom >= height for width, height in sides)
    raw = any(piece.codec_name == "raw" for piece in pieces)
    return reached and not (raw and image.width * image.height > 8 * size)


def _several(image: Image.Image) -> bool:
    """Whether a second picture follows; those behind it are not looked for."""
    if image.format != "TIFF":
        return bool(getattr(image, "n_frames", 1) > 1)
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
        return False
    return True


def _scans(file: _Counted) -> int:
    """How often a JPEG says "start of scan"; coded pixels never hold its bytes (T.81, B.1.1.5)."""
    position = file.tell()
    scans = 0
    last = b""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        # The marker of two bytes may lie across two chunks.
        scans += (last + chunk).count(b"\xff\xda")
        last = chunk[-1:]
    file.seek(position)
    return scans


def _pixels(image: Image.Image) -> Array:
    if image.mode in ("P", "PA"):
        colours = _stored(image, "RGB")
        grey = all(np.array_equal(colours[..., 0], colours[..., other]) for other in (1, 2))
        return colours[..., :1] if grey else colours
    if image.mode in ("LA", "La"):
        return _stored(image, "L")
    if image.mode == "1":
        return _stored(image).view(np.uint8)
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;"):
        array = _stored(image)
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    return _stored(image, "RGB")


def _indices(image: Image.Image) -> Array:
    if image.mode != "P":
        raise CaseError("mask.colours")
    return _stored(image)


def _stored(image: Image.Image, mode: str | None = None) -> Array:
    """``[H, W]`` or ``[H, W, C]``, taken out in strips to spare a copy of the whole."""
    image.load()
    step = max(1, _STRIP // image.width)
    whole: Array | None = None
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        part = np.asarray(strip if mode in (None, strip.mode) else strip.convert(mode))
        whole = np.empty((image.height, *part.shape[1:]), part.dtype) if whole is None else whole
        whole[top : top + step] = part
    if whole is None:
        raise CaseError("picture.no_pixel")
    return whole


def _channels_first(array: Array) -> Array:
    """``[H, W]`` or ``[H, W, C]`` to ``[C, H, W]``."""
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


READER = Reader(suffixes=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), read=read)
