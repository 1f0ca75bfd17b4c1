"""Which reader takes a file (by its ending), and the one way in which file names of a hospital are compared."""

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
    """Every installed reader by file ending; longer endings come first, so ``.nii.gz`` is tried before ``.gz``."""
    found: dict[str, Reader] = {}
    for name in plugins.names("client.readers"):
        reader = getattr(importlib.import_module(f"client.readers.{name}"), "READER", None)
        if isinstance(reader, Reader):
            found.update(dict.fromkeys(reader.suffixes, reader))
    return {ending: found[ending] for ending in sorted(found, key=len, reverse=True)}


def ending(name: str) -> str | None:
    """The known ending of a file name; "" if it has none (a DICOM UID's last number is none); None if it is of no known format."""
    lower = name.rsplit("/", 1)[-1].lower()
    for known in readers():
        if known and lower.endswith(known) and len(lower) > len(known):
            return known
    last = lower.rpartition(".")[2]
    return "" if last == lower or last.isdecimal() else None


def reader_of(path: Path) -> Reader | None:
    """The reader that takes this file, or None."""
    found = ending(path.name)
    return None if found is None else readers().get(found)


def read(path: Path) -> Scan:
    """Decode one file with the reader of its format.

    Raises:
        CaseError: no reader takes the file, or it cannot be decoded.
    """
    reader = reader_of(path)
    if reader is None:
        raise CaseError("case.format", f"{path}: unknown format.")
    return reader.read(path)


def files(room: Path) -> list[Path]:
    """Every file below a folder, sorted; none if there is no such folder.

    Raises:
        SiteError: the folder, or one below it, cannot be listed.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    try:
        listed = [
            Path(place, name) for place, _, names in os.walk(room, onerror=refuse) for name in names
        ]
        return sorted(path for path in listed if path.is_file())
    except OSError as error:
        raise SiteError("data.unlistable", f"{error}") from None


def key(name: str) -> str:
    """A file name as it is compared: composed Unicode, forward slashes, below ``images/``, ``dicom/`` or ``masks/``."""
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    for folder in _FOLDERS:
        text = text.removeprefix(folder)
    return text


def stem(name: str) -> str:
    """The key of a file name without its known ending: what an image and its mask share."""
    text = key(name)
    return text[: len(text) - len(ending(text) or "")]
