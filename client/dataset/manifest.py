"""Which cases a hospital's folder holds, and whose they are.

Opens tables and the headers of DICOM files, where no ``patient_id`` is given or where they are
slices of volumes; never a pixel.
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
from client.targets import ImageFacts, TargetSource, source, sources
from common.errors import CaseError, SiteError
from common.sentences.table import Sentence
from common.study.sections import Data
from common.tasks import Task

_BESIDE = (Reason.LOCALISER, Reason.NO_IMAGE, Reason.GEOMETRY)
"""What lies beside the volumes in a usual export: scouts, reports, single pictures.

It is left out, and no fault of the hospital's.
"""


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
        left_out: every image that is not among the cases, counted by public sentence: the unusable
            and the unlabelled.
        withdrawn: patients whose images are listed, so that all others keep their part, and never
            used.
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
    is_withdrawn: Callable[[str], bool] | None = None,
) -> Manifest:
    """List a hospital's folder.

    Args:
        folder: holds ``images/`` or ``dicom/``, and what the sources of the task's targets read.
        task: says which targets are needed.
        data: limits (``min_patients``, ``max_bad_fraction``) and dimensions.
        log: the hospital's own log; gets a line with the file name for each image that is unusable.
        is_withdrawn: whether a patient, by identifier, takes no further part.

    Raises:
        SiteError: the folder cannot be used.
    """
    images, refused = volume_names.images(image_files(folder), data.dimensions)
    table, opened = _opened(folder, task, data)
    left_out = Counter(r.sentence.without_counts() for r in refused)
    unusable = sum(r.reason not in _BESIDE for r in refused)
    for r in refused:
        log(f"{r.files[0]} and {len(r.files) - 1} more: {r.reason}: {r.local}")
    usable: list[tuple[Image, dict[str, Any], str]] = []
    withdrawn: set[str] = set()
    for image in images:
        try:
            stated = _stated(image, table, opened)
            lacking = [opened[name].absent for name, value in stated.items() if value is None]
            if lacking:
                left_out[lacking[0]] += 1
                continue
            identity = _identity(image, table)
            # Looked up first: it reads the file, and one that cannot be read is not listed.
            if is_withdrawn is not None and _has_withdrawn(image, identity, is_withdrawn):
                withdrawn.add(identity)
            # Listed even if withdrawn: without it, the patients who stay would change parts.
            usable.append((image, stated, identity))
        except CaseError as error:
            unusable += 1
            left_out[error.sentence.without_counts()] += 1
            log(f"{image.path}: {error.local}")
    manifest = _numbered(usable, withdrawn, unusable, left_out)
    _check_enough(manifest, data)
    return manifest


def _numbered(
    usable: list[tuple[Image, dict[str, Any], str]],
    withdrawn: set[str],
    unusable: int,
    left_out: Counter[Sentence],
) -> Manifest:
    """The manifest of images with what is stated about them and whose they are."""
    # In the order of digests: numbers by name would say something about who a patient is.
    identities = sorted({identity for _, _, identity in usable}, key=_digest)
    numbers = {identity: number for number, identity in enumerate(identities)}
    cases = tuple(
        Case(
            image=image.path,
            patient=numbers[identity],
            stated=stated,
            stratum=_stratum(stated),
            volume=image.volume,
        )
        for image, stated, identity in usable
    )
    out = frozenset(numbers[identity] for identity in withdrawn)
    return Manifest(cases, len(numbers), unusable, left_out=left_out, withdrawn=out)


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


def image_files(folder: Path) -> dict[str, Path]:
    """Image files by name below ``images/`` or ``dicom/``.

    Files without an ending count only below ``dicom/``.

    Raises:
        SiteError: there is none, or a folder cannot be listed.
    """
    by_name: dict[str, Path] = {}
    for root in (folder / "images", folder / "dicom"):
        for path in _registry.files(root):
            ending = _registry.ending(path.name)
            if ending is None or path.name.startswith(".") or path.name == "DICOMDIR":
                continue
            if ending or root.name == "dicom":
                by_name.setdefault(_registry.key(path.relative_to(root).as_posix()), path)
    if not by_name:
        raise SiteError("data.no_images", f"{folder}")
    return by_name


def _opened(folder: Path, task: Task, data: Data) -> tuple[Table, dict[str, TargetSource]]:
    """The folder's tables, and the source of each target that the task asks for."""
    kinds = sources(task)
    columns = [column for kind in kinds.values() for column in kind.columns(task)]
    table = labels.read_table(folder, columns)
    return table, {name: kind(folder, task, data) for name, kind in kinds.items()}


def _stated(image: Image, table: Table, opened: Mapping[str, TargetSource]) -> dict[str, Any]:
    """What the hospital states about each target, by the first name of the image that it knows."""

    def patient() -> str | None:
        return _patient(image, table)

    def facts(name: str) -> ImageFacts:
        return ImageFacts(name, table.rows.get(name, {}), patient)

    def stated(target: TargetSource) -> Any | None:
        return volume_names.first(image, lambda name: target.find(facts(name)))

    return {kind: stated(target) for kind, target in opened.items()}


def _stratum(stated: Mapping[str, Any]) -> int | None:
    numbers = (source(name).stratum(value) for name, value in stated.items())
    return next((number for number in numbers if number is not None), None)


def _identity(image: Image, table: Table) -> str:
    """Who the patient is: by table or file, else the file stands for a patient of its own."""
    stated = _patient(image, table)
    # Marked, so that a file named like an identifier is not taken for that patient.
    return f"patient {stated}" if stated else f"file {image.names[0]}"


def _patient(image: Image, table: Table) -> str | None:
    """The patient's identifier by the table's word, else the file's; None or empty without."""
    # Rows that disagree may disagree about the patient too, and so mix train and test.
    if any(name in table.torn for name in image.names):
        raise CaseError("case.rows")
    cells = (table.rows.get(name, {}).get(labels.PATIENT) for name in image.names)
    stated = next(filter(None, cells), None)
    if stated:
        return stated
    return _patient_in_file(image)


def _patient_in_file(image: Image) -> str | None:
    reader = _registry.reader_of(image.path)
    return image.volume.patient if image.volume else reader.patient(image.path) if reader else None


def _has_withdrawn(image: Image, identity: str, is_withdrawn: Callable[[str], bool]) -> bool:
    """Whether the patient takes no further part, by the table's word or the file's own."""
    stated = _patient_in_file(image)
    if is_withdrawn(identity.partition(" ")[2]):
        return True
    return stated is not None and is_withdrawn(stated)


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
    patients = manifest.patients - len(manifest.withdrawn)
    if patients < data.min_patients:
        raise SiteError("data.too_few_patients", patients=patients, asked=data.min_patients)


def _most_often(left_out: Counter[Sentence]) -> tuple[str, int]:
    reason, count = left_out.most_common(1)[0]
    return reason.code, count
