"""JSON files that several processes change: each takes a lock, reads, and puts a new file there.

Readers need no lock, since they see the old file or the new one. The lock is that of the folder, so
that nothing is left beside the file; one on the file itself would not do, since at each change
another file gets the name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.storage import files


@dataclass(frozen=True)
class Held:
    """A file that nobody else changes now."""

    path: Path
    mode: int

    def read(self) -> Any:
        """As :func:`read`."""
        return read(self.path)

    def write(self, value: Any) -> None:
        """As :func:`write`."""
        write(self.path, value, self.mode)


@contextmanager
def held(path: Path, lock: Path | None = None, mode: int = files.FILE) -> Iterator[Held]:
    """Keep others from changing a file; one caller holds one file of a folder at a time.

    Args:
        path: the file; it need not be there.
        lock: a file to lock in place of the folder, if it guards more than this file.
        mode: of the file that is written.

    Raises:
        OSError: the folder is missing.
    """
    with files.alone(path.parent, os.O_DIRECTORY) if lock is None else files.alone(lock):
        yield Held(path, mode)


def read(path: Path) -> Any:
    """What stands in a file.

    Raises:
        OSError: it cannot be read; FileNotFoundError: it is not there.
        ValueError: it is not JSON.
        RecursionError: it is not JSON of a sensible depth.
    """
    return json.loads(path.read_bytes())


def write(path: Path, value: Any, mode: int = files.FILE) -> None:
    """Put a whole new file in place of the old one; on disk when this returns.

    Raises:
        OSError: it cannot be written; the old one stands.
        ValueError: the value holds what JSON has no number for.
    """
    files.replace(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode(), mode)
