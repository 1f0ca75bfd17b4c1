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
from client.ingest.case_facts import ScanDigest, scan_digest
from client.ingest.cases import CaseSource
from client.ingest.scan_folder import ExportFile
from client.readers import _limits, dicom
from client.readers.dicom import pixels
from client.readers.dicom import series as sorting
from client.readers.dicom.element_values import whole
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Series
from common.errors import CaseError

_NO_CASE = {Reason.NO_IMAGE: "DICOM files without pixels", Reason.LOCALISER: "localisers"}
_FREE = 1 << 27
_RATIO = 50
"""Bytes that the values of a series may take in any case; beyond, so many times its files' size."""
_SAMPLE = 4
"""Bytes of a value."""
_LARGE = 1 << 23
"""A picture of more pixels is made smaller before letters are searched for in it."""
_SIDE = 2048
"""To this side, at which they are searched for anyway."""


@dataclass(frozen=True)
class DicomListing:
    """What the DICOM files are.

    Attributes:
        sources: volumes and images.
        drawings: DICOM SEG and RTSTRUCT objects.
        refused: ``(file below the folder, public reason)``.
        aside: files that are no cases, by reason.
        identifiers: names and numbers of people, from the headers; they stay in memory.
    """

    sources: list[CaseSource]
    drawings: list[Series]
    refused: list[tuple[str, str]] = field(repr=False)
    aside: Counter[str]
    identifiers: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class ConvertedFile:
    """A converted case: its file (content, folder, ending), what it shows, and where it comes from.

    ``modality`` is the DICOM modality or the file's format.
    """

    content: bytes
    folder: str
    ending: str
    digest: ScanDigest
    modality: str
    scanner: str = ""


def listed(files: Sequence[ExportFile], mentioned: Set[str]) -> DicomListing:
    """Sort files into cases.

    Args:
        files: below the folder.
        mentioned: names by which tables and masks call files; a series of whose slices two or more
            are mentioned is single images.
    """
    key = {file.path: file.key for file in files}
    all_series, unusable = sorting.sort(file.path for file in files)
    sources: list[CaseSource] = []
    refused = [
        (key[path], entry.public)
        for entry in unusable
        if entry.reason not in _NO_CASE
        for path in entry.files
    ]
    for series in all_series:
        if series.kind in ("volume", "image"):
            try:
                sources += _sources(series, [key[path] for path in series.files], mentioned)
            except CaseError as error:
                refused += [(key[path], error.public) for path in series.files]
    aside: Counter[str] = Counter()
    for entry in unusable:
        if entry.reason in _NO_CASE:
            aside[_NO_CASE[entry.reason]] += len(entry.files)
    return DicomListing(
        sources=sources,
        drawings=[series for series in all_series if series.kind in ("segments", "structures")],
        refused=refused,
        aside=aside,
        identifiers=_identifiers(file.path for file in files),
    )


def convert(source: CaseSource, patient: str, names: Pseudonyms) -> ConvertedFile:
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
        header = deidentify(first, names)
        header.PatientID = header.PatientName = patient
        scanner = " ".join(
            str(header.get(name) or "").strip()
            for name in ("Manufacturer", "ManufacturerModelName")
        ).strip()
        content = _content(header) if source.kind == "dicom image" else b""
    modality = source.series.modality or "DICOM"
    if source.kind == "dicom image":
        digest = scan_digest(dicom.read(source.files[0]))
        return ConvertedFile(content, "dicom", ".dcm", digest, modality=modality, scanner=scanner)
    scan = sorting.read(source.series)
    if len(scan.array) > 1 or scan.affine is None:
        raise CaseError("case.colour_volume")
    return ConvertedFile(
        convert_nifti.volume(scan.array[0], scan.affine),
        folder="images",
        ending=".nii.gz",
        digest=scan_digest(scan),
        modality=modality,
        scanner=scanner,
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


def _sources(series: Series, keys: Sequence[str], mentioned: Set[str]) -> list[CaseSource]:
    # slices that a table labels one by one are a collection of pictures, not a volume
    apart = (
        series.kind == "volume"
        and series.part == 0
        and len(keys) > 1
        and sum(bool(cases.aliases(key) & mentioned) for key in keys) > 1
    )
    if series.kind == "image" or apart:
        return [_image(series, place, key) for place, key in enumerate(keys)]
    number, issuer = _owner(series.files[0])
    uids = (series.uid, *series.instances) if series.part == 0 else series.instances
    names = cases.of_series(keys, uids)
    return [
        CaseSource(
            "dicom volume",
            series.files,
            identity=f"series {series.uid} {series.part} {series.instances[0]}",
            aliases=names,
            number=number,
            issuer=issuer,
            series=series,
        )
    ]


def _image(series: Series, place: int, key: str) -> CaseSource:
    number, issuer = _owner(series.files[place])
    names = cases.aliases(key) | {uid for uid in (series.uid, series.instances[place]) if uid}
    identity = f"image {series.instances[place]}" if series.instances[place] else f"file {key}"
    return CaseSource(
        "dicom image",
        (series.files[place],),
        identity=identity,
        aliases=names,
        number=number,
        issuer=issuer,
        series=series,
    )


def _owner(path: Path) -> tuple[str, str]:
    with guarded(path):
        return owner(open_header(path))


def _identifiers(paths: Iterable[Path]) -> frozenset[str]:
    """What names people in the headers; of files that cannot be opened, nothing."""
    identifiers: set[str] = set()
    for path in paths:
        try:
            with guarded(path):
                identifiers |= residual.identifiers(open_header(path))
        except CaseError:
            continue
    return frozenset(identifiers)


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


def _content(header: Dataset) -> bytes:
    file = BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()
