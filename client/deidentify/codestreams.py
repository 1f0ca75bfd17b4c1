"""Comments inside compressed pixels, which no attribute of the header shows.

In encapsulated JPEG, JPEG-LS (ITU-T T.81 B.1, T.87) and JPEG 2000 streams (T.800 A.4), comments,
application data and whatever follows the end of the image are overwritten with zeros. Nothing
changes its length or place, and no decoder reads them.
"""

from __future__ import annotations

import re
import struct

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG = b"\xff\xd8"
_JPEG2000 = b"\xff\x4f"
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""A marker; within coded data 0xFF is followed by zero, a restart (0xD0 to 0xD7) or, in JPEG-LS, by
less than 0x80."""
_END_OF_IMAGE = 0xD9
_SCAN = 0xDA
_REMARK = 0xFE
_KEPT = {0xE0: 16, 0xE8: 32, 0xEE: 14}
"""Application data that decoders use, and the longest that is kept: JFIF without a thumbnail, SPIFF
and colour of JPEG-LS, Adobe's colour."""
_TILE = 0x90
_DATA = 0x93
_END_OF_STREAM = 0xD9
_COMMENT = 0x64


def blanked(value: bytes) -> bytes:
    """Encapsulated Pixel Data (PS3.5 A.4) without comments; of an unknown kind, unchanged."""
    stream = bytearray(value)
    place = 0
    while value[place : place + 4] == _ITEM and place + 8 <= len(value):
        length = struct.unpack_from("<I", value, place + 4)[0]
        start = place + 8
        end = min(start + length, len(value))
        if value[start : start + 2] == _JPEG:
            _jpeg(stream, start, end)
        elif value[start : start + 2] == _JPEG2000:
            _jpeg2000(stream, start, end)
        place = end
    return bytes(stream)


def _jpeg(stream: bytearray, start: int, end: int) -> None:
    place = start + 2
    while place + 4 <= end and stream[place] == 0xFF:
        kind = stream[place + 1]
        # a fill byte
        if kind == 0xFF:
            place += 1
            continue
        if kind == _END_OF_IMAGE:
            break
        length = struct.unpack_from(">H", stream, place + 2)[0]
        if kind == _REMARK or (0xE0 <= kind <= 0xEF and length > _KEPT.get(kind, 0)):
            _blank(stream, place + 4, min(place + 2 + length, end))
        place += 2 + length
        if kind == _SCAN:
            marker = _MARKER.search(stream, place, end)
            place = marker.start() if marker else end
    _blank_rest(stream, place, end)


def _jpeg2000(stream: bytearray, start: int, end: int) -> None:
    place = start + 2
    tile = 0
    while place + 4 <= end and stream[place] == 0xFF:
        kind = stream[place + 1]
        if kind == _END_OF_STREAM:
            break
        if kind == _DATA:
            # without a length this tile is the last one and goes on to the end
            place = tile or end
            tile = 0
            continue
        length = struct.unpack_from(">H", stream, place + 2)[0]
        if kind == _TILE and place + 10 <= end:
            part = struct.unpack_from(">I", stream, place + 6)[0]
            tile = place + part if part else 0
        if kind == _COMMENT:
            _blank(stream, place + 6, min(place + 2 + length, end))
        place += 2 + length
    _blank_rest(stream, place, end)


def _blank_rest(stream: bytearray, place: int, end: int) -> None:
    """Blank what follows the end of the image, if the end stands here.

    Both kinds of streams end alike.
    """
    if stream[place : place + 2] == b"\xff\xd9":
        _blank(stream, place + 2, end)


def _blank(stream: bytearray, start: int, end: int) -> None:
    stream[start:end] = bytes(max(0, end - start))
