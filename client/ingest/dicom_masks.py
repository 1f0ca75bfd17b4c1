"""DICOM SEG and RTSTRUCT objects in an export, as masks of the volumes on which they were drawn.

Each object numbers its segments as it likes, so they are told apart by name: every name of the
export gets one number, which stays the same in later runs, and labels.toml of the hospital's folder
says under [masks] which number is which name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from client.dataset import label_names
from client.ingest import case_facts, convert, convert_nifti, layout
from client.ingest.case_facts import CaseFacts
from client.ingest.cases import CaseSource
from client.ingest.layout import stem
from client.ingest.table_files import Identifiers
from client.readers import Scan, _registry
from client.readers.dicom import dicom_seg, rtstruct
from client.readers.dicom.element_values import references
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.segment_grids import Masks
from client.readers.dicom.series import Series
from common.errors import CaseError

_LONGEST = 60
_READ = {"segments": dicom_seg.read, "structures": rtstruct.read}


def take(
    segmentations: Iterable[Series],
    sources: Mapping[str, CaseSource],
    cases: dict[str, CaseFacts],
    site: Path,
    identifiers: Identifiers,
) -> Iterator[tuple[Path, str]]:
    """Write a mask for each volume that was drawn on; cases get their masks.

    Args:
        segmentations: SEG and RTSTRUCT objects.
        sources: volumes by the name of their case.
        cases: taken in so far, by name.
        site: the hospital's folder.
        identifiers: texts that no name of a segment may hold.

    Yields:
        files that cannot be used, with the public reason.

    Raises:
        SiteError: the hospital's folder cannot be written.
    """
    objects_by_case: dict[str, list[tuple[Path, Masks]]] = {}
    for segmentation in segmentations:
        path = segmentation.files[0]
        try:
            name, masks = _fitting(path, segmentation.kind, sources)
            objects_by_case.setdefault(name, []).append((path, masks))
        except CaseError as error:
            yield path, error.public
    numbers = _numbers(site, objects_by_case.values(), identifiers)
    for name, objects in sorted(objects_by_case.items()):
        if name not in cases or cases[name].mask:
            continue
        try:
            array = _merged([masks for _, masks in objects], numbers, identifiers)
            cases[name] = _written(cases[name], array, site)
        except CaseError as error:
            yield from ((path, error.public) for path, _ in objects)


def _fitting(path: Path, kind: str, sources: Mapping[str, CaseSource]) -> tuple[str, Masks]:
    """The case of an object: a series that it names, else one in its frame of reference."""
    with guarded(path):
        named = references(open_header(path))
    order = sorted(sources, key=lambda name: (sources[name].series.uid not in named, name))
    for name in order:
        try:
            return name, _READ[kind](path, sources[name].series)
        except DicomError as error:
            if error.reason not in (Reason.REFERENCE, Reason.PATIENTS):
                raise
    raise CaseError("dicom.reference", f"{path}: no volume of the export fits")


def _numbers(
    site: Path, groups: Iterable[Sequence[tuple[Path, Masks]]], identifiers: Identifiers
) -> dict[str, int]:
    """One number for each name; those that labels.toml of the hospital's folder has stay."""
    names = label_names.read(site)
    numbers = {name: number for number, name in names.masks.items()}
    new = {
        _clean(name, identifiers)
        for objects in groups
        for _, masks in objects
        for name in masks.names.values()
    } - set(numbers)
    first = max(numbers.values(), default=0) + 1
    numbers |= {name: first + i for i, name in enumerate(sorted(new))}
    if new:
        listed = replace(names, masks={number: name for name, number in numbers.items()})
        layout.share(site / label_names.FILE, label_names.dumps(listed).encode())
    return numbers


def _clean(name: str, identifiers: Identifiers) -> str:
    """The name of a segment; one that is empty or holds an identifier is "unnamed"."""
    text = " ".join(name.split())[:_LONGEST]
    return "unnamed" if not text or identifiers.within(text) else text


def _merged(
    objects: Sequence[Masks], numbers: Mapping[str, int], identifiers: Identifiers
) -> npt.NDArray[np.float32]:
    """``[H, W, D]`` numbers of the segments of all objects."""
    whole: npt.NDArray[np.float32] | None = None
    for masks in objects:
        stored = masks.flat()[0]
        table = np.zeros(int(stored.max()) + 1, np.float32)
        for number, name in masks.names.items():
            if number < len(table):
                table[number] = numbers[_clean(name, identifiers)]
        painted = table[stored]
        if whole is None:
            whole = painted
        elif bool(((whole > 0) & (painted > 0) & (whole != painted)).any()):
            raise CaseError("dicom.drawn_twice")
        else:
            whole = np.maximum(whole, painted)
    return np.zeros(0, np.float32) if whole is None else whole


def _written(case: CaseFacts, array: npt.NDArray[np.float32], site: Path) -> CaseFacts:
    scan = _registry.read(site / case.name)
    if scan.affine is None:
        raise CaseError("dicom.reference")
    target = site / "masks" / f"{stem(case.name)}.nii.gz"
    convert.place(
        convert_nifti.volume(array, scan.affine),
        target,
        site,
        case_facts.scan_digest(Scan(array[None], scan.spacing, scan.affine)),
    )
    return replace(case, mask=target.relative_to(site).as_posix())
