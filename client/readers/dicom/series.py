"""Files of any names and folders to series, and series to scans.

Files belong together by SeriesInstanceUID and lie in the order of their positions; names, folders
and InstanceNumber decide nothing. Where positions repeat (a 4-D series), the series is split into
volumes if the attributes that tell whole sets of slices apart agree on one split; everything else
that is no volume is refused with its reason. Headers are opened once to sort, pixels only to read.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from client.readers import Scan
from client.readers.dicom import scans
from client.readers.dicom.file_header import FileHeader, opened
from client.readers.dicom.geometry import Array, Grid
from client.readers.dicom.opening import guarded
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.volumes import volumes
from common.errors import CaseError
from common.sentences.table import Sentence

_SLICED = ("CT", "MR", "PT")
"""Modalities whose series are stacks of slices: two of them without geometry are no pictures."""


@dataclass(frozen=True)
class Series:
    """One volume or image, or one object that segments another series.

    Nothing that identifies is in its repr.

    Attributes:
        uid: SeriesInstanceUID; the volumes of a 4-D series and the pictures of a 2-D series share
            one.
        patient: PatientID, or None.
        issuer: IssuerOfPatientID, or "".
        modality: Modality, e.g. CT.
        files: in slice order along the slice normal; one file for images and multi-frame objects.
        shape: H, W, D after the turn to the closest RAS+ orientation; H, W of an image; () of
            "segments" and "structures".
        spacing: millimetres along these axes; 1.0 where an image states none.
        affine: float64 ``[4, 4]`` from H, W, D to RAS millimetres; None but for a volume.
        kind: "volume", "image", "segments" (DICOM SEG) or "structures" (RTSTRUCT).
        instances: SOPInstanceUID of each file.
        frame: FrameOfReferenceUID, or "".
        references: SeriesInstanceUIDs that "segments" or "structures" say they were drawn on.
        part, by: number of the volume within its 4-D series, and the attribute that sets it apart;
            0 and "" for others.
        grid: how slices become the volume; None but for a volume.
    """

    uid: str = field(repr=False)
    patient: str | None = field(repr=False)
    issuer: str = field(repr=False)
    modality: str
    files: tuple[Path, ...] = field(repr=False)
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    affine: Array | None
    kind: str
    instances: tuple[str, ...] = field(repr=False)
    frame: str = field(default="", repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)
    part: int = 0
    by: str = ""
    grid: Grid | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Refused:
    """Files that give no scan.

    Attributes:
        files: which.
        reason: code.
        sentence: what may leave the hospital.
        local: detail for the hospital's own log.
    """

    files: tuple[Path, ...] = field(repr=False)
    reason: Reason
    sentence: Sentence
    local: str = field(repr=False)

    @property
    def public(self) -> str:
        """The sentence for people: it holds no name, path or value of a file."""
        return self.sentence.render()


def sort(files: Iterable[Path]) -> tuple[tuple[Series, ...], tuple[Refused, ...]]:
    """Group files into series by their headers.

    Returns:
        Usable series in the order of their first file, and everything else with its reason. Each
        file is in one of the two, except for further copies of a file, which are left out.
    """
    refused: list[Refused] = []
    groups: dict[str, list[FileHeader]] = {}
    for path in files:
        try:
            file = opened(path)
            # Files without a series stay alone: nothing says that they belong together.
            groups.setdefault(file.uid or f"file {len(groups)}", []).append(file)
        except CaseError as error:
            refused.append(_refused((path,), error))
    usable: list[Series] = []
    for group in groups.values():
        for part in _parts(group, refused):
            try:
                with guarded(part[0].path):
                    usable += _series(part)
            except CaseError as error:
                refused.append(_refused(tuple(f.path for f in part), error))
    return tuple(usable), tuple(refused)


def read(series: Series) -> Scan:
    """Decode a volume or image.

    Returns:
        A volume as float32 ``[1, H, W, D]`` in modality units (colour: ``[3, H, W, D]``), turned to
        the closest RAS+ orientation, with its affine; an image as ``[C, H, W]`` = rows, columns.

    Raises:
        CaseError: a file cannot be decoded, or is not the one that was sorted.
    """
    if series.grid is None:
        return scans.image(series.files[0], series.instances[0])
    grid = series.grid
    stack: npt.NDArray[Any] = np.empty((len(grid.order), *grid.size[:2]), np.float32)
    last = -1
    for k, (file, frame) in enumerate(grid.order):
        if file != last:
            last = file
            slices = scans.slices(
                series.files[file], series.instances[file], grid.size[:2], stack[k : k + 1]
            )
        # Only the first file shows whether the series is in colour.
        if k == 0 and slices.shape[1:] != stack.shape[1:]:
            stack = np.empty((len(stack), *slices.shape[1:]), slices.dtype)
        # A view of the stack was written in place.
        if slices.base is not stack:
            stack[k] = slices[frame]
    return Scan(scans.turned(stack, grid), series.spacing, series.affine)


def _parts(group: Sequence[FileHeader], refused: list[Refused]) -> Iterator[list[FileHeader]]:
    """What can be judged by itself: a stack of plain slices, and every other file alone."""
    group = list(_without_copies(group))
    if len({(f.patient, f.issuer) for f in group}) > 1:
        refused.append(_refused(tuple(f.path for f in group), DicomError(Reason.PATIENTS)))
        return
    if len({f.instance for f in group}) < len([f for f in group if f.instance]):
        error = DicomError(Reason.DUPLICATE, "different files have one SOPInstanceUID")
        refused.append(_refused(tuple(f.path for f in group), error))
        return
    plain = [f for f in group if f.form == "plain"]
    stack = [f for f in plain if f.planes]
    if stack:
        yield stack
    for file in group:
        if file.form != "plain":
            yield [file]
        elif not file.planes and len(plain) > 1 and file.modality in _SLICED:
            refused.append(_refused((file.path,), DicomError(Reason.GEOMETRY)))
        elif not file.planes:
            yield [file]


def _without_copies(group: Sequence[FileHeader]) -> Iterator[FileHeader]:
    """Leave out a file whose bytes are those of another with the same SOPInstanceUID."""
    first: dict[str, FileHeader] = {}
    for file in group:
        earlier = first.setdefault(file.instance, file)
        if earlier is file or not file.instance or not _equal(earlier.path, file.path):
            yield file


def _equal(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _series(part: Sequence[FileHeader]) -> list[Series]:
    """The series of files that form one stack, or of one file."""
    first = part[0]
    if len(part) == 1 and first.form in ("segments", "structures"):
        return [_one_series(part, kind=first.form, shape=(), spacing=())]
    if len(part) == 1 and first.form == "plain":
        return [_one_series(part, kind="image", shape=first.size, spacing=first.spacing)]
    if len({f.colour for f in part}) > 1 or len({f.modality for f in part}) > 1:
        raise DicomError(Reason.SIZES, "grey and colour, or several modalities")
    slices = [
        replace(plane, source=(i, plane.source[1]))
        for i, file in enumerate(part)
        for plane in file.planes
    ]
    series = []
    for number, (by, grid) in enumerate(volumes(slices)):
        used = list(dict.fromkeys(file for file, _ in grid.order))
        order = tuple((used.index(file), frame) for file, frame in grid.order)
        series.append(
            _one_series(
                [part[i] for i in used],
                kind="volume",
                shape=grid.shape,
                spacing=grid.spacing,
                grid=replace(grid, order=order),
                part=(number, by),
            )
        )
    return series


def _one_series(
    files: Sequence[FileHeader],
    kind: str,
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    grid: Grid | None = None,
    part: tuple[int, str] = (0, ""),
) -> Series:
    first = files[0]
    return Series(
        uid=first.uid,
        patient=first.patient or None,
        issuer=first.issuer,
        modality=first.modality,
        files=tuple(f.path for f in files),
        shape=shape,
        spacing=spacing,
        affine=None if grid is None else grid.turned,
        kind=kind,
        instances=tuple(f.instance for f in files),
        frame=first.frame,
        references=first.references,
        part=part[0],
        by=part[1],
        grid=grid,
    )


def _refused(files: tuple[Path, ...], error: CaseError) -> Refused:
    reason = error.reason if isinstance(error, DicomError) else Reason.DAMAGED
    return Refused(files, reason, error.sentence, error.local)
