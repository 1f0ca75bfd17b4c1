"""What a synthetic twin discloses of a hospital: an :class:`Outline`, and nothing else.

Counts are rounded to fives and never told below ten; sizes, spacings and values fall into coarse
bins; a form of image or a value of a column is told only if at least five patients have it, and its
share in tenths. Of a column with many values only coarse limits are told, and of texts nothing. No
number in it comes from a single patient, except that the largest and smallest values are hinted at
by powers of two.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.dataset import box_files, label_names, masks
from client.dataset import manifest as manifests
from client.ingest import table_files
from client.ingest.readiness.twin_rounding import (
    coarse_size,
    coarse_step,
    outward,
    rounded,
    tenths,
)
from client.ingest.table_files import Identifiers
from client.readers import _registry
from common.errors import CaseError, SiteError

ENOUGH = 5
"""Fewest patients of a value or form that is told."""
_SAMPLED = 200
"""Most images that are opened."""
_MOST_NUMBERS = 1000
_TABLES = ("labels.csv", "cases.csv", "table.csv")


@dataclass(frozen=True)
class Form:
    """Images that look alike to a program.

    Room and ending of the file, channels, size in pixels, spacing in mm, bounds of the values,
    tenths of the images.
    """

    room: str
    ending: str
    channels: int
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    low: float
    high: float
    tenths: int


@dataclass(frozen=True)
class Column:
    """One column of a table: values with their tenths, coarse limits of numbers, or neither."""

    table: str
    name: str
    values: Mapping[str, int]
    limits: tuple[float, float] | None


@dataclass(frozen=True)
class Outline:
    """Everything that a twin is made from.

    Attributes:
        images, patients: rounded.
        forms: of images.
        columns: of tables.
        mask: ending of mask files and the values in them; None without masks.
        boxes: labels with their tenths, and how many an image has; None without boxes.
    """

    images: int
    patients: int
    forms: tuple[Form, ...]
    columns: tuple[Column, ...]
    mask: tuple[str, tuple[int, ...]] | None
    boxes: tuple[Mapping[str, int], int] | None


def draw(site: Path) -> Outline:
    """Look at a hospital's folder.

    Raises:
        SiteError: it has no usable image, or a table cannot be read.
    """
    files = manifests.image_files(site)
    tables = {name: table_files.read(site / name) for name in _TABLES if (site / name).is_file()}
    owners = _owners(tables.values())
    people = {owners.get(name, name) for name in files}
    forms = _forms(site, files, owners)
    columns = tuple(
        c
        for name, sheet in tables.items()
        for c in _columns(name, sheet, frozenset(label_names.read(site).labels))
    )
    return Outline(
        images=rounded(len(files)),
        patients=min(rounded(len(people)), rounded(len(files))),
        forms=forms,
        columns=columns,
        mask=_mask(site, files),
        boxes=_boxes(site),
    )


def _owners(tables: Iterable[table_files.Sheet]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for sheet in tables:
        file = sheet.column("file")
        patient = sheet.column("patient")
        if file and patient:
            owners.update(
                {
                    _registry.key(row[file]): row[patient]
                    for row in sheet.rows
                    if row.get(file) and row.get(patient)
                }
            )
    return owners


def _sample(files: Mapping[str, Path]) -> dict[str, Path]:
    names = sorted(files)[:: max(1, len(files) // _SAMPLED)][:_SAMPLED]
    return {name: files[name] for name in names}


def _forms(site: Path, files: Mapping[str, Path], owners: Mapping[str, str]) -> tuple[Form, ...]:
    people: dict[tuple[str, str, int, tuple[int, ...], tuple[float, ...]], set[str]] = defaultdict(
        set
    )
    lows: list[float] = []
    highs: list[float] = []
    for name, path in _sample(files).items():
        try:
            channels, size, spacing, low, high = _shown(path)
        except CaseError:
            continue
        lows.append(low)
        highs.append(high)
        room = path.relative_to(site).parts[0]
        people[room, _registry.ending(path.name) or "", channels, size, spacing].add(
            owners.get(name, name)
        )
    if not people:
        raise SiteError("data.nothing_readable")
    counts = {form: len(who) for form, who in people.items() if len(who) >= ENOUGH} or {
        max(people, key=lambda form: len(people[form])): 1
    }
    low = outward(float(np.median(lows)), -1)
    high = outward(float(np.median(highs)), 1)
    return tuple(
        Form(*form, low, max(high, low + 1.0), tenths) for form, tenths in tenths(counts).items()
    )


def _columns(table: str, sheet: table_files.Sheet, words: frozenset[str]) -> Iterable[Column]:
    """Values of columns that read like labels, coarse limits of numbers; else the name alone."""
    patient = sheet.column("patient")
    file = sheet.column("file")
    owners = [row.get(patient or "", "") or row.get(file or "", "") for row in sheet.rows]
    listed = table_files.stays(sheet, owners, keep=(), identifiers=Identifiers(), listed=words)
    for name in sheet.others:
        people: dict[str, set[str]] = defaultdict(set)
        for row, owner in zip(sheet.rows, owners, strict=True):
            if row.get(name):
                people[row[name]].add(owner)
        values = {
            value: len(who)
            for value, who in people.items()
            if len(who) >= ENOUGH and name in listed
        }
        yield Column(
            table, name, tenths(values), None if name in listed or not people else _limits(people)
        )


def _limits(texts: Iterable[str]) -> tuple[float, float] | None:
    """Coarse limits between the 5th and the 95th percentile; None where a value is no number."""
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    if not np.isfinite(numbers).all():
        return None
    low, high = np.percentile(numbers, (5, 95))
    return outward(float(low), -1), outward(float(high), 1)


def _mask(site: Path, files: Mapping[str, Path]) -> tuple[str, tuple[int, ...]] | None:
    if not (site / "masks").is_dir():
        return None
    stems = {_registry.stem(name) for name in files}
    fitting = {stem: path for stem, path in masks.find_masks(site).items() if stem in stems}
    sample = list(_sample(fitting).values())
    counts: Counter[int] = Counter()
    for path in sample:
        try:
            counts.update(_numbers(path))
        except CaseError:
            continue
    endings = Counter(_registry.ending(path.name) or "" for path in sample)
    enough = min(ENOUGH, len(sample))
    values = sorted(value for value, count in counts.most_common(20) if count >= enough)
    return (endings.most_common(1)[0][0], tuple(values)) if sample else None


def _shown(path: Path) -> tuple[int, tuple[int, ...], tuple[float, ...], float, float]:
    """Channels, coarse size and spacing, lowest and highest value of one image.

    The image is given back before the next one is opened.
    """
    scan = _registry.read(path)
    low = float(np.nanmin(scan.array))
    high = float(np.nanmax(scan.array))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CaseError("case.nothing_finite")
    return (
        len(scan.array),
        tuple(map(coarse_size, scan.array.shape[1:])),
        tuple(map(coarse_step, scan.spacing)),
        low,
        high,
    )


def _numbers(path: Path) -> set[int]:
    """The numbers in a mask but 0, row by row; of one with more numbers than any mask has, none."""
    numbers: set[int] = set()
    for row in _registry.read(path).array[0]:
        values = row[np.isfinite(row)]
        numbers.update(map(int, np.unique(values)))
        if len(numbers) > _MOST_NUMBERS:
            return set()
    return numbers - {0}


def _boxes(site: Path) -> tuple[Mapping[str, int], int] | None:
    if not (site / "boxes.json").is_file():
        return None
    entries = [
        e
        for e in box_files.read_boxes(site, label_names.LabelNames()).values()
        if isinstance(e, dict) and isinstance(e.get("objects"), list)
    ]
    images: Counter[str] = Counter()
    for entry in entries:
        images.update(
            {
                str(item["label"])
                for item in entry["objects"]
                if isinstance(item, dict) and "label" in item
            }
        )
    counts = {label: count for label, count in images.items() if count >= ENOUGH}
    mean = sum(len(entry["objects"]) for entry in entries) / max(1, len(entries))
    return tenths(counts), max(1, int(coarse_step(max(mean, 1.0))))
