"""The cases that a folder holds before anything is converted.

Which files belong together, whose they are, and what tables may call them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from client.ingest.scan_folder import ExportFile
from client.readers import _registry


@dataclass(frozen=True)
class CaseSource:
    """One case to be.

    Attributes:
        kind: how it is converted.
        files: one, or the slices of a series in order.
        identity: what its name is made from: a UID, or its place in the folder.
        aliases: what a table may call it, as keys without ending; only those that no other case
            shares are used.
        number: PatientID as the header states it, or "".
        issuer: IssuerOfPatientID.
        series: :class:`client.readers.dicom.series.Series`, of DICOM.
        cleared: files in which a human has looked for text.
    """

    kind: Literal["picture", "nifti", "dicom image", "dicom volume"]
    files: tuple[Path, ...] = field(repr=False)
    identity: str = field(repr=False)
    aliases: frozenset[str] = field(repr=False)
    number: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    series: Any = field(default=None, repr=False)
    cleared: frozenset[Path] = field(default=frozenset(), repr=False)

    @property
    def stamp(self) -> str:
        """Changes when a file is added, taken away, or written anew."""
        states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]
        return hashlib.sha256(repr(sorted(states)).encode()).hexdigest()[:16]


def plain(images: Iterable[ExportFile]) -> list[CaseSource]:
    """Pictures and NIfTI files, one case each."""
    sources = []
    for image in images:
        kind: Literal["picture", "nifti"] = "nifti" if image.kind == "nifti" else "picture"
        sources.append(CaseSource(kind, (image.path,), f"file {image.key}", aliases(image.key)))
    return sources


def aliases(key: str) -> frozenset[str]:
    """What a table may call a file: its place in the folder or its bare name, ending or not."""
    below = _registry.key(key)
    bare = below.rsplit("/", 1)[-1]
    return frozenset((below, bare, _registry.stem(below), _registry.stem(bare)))


def of_series(keys: Sequence[str], uids: Iterable[str]) -> frozenset[str]:
    """What a table may call a series: its UIDs, any of its files, or the folder that holds them."""
    names = set(uids)
    for key in keys:
        names |= aliases(key)
        folder = key.rpartition("/")[0]
        names |= {folder, folder.rsplit("/", 1)[-1]} - {""}
    return frozenset(names)


class Finder:
    """Sources by alias; an alias that two cases share finds neither."""

    def __init__(self, sources: Sequence[CaseSource]) -> None:
        self._places: dict[str, int | None] = {}
        for place, source in enumerate(sources):
            for alias in source.aliases:
                self._places[alias] = None if alias in self._places else place

    def __call__(self, name: str) -> int | None:
        """Index of the case that a table calls by this name."""
        key = _registry.key(name)
        for alias in (
            key,
            _registry.stem(key),
            key.rsplit("/", 1)[-1],
            _registry.stem(key.rsplit("/", 1)[-1]),
        ):
            place = self._places.get(alias)
            if place is not None:
                return place
        return None
