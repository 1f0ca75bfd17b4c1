"""Which reader takes a file, by its ending, and how the file names of a hospital are compared."""

from __future__ import annotations

import functools
import importlib
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from client.readers import Reader, Scan
from common.errors import CaseError, SiteError
from common.study import plugins

_FOLDERS = ("./", "images/", "dicom/", "masks/")


@functools.cache
def readers() -> Mapping[str, Reader]:
    """Every installed reader by file ending; ``.nii.gz`` is tried before ``.gz``."""
    by_ending: dict[str, Reader] = {}
    for name in plugins.names("client.readers"):
        reader = getattr(importlib.import_module(f"client.readers.{name}"), "READER", None)
        if isinstance(reader, Reader):
            by_ending.update(dict.fromkeys(reader.suffixes, reader))
    return {ending: by_ending[ending] for ending in sorted(by_ending, key=len, reverse=True)}


def ending(name: str) -> str | None:
    """The ending of a file name that a reader takes; "" if it has none, None if no reader takes it.

    A file may be named by a DICOM UID: the UID's last number is no ending.
    """
    lower = name.rsplit("/", 1)[-1].lower()
    for suffix in readers():
        if suffix and lower.endswith(suffix) and len(lower) > len(suffix):
            return suffix
    last = lower.rpartition(".")[2]
    return "" if last == lower or last.isdecimal() else None


def reader_of(path: Path) -> Reader | None:
    """The reader that takes this file, or None."""
    suffix = ending(path.name)
    return None if suffix is None else readers().get(suffix)


def read(path: Path) -> Scan:
    """Decode one file with the reader of its format.

    Raises:
        CaseError: no reader takes the file, or it cannot be decoded.
    """
    reader = reader_of(path)
    if reader is None:
        raise CaseError("case.format", f"{path}: unknown format.")
    return reader.read(path)


def files(folder: Path) -> list[Path]:
    """Every file below a folder, sorted; none if there is no such folder.

    Raises:
        SiteError: the folder, or one below it, cannot be listed.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    try:
        paths = [
            Path(place, name)
            for place, _, names in os.walk(folder, onerror=refuse)
            for name in names
        ]
        return sorted(path for path in paths if path.is_file())
    except OSError as error:
        raise SiteError("data.unlistable", f"{error}") from None


def key(name: str) -> str:
    """A file name as it is compared, without ``images/``, ``dicom/`` or ``masks/`` before it."""
    # macOS stores names decomposed, tables are mostly typed composed; both mean one file.
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    for folder in _FOLDERS:
        text = text.removeprefix(folder)
    return text


def stem(name: str) -> str:
    """The key of a file name without its known ending: what an image and its mask share."""
    text = key(name)
    return text[: len(text) - len(ending(text) or "")]
