"""Folders whose files appear together or not at all: written beside, put on disk, then named.

Where a folder of that name stands, the two change places in one step (Linux, ``renameat2`` with
``RENAME_EXCHANGE``). Where the disk cannot do that, the old one is set aside first;
:func:`current` finds it there, should the machine stop between the two steps. One process at a
time writes a folder.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.storage import files

MANIFEST = "manifest.json"
"""File of a sealed folder: the SHA-256 of every other one."""
_HERE = -100
"""``AT_FDCWD`` of Linux."""
_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux."""
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty folder for plain files; when the block ends well, it takes the name ``path``.

    Yields:
        the draft's path, beside ``path``.

    Raises:
        OSError: it cannot be written; ``path`` is what it was, or already the whole new one.
    """
    draft = _draft(path)
    _tidy(path)
    draft.mkdir()
    try:
        yield draft
        # Contents before the name: after a power cut there is no name without its content.
        for file in sorted(draft.iterdir()):
            files.sync(file)
        files.sync(draft)
        _name(draft, path)
    finally:
        _remove(draft)
        if path.exists():
            _remove(_aside(path))


def current(path: Path) -> Path:
    """Where a folder's files are: under its name, or set aside by a change that was cut short."""
    return _aside(path) if not path.exists() and _aside(path).is_dir() else path


def remove(path: Path) -> None:
    """Remove a folder and what a change of it may have left beside it."""
    for folder in (_draft(path), _aside(path), path):
        _remove(folder)


def seal(folder: Path, digests: dict[str, str] | None = None) -> None:
    """Write the manifest of a folder that is complete.

    Args:
        folder: of plain files.
        digests: SHA-256 in hex of those files that need not be read again for it.
    """
    ready = digests or {}
    names = sorted(file.name for file in folder.iterdir())
    sums = {name: ready.get(name) or digest(folder / name) for name in names}
    content = json.dumps({"files": sums}, indent=1) + "\n"
    (folder / MANIFEST).write_text(content, "utf-8")


def damage(folder: Path) -> str:
    """What is wrong with a sealed folder, in a few words; empty if it is whole."""
    try:
        sums = json.loads((folder / MANIFEST).read_bytes())["files"]
        names = {file.name for file in folder.iterdir()} - {MANIFEST}
        missing = sorted(names.symmetric_difference(sums))
        if missing:
            return f"{missing[0]} is missing or does not belong there"
        changed = [name for name in sorted(sums) if digest(folder / name) != sums[name]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{MANIFEST} or a file that it names cannot be read ({type(error).__name__})"
    return f"{changed[0]} is not the file that was written" if changed else ""


def digest(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(draft: Path, path: Path) -> None:
    if not path.exists():
        os.rename(draft, path)
    elif not _exchanged(draft, path):
        os.rename(path, _aside(path))
        os.rename(draft, path)
    files.sync(path.parent)


def _exchanged(one: Path, two: Path) -> bool:
    """Let two folders change names in one step; False where system or disk cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    # Positional: int renameat2(olddirfd, oldpath, newdirfd, newpath, flags).
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(two), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(two))


def _tidy(path: Path) -> None:
    """Undo what a process left that was stopped: a folder without successor gets its name back."""
    _remove(_draft(path))
    if current(path) != path:
        os.rename(_aside(path), path)
    _remove(_aside(path))


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
