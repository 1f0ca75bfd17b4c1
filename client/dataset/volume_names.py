"""Which DICOM files of a hospital are volumes, and what its tables and masks may call them.

A volume answers to the SeriesInstanceUID, to the name of any of its files, and to the folder that
holds its files and no other series. The volumes of a 4-D series answer to the same names followed
by ``/1``, ``/2`` and so on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from client.readers import _registry, dicom
from client.readers.dicom import series
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Refused, Series
from common.sentences.table import say

T = TypeVar("T")
_FLAT = say("dicom.flat")


@dataclass(frozen=True)
class Image:
    """One image of a hospital.

    Attributes:
        path: its file; of a volume the first slice.
        names: what tables may call it, the name for sorting first.
        volume: the DICOM series, if it is one.
    """

    path: Path
    names: tuple[str, ...]
    volume: Series | None = None


def images(files: Mapping[str, Path], dimensions: int) -> tuple[list[Image], list[Refused]]:
    """The images of a folder, sorted by name; in 3-D studies DICOM files are sorted into series.

    Args:
        files: paths by name (:func:`client.readers._registry.key`).
        dimensions: of the study.

    Returns:
        images, and what among the DICOM files is no volume.
    """
    sliced = {
        name: path
        for name, path in files.items()
        if dimensions == 3 and _registry.reader_of(path) is dicom.READER
    }
    listed = [Image(path, (name,)) for name, path in files.items() if name not in sliced]
    volumes, refused = series.sort(sliced.values()) if sliced else ((), ())
    name_of = {path: name for name, path in sliced.items()}
    crowded = _crowded(volumes, name_of)
    listed += [
        Image(v.files[0], tuple(_names(v, name_of, crowded)), v)
        for v in volumes
        if v.kind == "volume"
    ]
    flat = [_flat(v) for v in volumes if v.kind == "image"]
    return sorted(listed, key=lambda image: image.names[0]), [*refused, *flat]


def first(image: Image, find: Callable[[str], T | None]) -> T | None:
    """What is stated about an image under the first of its names that anything is stated about."""
    values = (find(name) for name in image.names)
    return next((value for value in values if value is not None), None)


def _names(volume: Series, name_of: Mapping[Path, str], crowded: Counter[str]) -> Iterator[str]:
    mark = f"/{volume.part + 1}" if volume.by else ""
    files = [name_of[path] for path in volume.files]
    # A folder stands for a series only if it holds no other: else a row would name either.
    folders = {_folder(name) for name in files}
    folder = min(folders)
    if len(folders) == 1 and crowded[folder] == 1 and folder:
        yield folder + mark
    yield from (name + mark for name in files)
    if volume.uid:
        yield volume.uid + mark


def _crowded(volumes: tuple[Series, ...], name_of: Mapping[Path, str]) -> Counter[str]:
    """How many series have files in each folder."""
    pairs = {(volume.uid, _folder(name_of[path])) for volume in volumes for path in volume.files}
    return Counter(folder for _, folder in pairs)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _flat(picture: Series) -> Refused:
    return Refused(picture.files, Reason.GEOMETRY, _FLAT, "a single picture")
