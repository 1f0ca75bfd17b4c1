"""DICOM in an export: which series there are, and each as a file without identifiers.

A volume becomes a NIfTI file with the exact values and its place in the patient; a single image
stays DICOM under a new header (PS3.15 Annex E). Every picture is looked at for printed letters
first: one that may hold some waits for a human.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from client.deidentify import burned_in, residual
from client.deidentify.header import deidentify, owner
from client.deidentify.pseudonyms import Pseudonyms
from client.ingest import cases, convert_nifti
from client.ingest.case_facts import Seen, seen
from client.ingest.cases import Source
from client.ingest.scan_folder import Found
from client.readers import _limits, dicom
from client.readers.dicom import pixels
from client.readers.dicom import series as sorting
from client.readers.dicom.element_values import whole
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Series
from common.errors import CaseError

_NO_CASE = {Reason.NO_IMAGE: "DICOM files without pixels", Reason.LOCALISER: "localisers"}
_FREE, _RATIO, _SAMPLE = 1 << 27, 50, 4
"""What the values of a series may take in memory: _FREE bytes in any case, _RATIO times its files'
size beyond; bytes of a value."""
_LARGE, _SIDE = 1 << 23, 2048
"""A picture of more pixels is made smaller before letters are searched for in it, to this side, at
which they are searched for anyway."""


@dataclass(frozen=True)
class Listed:
    """What the DICOM files are.

    Attributes:
        sources: volumes and images.
        drawings: DICOM SEG and RTSTRUCT objects.
        refused: ``(file below the folder, public reason)``.
        aside: files that are no cases, by reason.
        identifiers: names and numbers of people, from the headers; they stay in memory.
    """

    sources: list[Source]
    drawings: list[Series]
    refused: list[tuple[str, str]] = field(repr=False)
    aside: Counter[str]
    identifiers: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class Made:
    """A converted case: its file (content, room, ending), what it shows, and where it comes from.

    ``modality`` is the DICOM modality or the file's format.
    """

    content: bytes
    room: str
    ending: str
    seen: Seen
    modality: str
    scanner: str = ""


def listed(files: Sequence[Found], spoken: Set[str]) -> Listed:
    """Sort files into cases.

    Args:
        spoken: names by which tables and masks speak of files; a series of whose slices two or more
            are spoken of is single images.
    """
    key = {file.path: file.key for file in files}
    found, unusable = sorting.sort(file.path for file in files)
    cases: list[Source] = []
    refused = [
        (key[path], entry.public)
        for entry in unusable
        if entry.reason not in _NO_CASE
        for path in entry.files
    ]
    for one in found:
        if one.kind in ("volume", "image"):
            try:
                cases += _sources(one, [key[path] for path in one.files], spoken)
            except CaseError as error:
                refused += [(key[path], error.public) for path in one.files]
    aside = Counter({_NO_CASE[entry.reason]: 0 for entry in unusable if entry.reason in _NO_CASE})
    aside.update(
        _NO_CASE[entry.reason]
        for entry in unusable
        if entry.reason in _NO_CASE
        for _ in entry.files
    )
    drawings = [one for one in found if one.kind in ("segments", "structures")]
    return Listed(cases, drawings, refused, aside, _identifiers(file.path for file in files))


def convert(source: Source, patient: str, names: Pseudonyms) -> Made:
    """The content of a case's file.

    Raises:
        CaseError: it cannot be decoded, or a human must look at it first.
    """
    for path in source.files:
        _check(path, source.series.files)
    first = _looked_at(source.files[0], source.files[0] in source.cleared)
    for path in source.files[1:]:
        _looked_at(path, path in source.cleared)
    with guarded(source.files[0]):
        made = deidentify(first, names)
        made.PatientID = made.PatientName = patient
        scanner = " ".join(
            str(made.get(name) or "").strip() for name in ("Manufacturer", "ManufacturerModelName")
        ).strip()
        content = _content(made) if source.kind == "dicom image" else b""
    if source.kind == "dicom image":
        return Made(
            content,
            "dicom",
            ".dcm",
            seen(dicom.read(source.files[0])),
            source.series.modality or "DICOM",
            scanner,
        )
    scan = sorting.read(source.series)
    if len(scan.array) > 1 or scan.affine is None:
        raise CaseError("case.colour_volume")
    return Made(
        convert_nifti.volume(scan.array[0], scan.affine),
        "images",
        ".nii.gz",
        seen(scan),
        source.series.modality or "DICOM",
        scanner,
    )


def printed(array: npt.NDArray[np.generic]) -> str | None:
    """Why a human must look at a picture ``[C, H, W]`` before it goes on, or None."""
    step = -(-max(array.shape[1:]) // _SIDE)
    shown = _smaller(array, step) if array[0].size > _LARGE and step > 1 else array
    return burned_in.burned_in(
        Dataset(), [shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)]
    )


def _smaller(array: npt.NDArray[np.generic], step: int) -> npt.NDArray[np.float32]:
    """Means over ``step`` x ``step`` pixels.

    Of colour those of its brightest and its darkest channel, as the search for letters takes them.
    """
    height, width = (side // step for side in array.shape[1:])
    small = np.empty((min(len(array), 2), height, width), np.float32)
    for row in range(height):
        strip = np.nan_to_num(
            array[:, row * step : (row + 1) * step, : width * step].astype(np.float32),
            posinf=0,
            neginf=0,
        )
        for place, plane in enumerate((strip.max(0), strip.min(0))[: len(small)]):
            small[place, row] = plane.reshape(step, width, step).mean((0, 2))
    return small


def _sources(one: Series, keys: Sequence[str], spoken: Set[str]) -> list[Source]:
    apart = (
        one.kind == "volume"
        and one.part == 0
        and len(keys) > 1
        and sum(bool(cases.aliases(key) & spoken) for key in keys) > 1
    )
    if one.kind == "image" or apart:
        return [_image(one, place, key) for place, key in enumerate(keys)]
    number, issuer = _owner(one.files[0])
    uids = (one.uid, *one.instances) if one.part == 0 else one.instances
    names = cases.of_series(keys, uids)
    return [
        Source(
            "dicom volume",
            one.files,
            f"series {one.uid} {one.part} {one.instances[0]}",
            names,
            number,
            issuer,
            one,
        )
    ]


def _image(one: Series, place: int, key: str) -> Source:
    number, issuer = _owner(one.files[place])
    names = cases.aliases(key) | {uid for uid in (one.uid, one.instances[place]) if uid}
    identity = f"image {one.instances[place]}" if one.instances[place] else f"file {key}"
    return Source("dicom image", (one.files[place],), identity, names, number, issuer, one)


def _owner(path: Path) -> tuple[str, str]:
    with guarded(path):
        return owner(open_header(path))


def _identifiers(paths: Iterable[Path]) -> frozenset[str]:
    """What names people in the headers; of files that cannot be opened, nothing."""
    found: set[str] = set()
    for path in paths:
        try:
            with guarded(path):
                found |= residual.identifiers(open_header(path))
        except CaseError:
            continue
    return frozenset(found)


def _check(path: Path, all_files: Sequence[Path]) -> None:
    """Hold the memory that a file's pixels take against its size, before one is decoded.

    The file may take its share of what its volume may.
    """
    with guarded(path):
        header = open_header(path)
        samples = (
            pixels.frames(header)
            * whole(header, "Rows")
            * whole(header, "Columns")
            * whole(header, "SamplesPerPixel", 1)
        )
        _limits.check_growth(
            _SAMPLE * samples, path.stat().st_size, _FREE // len(all_files), _RATIO
        )


def _looked_at(path: Path, cleared: bool) -> Dataset:
    with guarded(path):
        header = open_header(path, pixels=True)
        if not header.get("SOPClassUID") or not header.get("SOPInstanceUID"):
            raise CaseError("dicom.no_object")
        reason = None if cleared else burned_in.look(header)
        if reason:
            raise CaseError(burned_in.CODES[reason])
        return header


def _content(made: Dataset) -> bytes:
    written = BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()
