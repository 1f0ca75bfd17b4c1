"""What lies below an exported folder: every regular file by content, not by name.

Links that lead out of the folder and links to folders are never followed, archives never opened,
and what is no regular file (a pipe, a device) is passed over.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from client.readers import _registry
from common.errors import InputError

Kind = Literal["dicom", "picture", "nifti", "table", "other"]
TABLES = ("labels.csv", "cases.csv", "table.csv", "boxes.json", "labels.toml")
"""Files of the contract that stand beside the images."""
UNREADABLE = "files and folders that this user may not read"
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz")
_JUNK = ("thumbs.db", "desktop.ini", "dicomdir")
_FOLDERS = ("images", "dicom", "masks")
_DEEPEST = 64
"""Most folders in one another."""


@dataclass(frozen=True)
class ExportFile:
    """One file.

    ``key`` is its place below the export with forward slashes, ``folder`` the folder of the
    contract in which it lies.
    """

    path: Path = field(repr=False)
    key: str = field(repr=False)
    kind: Kind
    folder: str


@dataclass(frozen=True)
class Folder:
    """All files by use.

    Attributes:
        dicom: DICOM files, wherever they lie.
        images: pictures and NIfTI files: below ``images/`` if there is one, else anywhere but in a
            ``masks/``.
        masks: pictures and NIfTI files below a ``masks/``.
        tables: files of the contract by name, at the top only.
        aside: how many files were passed over, by reason.
    """

    dicom: tuple[ExportFile, ...]
    images: tuple[ExportFile, ...]
    masks: tuple[ExportFile, ...]
    tables: dict[str, Path]
    aside: Counter[str]


def look(root: Path) -> Folder:
    """Sort every file below ``root`` by use.

    Raises:
        InputError: the folder cannot be listed.
    """
    aside: Counter[str] = Counter()
    listed = sorted(_files(root, aside), key=lambda f: f.key)
    framed = any(f.folder == "images" and f.kind in ("picture", "nifti") for f in listed)
    by_use: dict[str, list[ExportFile]] = {"dicom": [], "images": [], "masks": []}
    tables: dict[str, Path] = {}
    for file in listed:
        if file.kind == "table":
            tables[file.key] = file.path
        elif file.kind == "dicom":
            by_use["dicom"].append(file)
        elif file.kind == "other":
            aside[_why(file)] += 1
        elif file.folder == "masks":
            by_use["masks"].append(file)
        elif file.folder == "images" or not framed:
            by_use["images"].append(file)
        else:
            aside["pictures outside images/ and masks/"] += 1
    return Folder(
        dicom=tuple(by_use["dicom"]),
        images=tuple(by_use["images"]),
        masks=tuple(by_use["masks"]),
        tables=tables,
        aside=aside,
    )


def _files(root: Path, aside: Counter[str]) -> Iterator[ExportFile]:
    def refuse(error: OSError) -> None:
        if Path(error.filename) == root:
            raise InputError(
                f"{error.filename} cannot be listed ({error.strerror}); let this user read it."
            )
        aside[UNREADABLE] += 1

    home = root.resolve()
    for place, folders, names in os.walk(root, onerror=refuse):
        if place.count(os.sep) - str(root).count(os.sep) >= _DEEPEST:
            aside["folders that lie too deep"] += len(folders)
            folders.clear()
        aside["links to folders"] += sum(Path(place, name).is_symlink() for name in folders)
        for name in names:
            path = Path(place, name)
            reason = _refused(path, home)
            if reason:
                aside[reason] += 1
                continue
            key = name_of(path, root)
            yield ExportFile(path, key, _kind(path, key), _contract_folder(key))
    # drops the reasons that were counted zero times
    aside += Counter()


def name_of(path: Path, root: Path) -> str:
    """A file's place below the folder as text, also where its name is no UTF-8."""
    place = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", place)


def _contract_folder(key: str) -> str:
    """``masks`` at any depth, else the first folder if it is one of the contract."""
    folders = key.split("/")[:-1]
    return (
        "masks" if "masks" in folders else folders[0] if folders and folders[0] in _FOLDERS else ""
    )


def _refused(path: Path, home: Path) -> str:
    """Why a file is not even opened; empty if it is."""
    if path.name.startswith(".") or path.name.lower() in _JUNK:
        return "files of the operating system"
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(home):
            return "links that lead out of the folder"
        if not stat.S_ISREG(path.stat().st_mode):
            return "files that are no regular files"
        return "" if os.access(path, os.R_OK) else UNREADABLE
    except OSError:
        return "links that lead nowhere"


def _kind(path: Path, key: str) -> Kind:
    if key in TABLES:
        return "table"
    ending = (_registry.ending(path.name) or "").lower()
    try:
        with path.open("rb") as file:
            head = file.read(352)
    except OSError:
        return "other"
    if head[128:132] == b"DICM" or (ending in ("", ".dcm", ".dicom") and _bare(head)):
        return "dicom"
    if ending in (".nii", ".nii.gz"):
        return "nifti"
    if ending in _PICTURES:
        return "picture"
    return "dicom" if ending in (".dcm", ".dicom") else "other"


def _bare(head: bytes) -> bool:
    """Whether a file begins with a little-endian element of group 0002 or 0008.

    Such a file lacks the preamble and prefix of PS3.10 section 7.1.
    """
    return head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0" and len(head) > 8


def _why(file: ExportFile) -> str:
    return (
        "archives, which are not opened"
        if file.key.lower().endswith(_ARCHIVES)
        else "files of no known kind"
    )
