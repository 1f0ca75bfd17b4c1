"""Lines of a file that grows, each read once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_STEP = 1 << 20
_LONGEST = 1 << 16
"""Bytes of a line; a longer one is passed over."""
_SEEN = 256
"""Bytes before the place that was reached; if others stand there, the file is another one."""


class Tail:
    """Remembers how far a file was read.

    A file that was replaced or cut is read from its beginning again.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._end = b""
        self.fresh = True

    def lines(self) -> Iterator[bytes]:
        """Whole lines since the last call, without their ends.

        ``fresh`` is then true if they are the file's first.

        Raises:
            OSError: the file is there and cannot be read.
        """
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._forget()
            return
        with os.fdopen(handle, "rb") as file:
            same = os.pread(handle, len(self._end), self._offset - len(self._end)) == self._end
            self.fresh = self._offset == 0 or not same
            if self.fresh:
                self._forget()
            file.seek(self._offset)
            yield from self._rest(file)

    def _forget(self) -> None:
        self._offset = 0
        self._end = b""

    def _rest(self, file: BinaryIO) -> Iterator[bytes]:
        kept = b""
        while block := file.read(_STEP):
            *whole, kept = (kept + block).split(b"\n")
            if whole:
                self._offset += sum(len(line) + 1 for line in whole)
                self._end = (self._end + b"\n".join(whole) + b"\n")[-_SEEN:]
            yield from (line for line in whole if 0 < len(line) <= _LONGEST)


def parsed(line: bytes) -> dict[str, Any] | None:
    """A line of JSON that holds an object, or None."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
