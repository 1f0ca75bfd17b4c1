"""Folders on disk held against the table of what is kept (``common.storage.STORED_FILES``)."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from common.storage import STORED_FILES, StoredFile

NESTED = {
    "run": (("state/*", "state"),),
    "site": (("worker/state", "state"),),
    "coordinator": (("runs/*", "run"),),
}
"""Folders within a folder that have rows of their own, looked at after those of the outer one."""


def row(place: str, path: str) -> StoredFile | None:
    """The row that speaks of a file; None if no row does."""
    here = next((one for one in STORED_FILES if one.place == place and fits(path, one.path)), None)
    if here is not None:
        return here
    for pattern, inner in NESTED.get(place, ()):
        depth = pattern.count("/") + 1
        parts = PurePosixPath(path).parts
        if len(parts) > depth and PurePosixPath(*parts[:depth]).match(pattern):
            return row(inner, str(PurePosixPath(*parts[depth:])))
    return None


def fits(path: str, pattern: str) -> bool:
    """Whether a pattern of the table means this path."""
    if pattern == "*/**":
        return "/" in path
    if pattern.endswith("/**"):
        return path.startswith(pattern[:-2])
    return path.count("/") == pattern.count("/") and PurePosixPath(path).match(pattern)


def wrong(place: str, folder: Path, umask: int) -> Iterator[str]:
    """A sentence for each file below a folder that no row names, or that has another mode."""
    for path in sorted(one for one in folder.rglob("*") if not one.is_dir()):
        name = path.relative_to(folder).as_posix()
        match = row(place, name)
        mode = stat.S_IMODE(path.stat().st_mode)
        if match is None:
            yield f"{place}: no row names {name}"
        elif match.mode is not None and mode != match.mode & ~umask:
            yield f"{place}: {name} has mode {mode:04o}, its row says {match.mode & ~umask:04o}"


def seen(place: str, folder: Path) -> set[tuple[str, str]]:
    """``(place, path)`` of the rows of which there is a file."""
    names = (one.relative_to(folder).as_posix() for one in folder.rglob("*") if not one.is_dir())
    return {(match.place, match.path) for name in names if (match := row(place, name)) is not None}
