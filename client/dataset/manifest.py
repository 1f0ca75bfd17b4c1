"""Which cases a hospital's folder holds, whose they are, and how its patients are split.

Opens tables and the headers of DICOM files, where no ``patient_id`` is given or where they are slices of volumes; never a pixel.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.dataset import labels, volume_names
from client.dataset.labels import Table
from client.dataset.volume_names import Image
from client.readers import _registry
from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Series
from client.targets import Facts, Source, source, sources
from common.errors import CaseError, SiteError
from common.seeds import derive
from common.sentences.table import Sentence
from common.study.sections import Data
from common.tasks import Task

PARTS = ("train", "validation", "test")
_BESIDE = (Reason.LOCALISER, Reason.NO_IMAGE, Reason.GEOMETRY)
"""What lies beside the volumes in a usual export (scouts, reports, single pictures): left out, and no fault of the hospital's."""


@dataclass(frozen=True)
class Case:
    """One usable image of a hospital and what is known about it; paths stay out of its repr.

    Attributes:
        image: the image's file; of a DICOM volume its first slice.
        patient: running number; says nothing about who it is.
        stated: what the folder states about each target, as :mod:`client.targets` has it.
        stratum: the class by which patients are spread over the parts; None without a single one.
        volume: the DICOM series, if the image is one.
    """

    image: Path = field(repr=False)
    patient: int
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stratum: int | None = None
    volume: Series | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Manifest:
    """The usable cases of a hospital, sorted by file name.

    Attributes:
        cases: one entry per image.
        patients: number of patients.
        unusable: images of which a target breaks a rule.
        left_out: every image that is not among the cases, counted by public sentence: the unusable and the unlabelled.
        withdrawn: patients whose images are listed, so that all others keep their part, and never used.
    """

    cases: tuple[Case, ...]
    patients: int
    unusable: int
    left_out: Counter[Sentence]
    withdrawn: frozenset[int] = frozenset()


def index(
    folder: Path,
    task: Task,
    data: Data,
    log: Callable[[str], None] = lambda line: None,
    gone: Callable[[str], bool] | None = None,
) -> Manifest:
    """List a hospital's folder.

    Args:
        folder: holds ``images/`` or ``dicom/``, and what the sources of the task's targets read.
        task: says which targets are needed.
        data: limits (``min_patients``, ``max_bad_fraction``) and dimensions.
        log: the hospital's own log; gets a line with the file name for each image that is unusable.
        gone: whether a patient, by identifier, takes no further part.

    Raises:
        SiteError: the folder cannot be used.
    """
    images, refused = volume_names.images(_images(folder), data.dimensions)
    table, opened = _opened(folder, task, data)
    left_out = Counter(r.sentence.without_counts() for r in refused)
    unusable = sum(r.reason not in _BESIDE for r in refused)
    for r in refused:
        log(f"{r.files[0]} and {len(r.files) - 1} more: {r.reason}: {r.local}")
    found: list[tuple[dict[str, Any], str]] = []
    out: set[str] = set()
    for image in images:
        try:
            stated = _stated(image, table, opened)
            lacking = [opened[name].absent for name, value in stated.items() if value is None]
            if lacking:
                left_out[lacking[0]] += 1
            else:
                identity = _identity(image, table)
                facts = {"image": image.path, "volume": image.volume, "stated": stated}
                found.append((facts | {"stratum": _stratum(stated)}, identity))
                if gone is not None and _is_out(image, identity, gone):
                    out.add(identity)
        except CaseError as error:
            unusable += 1
            left_out[error.sentence.without_counts()] += 1
            log(f"{image.path}: {error.local}")
    numbers = {identity: i for i, identity in enumerate(sorted({i for _, i in found}, key=_digest))}
    cases = tuple(Case(patient=numbers[identity], **known) for known, identity in found)
    withdrawn = frozenset(numbers[identity] for identity in out)
    manifest = Manifest(cases, len(numbers), unusable, left_out, withdrawn)
    _check_enough(manifest, data)
    return manifest


def check_share(unusable: int, total: int, left_out: Counter[Sentence], data: Data) -> None:
    """Refuse a hospital whose share of unusable images is above the study's limit.

    Raises:
        SiteError: names the share and the most frequent reason.
    """
    if unusable > data.max_bad_fraction * total:
        code, times = _most_often(left_out)
        allowed = 100 * data.max_bad_fraction
        raise SiteError(
            "data.too_many_unusable",
            unusable=unusable,
            images=total,
            allowed=allowed,
            times=times,
            reason=code,
        )


def split(manifest: Manifest, data: Data, seed: int) -> dict[str, tuple[int, ...]]:
    """Part the patients into train, validation and test; indices into ``manifest.cases``.

    The same seed gives the same parts wherever the files lie. With single-label classes every class is spread over the parts as evenly as
    its patients allow (a patient belongs to the rarest class among their images), and a class stays in training first. With few patients
    training gets one first, then test, then validation.
    """
    strata = _strata(manifest, seed)
    seats = _seats(manifest.patients, data)
    part_of: dict[int, str] = {}
    for part in ("test", "validation"):
        for stratum, take in zip(
            strata, _spread([len(s) for s in strata], seats[part]), strict=True
        ):
            part_of.update(dict.fromkeys(stratum[:take], part))
            del stratum[:take]
    parts = [
        "" if case.patient in manifest.withdrawn else part_of.get(case.patient, "train")
        for case in manifest.cases
    ]
    return {name: tuple(i for i, part in enumerate(parts) if part == name) for name in PARTS}


def _images(folder: Path) -> dict[str, Path]:
    """Image files by name below ``images/`` or ``dicom/``; files without an ending only below ``dicom/``.

    Raises:
        SiteError: there is none, or a folder cannot be listed.
    """
    found: dict[str, Path] = {}
    for room in ("images", "dicom"):
        for path in _registry.files(folder / room):
            ending = _registry.ending(path.name)
            if ending is None or path.name.startswith(".") or path.name == "DICOMDIR":
                continue
            if ending or room == "dicom":
                found.setdefault(_registry.key(path.relative_to(folder / room).as_posix()), path)
    if not found:
        raise SiteError("data.no_images", f"{folder}")
    return found


def _opened(folder: Path, task: Task, data: Data) -> tuple[Table, dict[str, Source]]:
    """The folder's tables, and the source of each target that the task asks for."""
    kinds = sources(task)
    columns = [column for kind in kinds.values() for column in kind.columns(task)]
    table = labels.read_table(folder, columns)
    return table, {name: kind(folder, task, data) for name, kind in kinds.items()}


def _stated(image: Image, table: Table, opened: Mapping[str, Source]) -> dict[str, Any]:
    """What the hospital states about each target, by the first name of the image that it knows."""

    def patient() -> str | None:
        return _patient(image, table)

    def facts(name: str) -> Facts:
        return Facts(name, table.rows.get(name, {}), patient)

    def stated(place: Source) -> Any | None:
        return volume_names.first(image, lambda name: place.find(facts(name)))

    return {kind: stated(place) for kind, place in opened.items()}


def _stratum(stated: Mapping[str, Any]) -> int | None:
    numbers = (source(name).stratum(value) for name, value in stated.items())
    return next((number for number in numbers if number is not None), None)


def _identity(image: Image, table: Table) -> str:
    """Who the patient is: the table's word, else the file's, else the file stands for a patient of its own."""
    stated = _patient(image, table)
    return f"patient {stated}" if stated else f"file {image.names[0]}"


def _patient(image: Image, table: Table) -> str | None:
    """The patient's identifier by the table's word, else the file's; None or empty without."""
    if any(name in table.torn for name in image.names):
        raise CaseError("case.rows")
    stated = next(
        filter(None, (table.rows.get(name, {}).get(labels.PATIENT) for name in image.names)), None
    )
    if stated:
        return stated
    reader = _registry.reader_of(image.path)
    return image.volume.patient if image.volume else reader.patient(image.path) if reader else None


def _is_out(image: Image, identity: str, gone: Callable[[str], bool]) -> bool:
    """Whether the patient takes no further part, by the table's word or the file's own."""
    reader = _registry.reader_of(image.path)
    stated = (
        image.volume.patient if image.volume else reader.patient(image.path) if reader else None
    )
    return gone(identity.partition(" ")[2]) or (stated is not None and gone(stated))


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()


def _check_enough(manifest: Manifest, data: Data) -> None:
    total = len(manifest.cases) + manifest.unusable
    check_share(manifest.unusable, total, manifest.left_out, data)
    if not manifest.cases:
        code, times = _most_often(manifest.left_out)
        raise SiteError(
            "data.all_unusable", images=manifest.left_out.total(), times=times, reason=code
        )
    there = manifest.patients - len(manifest.withdrawn)
    if there < data.min_patients:
        raise SiteError("data.too_few_patients", patients=there, asked=data.min_patients)


def _most_often(left_out: Counter[Sentence]) -> tuple[str, int]:
    reason, count = left_out.most_common(1)[0]
    return reason.code, count


def _strata(manifest: Manifest, seed: int) -> list[list[int]]:
    """Patients of each class in an order drawn from the seed, rarest class first; one list where there are no single classes."""
    sizes = Counter(case.stratum for case in manifest.cases)
    rarest: dict[int, tuple[int, int]] = {}
    for case in manifest.cases:
        rank = (0, 0) if case.stratum is None else (sizes[case.stratum], case.stratum)
        rarest[case.patient] = min(rank, rarest.get(case.patient, rank))
    strata: dict[tuple[int, int], list[int]] = {rank: [] for rank in sorted(set(rarest.values()))}
    for patient in sorted(rarest, key=lambda p: derive(seed, "split", p)):
        strata[rarest[patient]].append(patient)
    return list(strata.values())


def _seats(patients: int, data: Data) -> dict[str, int]:
    """How many patients test and validation get."""
    test = (
        max(1, int(data.test_fraction * patients + 0.5))
        if data.test_fraction and patients >= 2
        else 0
    )
    validation = (
        max(1, int(data.validation_fraction * patients + 0.5))
        if data.validation_fraction and patients >= 2 + bool(test)
        else 0
    )
    while test + validation >= patients:
        test, validation = (test - 1, validation) if test >= validation else (test, validation - 1)
    return {"test": test, "validation": validation}


def _spread(sizes: list[int], seats: int) -> list[int]:
    """Part ``seats`` among strata by size: each gets one before any gets two, and its last patient only when nothing else is left."""
    taken, patients = [0] * len(sizes), sum(sizes)
    for _ in range(seats):
        free = [i for i, size in enumerate(sizes) if size - taken[i] > 1] or [
            i for i, size in enumerate(sizes) if size > taken[i]
        ]
        best = max(free, key=lambda i: (taken[i] == 0, seats * sizes[i] / patients - taken[i]))
        taken[best] += 1
    return taken
