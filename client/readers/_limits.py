"""How much of a file is read and how far it may grow: what every reader of this room asks before it believes a file.

A file may state any size and unpack to any size. Nothing here trusts a stated size; each is held against the bytes that are there.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

from common.errors import CaseError, SiteError

FREE, RATIO = 1 << 29, 100
"""What a packed volume may need in memory: FREE bytes in any case (masks pack a thousandfold), RATIO times its file's size beyond."""
_DEFLATE = 1032
"""Bytes that one byte of a deflate stream can stand for at most (RFC 1951, 3.2.5: a match of 258 bytes takes two bits)."""
_MEMBERS = 65_536
"""Most gzip members in one file; block-wise gzip writes one for 64 KiB."""
_CHUNK = 1 << 18


def table_bytes(path: Path, most: int) -> bytes:
    """A table of at most ``most`` bytes.

    Raises:
        SiteError: it is larger; the sentence names the table, whose name is fixed.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise SiteError("table.too_large", f"{path}: more than {most} bytes", file=path.name)
    return content


def check_packed(stored: int, needed: int, size: int) -> None:
    """Whether a file of ``size`` bytes, packed by deflate, may unpack to ``stored`` bytes, which take ``needed`` bytes of memory.

    Raises:
        CaseError: it cannot hold them, or holds them packed too tightly to be unpacked without risk.
    """
    if stored > _DEFLATE * size:
        raise CaseError("case.packed", f"{stored} bytes from {size}")
    if needed > max(FREE, RATIO * size):
        raise CaseError("case.packed_growth", f"{needed} bytes from {size}", ratio=RATIO)


def check_growth(needed: int, size: int, free: int, ratio: int) -> None:
    """Whether a file of ``size`` bytes may take ``needed`` bytes of memory: ``free`` in any case, ``ratio`` times its size beyond.

    Raises:
        CaseError: it may not.
    """
    if needed > max(free, ratio * size):
        raise CaseError("case.growth", f"{needed} bytes from {size}", ratio=ratio)


class Unpacked(io.RawIOBase):
    """A gzip file (RFC 1952) read forwards in bounded pieces; going back begins anew.

    At most what is asked for is ever unpacked. :meth:`finish` holds the rest of the file against its checksum.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be read.
        """
        super().__init__()
        self._file = path.open("rb")
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._at, self._members, self._packed = 0, 0, b""
        self._inflater: Any = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always; see the class."""
        return True

    def tell(self) -> int:
        """Unpacked bytes read so far."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an unpacked byte, counted from the beginning or from here.

        Raises:
            ValueError: counted from the end, which is unknown; damaged.
        """
        target = offset + self._at if whence == io.SEEK_CUR else offset
        if whence == io.SEEK_END or target < 0:
            raise ValueError("a packed file is read forwards")
        if target < self._at:
            self._begin()
        while self._at < target and self._piece(min(_CHUNK, target - self._at)):
            continue
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer unless the file ends.

        Raises:
            ValueError: damaged.
        """
        room = memoryview(buffer).cast("B")
        done = 0
        while done < len(room) and (piece := self._piece(min(_CHUNK, len(room) - done))):
            room[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def finish(self) -> None:
        """Read the file's end, so that its checksums are compared.

        Raises:
            ValueError: damaged, or it goes on.
        """
        if self._piece(1):
            raise ValueError("the packed file goes on behind what its header states")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _piece(self, most: int) -> bytes:
        """At least one and at most ``most`` further bytes, or none at the file's end."""
        while True:
            if self._inflater is None and not self._next():
                return b""
            packed = self._packed or self._file.read(_CHUNK)
            try:
                piece: bytes = self._inflater.decompress(packed, most)
            except zlib.error as error:
                raise ValueError(f"gzip: {error}") from None
            self._packed = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self._packed, self._inflater = self._inflater.unused_data, None
            elif not piece and not packed:
                raise ValueError("gzip: the file ends within its data")
            if piece:
                self._at += len(piece)
                return piece

    def _next(self) -> bool:
        """Begin the next member; zeros behind the last are padding (gzip 1.0 and tape blocks)."""
        while self._members:
            self._packed = self._packed.lstrip(b"\0")
            if self._packed:
                break
            self._packed = self._file.read(_CHUNK)
            if not self._packed:
                return False
        self._members += 1
        if self._members > _MEMBERS:
            raise ValueError(f"gzip: more than {_MEMBERS} members")
        self._inflater = zlib.decompressobj(31)
        return True
