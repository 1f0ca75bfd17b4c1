"""Files that hold secrets or must never be seen half-written: private from the first byte, on disk before they have their name."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE, FOLDER = 0o600, 0o700
"""Modes of what is made here: readable by its owner only."""


def folder(path: Path) -> Path:
    """Make a folder for its owner only; one that exists stays as it is."""
    path.mkdir(FOLDER, exist_ok=True)
    return path


def create(path: Path, content: bytes) -> None:
    """Write a new file; it has mode 0600 before its first byte and is on disk when this returns.

    Raises:
        OSError: the file exists or cannot be written; what had been written of it is gone.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE)
    done = False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        done = True
    finally:
        if not done:
            path.unlink(missing_ok=True)


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: whoever reads it sees the old content or the new one.

    Raises:
        OSError: it cannot be written; the old content stands.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        create(draft, content)
        move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def alone(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    """A file, made if it is not there, or with other ``flags`` a folder; of those who open it in this way one at a time goes on.

    Yields:
        the open file's number.
    """
    handle = os.open(path, flags | os.O_CLOEXEC, FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name on the same disk, replacing a file or an empty folder there, and make that lasting."""
    source.replace(target)
    _settle(target.parent)


def _settle(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
