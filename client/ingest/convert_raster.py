"""Pictures without anything but their pixels: PNG, JPEG, TIFF and BMP.

A PNG keeps its critical chunks and its compressed pixels as they are (PNG specification, third
edition, section 4.8); a JPEG keeps the segments that decode it (ITU-T T.81 table B.1), so not one
coefficient changes; everything else is written anew without loss. What makes a picture stand
upright (Exif orientation) is kept as that one number, or applied. Whether the new file shows
exactly what the old one showed is checked with the hospital's own reader by whoever calls.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from client.readers import raster
from common.errors import CaseError

_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"tRNS")
_ORIENTATION = 0x0112
_JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_ADOBE = b"Adobe"
_STEP = 1 << 20
_SEGMENTS = 100_000
_BESIDE = 1 << 24
"""Bytes that a file may be larger than its pixels unpacked: for texts, profiles, previews."""
Body = bytes | memoryview
_LOSSLESS_IN_PNG = ("1", "L", "P", "RGB", "I;16")


def bare(path: Path) -> tuple[bytes, str]:
    """The file's content without metadata, and the ending that suits it.

    Raises:
        CaseError: damaged.
    """
    with raster.opened(path) as (image, file):
        raw = _content(image, file)
        if raw.startswith(_PNG) and not any(map(_may_turn, _chunks(raw))):
            return _png(raw, image.width * image.height), ".png"
        turn = image.getexif().get(_ORIENTATION, 1)
        if raw.startswith(b"\xff\xd8\xff"):
            return _jpeg(raw, turn if turn in range(1, 9) else 1), ".jpg"
        # the decoded picture follows: both at once might not fit into memory
        del raw
        return _anew(image)


def draw(array: npt.NDArray[np.generic], ending: str) -> bytes:
    """A picture of whole numbers ``[C, H, W]`` with one or three channels.

    It has 8 bit, or 16 bit grey, as its values need.
    """
    kind = np.uint8 if array.max() < 256 or len(array) > 1 else np.uint16
    values = np.ascontiguousarray(np.clip(array, 0, np.iinfo(kind).max).astype(kind))
    image = Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1))
    out = io.BytesIO()
    image.save(
        out,
        {".png": "PNG", ".bmp": "BMP"}.get(
            ending, "JPEG" if ending in (".jpg", ".jpeg") else "TIFF"
        ),
    )
    return out.getvalue()


def _content(image: Image.Image, file: io.FileIO) -> bytes:
    """The whole file, if it is no larger than its pixels explain."""
    most = _BESIDE + 8 * image.width * image.height
    file.seek(0)
    raw: bytes = file.read(most + 1)
    file.seek(0)
    if len(raw) > most:
        raise CaseError("picture.file_size")
    return raw


def _may_turn(chunk: tuple[bytes, Body]) -> bool:
    """Whether a chunk of a PNG may state an orientation.

    Such a chunk is Exif, or a text in which programs keep Exif or XMP.
    """
    kind, body = chunk
    return kind == b"eXIf" or (
        kind in (b"tEXt", b"zTXt", b"iTXt")
        and bytes(body[:16]).startswith((b"Raw profile type", b"XML:com.adobe.xm"))
    )


def _png(raw: bytes, count: int) -> bytes:
    """``count``: of the pixels that the header states."""
    kept: list[tuple[bytes, Body]] = []
    pixels: list[Body] = []
    for kind, body in _chunks(raw):
        if kind == b"IDAT":
            pixels.append(body)
        elif kind in _KEPT:
            kept.append((kind, body))
    chunks = [*kept, (b"IDAT", _stream(b"".join(pixels), _BESIDE + 9 * count)), (b"IEND", b"")]
    return _PNG + b"".join(
        b"".join((struct.pack(">I", len(b)), k, b, struct.pack(">I", zlib.crc32(b, zlib.crc32(k)))))
        for k, b in chunks
    )


def _stream(packed: bytes, most: int) -> Body:
    """The compressed pixels without what is hidden behind them (RFC 1950 section 2.2).

    They unpack to ``most`` bytes at most.
    """
    stream = zlib.decompressobj()
    view = memoryview(packed)
    for start in range(0, len(packed), _STEP):
        rest: Body = view[start : start + _STEP]
        while len(rest) and not stream.eof:
            most -= len(stream.decompress(rest, _STEP))
            rest = stream.unconsumed_tail
            if most < 0:
                raise CaseError("picture.unpacked")
        if stream.eof:
            return view[: min(start + _STEP, len(packed)) - len(stream.unused_data)]
    raise CaseError("picture.apart")


def _chunks(raw: bytes) -> Iterator[tuple[bytes, Body]]:
    place = len(_PNG)
    view = memoryview(raw)
    while place + 12 <= len(raw):
        (length,) = struct.unpack_from(">I", raw, place)
        kind = raw[place + 4 : place + 8]
        yield kind, view[place + 8 : place + 8 + length]
        place += 12 + length
        if kind == b"IEND":
            return
    raise CaseError("picture.apart")


def _jpeg(raw: bytes, turn: int) -> bytes:
    """Start, what decodes the picture, end; what follows the end is cut off.

    Previews and hidden files lie there.
    """
    kept = [b"\xff\xd8"]
    segments = list(_segments(raw))
    if any(marker == 0xE0 and body.startswith(b"JFIF\0") for marker, body in segments):
        kept.append(_JFIF)
    if turn != 1:
        kept.append(_exif(turn))
    for marker, body in segments:
        if marker == 0xEE and body.startswith(_ADOBE) and len(body) >= 12:
            kept.append(_segment(marker, _ADOBE + body[5:7] + b"\0\0\0\0" + body[11:12]))
        elif marker == 0xDA:
            (length,) = struct.unpack_from(">H", body)
            kept.append(b"\xff\xda" + body if length else b"")
        elif not (0xE0 <= marker <= 0xEF or marker in (0xFE, 0xD9)):
            kept.append(_segment(marker, body))
    return b"".join([*kept, b"\xff\xd9"])


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _exif(turn: int) -> bytes:
    """Exif with one number in it: the orientation.

    TIFF 6.0 section 2: one entry, tag 0x0112, type SHORT.
    """
    tiff = (
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", _ORIENTATION, 3, 1, turn, 0) + b"\0\0\0\0"
    )
    return _segment(0xE1, b"Exif\0\0" + tiff)


def _segments(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """``(marker, body)`` up to the end of the picture.

    The body of a scan is its header with length and its coded data.
    """
    place = 2
    left = _SEGMENTS
    while place + 4 <= len(raw):
        left -= 1
        if left < 0:
            raise CaseError("picture.jpeg_parts")
        if raw[place] != 0xFF:
            raise CaseError("picture.apart")
        marker = raw[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0xD9:
            return
        (length,) = struct.unpack_from(">H", raw, place + 2)
        end = place + 2 + length
        if marker == 0xDA:
            end = _scan_end(raw, end)
            yield marker, raw[place + 2 : end]
        else:
            yield marker, raw[place + 4 : end]
        place = end


def _scan_end(raw: bytes, place: int) -> int:
    """Where coded data end, or the file does: at the first marker that ends a scan.

    Restarts (D0 to D7) and a stuffed zero do not end it.
    """
    while True:
        place = raw.find(b"\xff", place)
        if place < 0 or place + 1 >= len(raw):
            return len(raw)
        if raw[place + 1] == 0 or 0xD0 <= raw[place + 1] <= 0xD7:
            place += 2
        elif raw[place + 1] == 0xFF:
            place += 1
        else:
            return place


def _anew(opened: Image.Image) -> tuple[bytes, str]:
    """The pixels in a new file: PNG where it holds them exactly, else TIFF."""
    image: Image.Image = opened
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode not in (*_LOSSLESS_IN_PNG, "F", "I") and not image.mode.startswith("I;"):
        image = image.convert("L" if image.mode in ("LA", "La") else "RGB")
    # the same pixels and nothing else: copy() would take the metadata along, and a second set of
    # pixels might not fit into memory
    clean = image._new(image.im)
    clean.info = {}
    if image.mode == "P":
        clean.putpalette(image.getpalette("RGB") or [], "RGB")
    out = io.BytesIO()
    as_png = image.mode in _LOSSLESS_IN_PNG
    clean.save(out, "PNG" if as_png else "TIFF")
    return out.getvalue(), ".png" if as_png else ".tif"
