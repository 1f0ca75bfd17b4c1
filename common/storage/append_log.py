"""Files to which lines are added: a line is on the disk when the call returns, or not there at all.

What a machine that lost power left of a last line is cut before the next one is written: nobody was
told of it. Readers see whole lines only. One process or thread at a time writes. A log whose lines
are chained or hashed (``client/audit/log.py``) reads the new ones through :meth:`Log.lines`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common.storage import files

_BLOCK = 1 << 24
"""Bytes that are read at once from the beginning on."""
_STEP = 1 << 16
"""Bytes that are read at once from the end back."""


class Log:
    """A file of lines that this caller has for itself.

    Attributes:
        file: its number on the disk; another one means that somebody put another file there.
        whole: bytes of all whole lines.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        status = os.fstat(handle)
        self.file = status.st_ino
        self.whole = _whole(handle, status.st_size)

    def lines(self, start: int = 0) -> Iterator[bytes]:
        """Whole lines without their ends, from a byte on at which one begins."""
        rest = b""
        while start < self.whole:
            block = os.pread(self._handle, min(_BLOCK, self.whole - start), start)
            if not block:
                return
            start += len(block)
            *complete, rest = (rest + block).split(b"\n")
            yield from complete

    def append(self, line: bytes) -> None:
        """Add a line.

        Args:
            line: without its end.

        Raises:
            ValueError: it holds the end of a line.
            OSError: the disk does not take it; nothing was added.
        """
        if b"\n" in line:
            raise ValueError("a line of a log holds the end of a line")
        content = line + b"\n"
        # What a power cut or a full disk left of a last line.
        os.ftruncate(self._handle, self.whole)
        try:
            os.lseek(self._handle, 0, os.SEEK_END)
            if os.write(self._handle, content) != len(content):
                raise OSError(errno.ENOSPC, "the disk took a part of a line")
            os.fsync(self._handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, self.whole)
            raise
        self.whole += len(content)


@contextmanager
def opened(path: Path, mode: int = files.FILE) -> Iterator[Log]:
    """A log, made if it is not there; whoever else opens it waits until the block ends.

    Raises:
        OSError: it cannot be opened.
    """
    with files.alone(path, mode=mode) as handle:
        yield Log(handle)


def append(path: Path, value: Mapping[str, Any], mode: int = files.FILE) -> None:
    """Add one line of JSON.

    Raises:
        OSError: the disk does not take it; nothing was added.
        ValueError: the value holds what JSON has no number for.
    """
    line = json.dumps(value, allow_nan=False).encode()
    with opened(path, mode) as log:
        log.append(line)


def lines(path: Path) -> list[bytes]:
    """Whole lines without their ends, as they are now; none if there is no file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content.split(b"\n")[:-1]


def _whole(handle: int, size: int) -> int:
    """Bytes up to the last end of a line, looked for from the end back."""
    while size:
        start = max(0, size - _STEP)
        cut = os.pread(handle, size - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        size = start
    return 0
