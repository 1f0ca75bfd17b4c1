"""How much of a file is read and how far it may grow: what readers ask before they believe it.

A file may state any size and unpack to any size. Nothing here trusts a stated size; each is held
against the bytes that are there.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

from common.errors import CaseError, SiteError

FREE = 1 << 29
"""Bytes that a packed volume may need in memory in any case: masks pack a thousandfold."""
RATIO = 100
"""How many times its file's size a packed volume may need in memory beyond that."""
_DEFLATE = 1032
"""Most bytes that one byte of deflate can stand for (RFC 1951, 3.2.5: two bits match 258 bytes)."""
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
        # One byte more than allowed is enough to see that it is too large.
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise SiteError("table.too_large", f"{path}: more than {most} bytes", file=path.name)
    return content


def check_packed(stored: int, needed: int, size: int) -> None:
    """Check that a file packed by deflate may be unpacked.

    Args:
        stored: bytes that it states to hold.
        needed: bytes of memory that these take.
        size: bytes of the file.

    Raises:
        CaseError: it cannot hold them, or holds them packed too tightly to be unpacked without
            risk.
    """
    if stored > _DEFLATE * size:
        raise CaseError("case.packed", f"{stored} bytes from {size}")
    if needed > max(FREE, RATIO * size):
        raise CaseError("case.packed_growth", f"{needed} bytes from {size}", ratio=RATIO)


def check_growth(needed: int, size: int, free: int, ratio: int) -> None:
    """Check that a file may take so much memory.

    Args:
        needed: bytes of memory.
        size: bytes of the file.
        free: bytes that are allowed in any case.
        ratio: how many times the file's size is allowed beyond.

    Raises:
        CaseError: it may not.
    """
    if needed > max(free, ratio * size):
        raise CaseError("case.growth", f"{needed} bytes from {size}", ratio=ratio)


class Unpacked(io.RawIOBase):
    """A gzip file (RFC 1952) read forwards in bounded pieces; going back begins anew.

    At most what is asked for is ever unpacked. :meth:`finish` holds the rest of the file against
    its checksum.
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
        self._position = 0
        self._members = 0
        self._packed = b""
        self._inflater: Any = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always; see the class."""
        return True

    def tell(self) -> int:
        """Unpacked bytes read so far."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an unpacked byte, counted from the beginning or from here.

        Raises:
            ValueError: counted from the end, which is unknown; damaged.
        """
        target = offset + self._position if whence == io.SEEK_CUR else offset
        if whence == io.SEEK_END or target < 0:
            raise ValueError("a packed file is read forwards")
        if target < self._position:
            self._begin()
        while self._position < target and self._piece(min(_CHUNK, target - self._position)):
            continue
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer unless the file ends.

        Raises:
            ValueError: damaged.
        """
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and (piece := self._piece(min(_CHUNK, len(target) - done))):
            target[done : done + len(piece)] = piece
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
                self._packed = self._inflater.unused_data
                self._inflater = None
            elif not piece and not packed:
                raise ValueError("gzip: the file ends within its data")
            if piece:
                self._position += len(piece)
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
        # 16 + 15: with the gzip header and its checksum, in the largest window.
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True
