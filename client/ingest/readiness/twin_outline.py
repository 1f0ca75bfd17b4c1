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
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from client.dataset import box_files, label_names, masks
from client.dataset import manifest as manifests
from client.ingest import table_files
from client.ingest.table_files import Identifiers
from client.readers import _registry
from common.errors import CaseError, SiteError

LEAST, STEP, ENOUGH = 10, 5, 5
_SAMPLED, _MOST_NUMBERS = 200, 1000
_TABLES = ("labels.csv", "cases.csv", "table.csv")
T = TypeVar("T", bound=Hashable)


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
        rounded(len(files)),
        min(rounded(len(people)), rounded(len(files))),
        forms,
        columns,
        _mask(site, files),
        _boxes(site),
    )


def rounded(count: int) -> int:
    """To fives, and never below ten."""
    return max(LEAST, STEP * round(count / STEP))


def _owners(tables: Iterable[table_files.Sheet]) -> dict[str, str]:
    found: dict[str, str] = {}
    for sheet in tables:
        file, patient = sheet.column("file"), sheet.column("patient")
        if file and patient:
            found.update(
                {
                    _registry.key(row[file]): row[patient]
                    for row in sheet.rows
                    if row.get(file) and row.get(patient)
                }
            )
    return found


def _sample(files: Mapping[str, Path]) -> dict[str, Path]:
    names = sorted(files)[:: max(1, len(files) // _SAMPLED)][:_SAMPLED]
    return {name: files[name] for name in names}


def _forms(site: Path, files: Mapping[str, Path], owners: Mapping[str, str]) -> tuple[Form, ...]:
    people: dict[tuple[str, str, int, tuple[int, ...], tuple[float, ...]], set[str]] = defaultdict(
        set
    )
    lows, highs = [], []
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
    told = {form: len(who) for form, who in people.items() if len(who) >= ENOUGH} or {
        max(people, key=lambda form: len(people[form])): 1
    }
    low, high = _outward(float(np.median(lows)), -1), _outward(float(np.median(highs)), 1)
    return tuple(
        Form(*form, low, max(high, low + 1.0), tenths) for form, tenths in _tenths(told).items()
    )


def _columns(table: str, sheet: table_files.Sheet, words: frozenset[str]) -> Iterable[Column]:
    """Values of columns that read like labels, coarse limits of numbers; else the name alone."""
    patient, file = sheet.column("patient"), sheet.column("file")
    owners = [row.get(patient or "", "") or row.get(file or "", "") for row in sheet.rows]
    listed = table_files.stays(sheet, owners, (), Identifiers(), words)
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
            table, name, _tenths(values), None if name in listed or not people else _limits(people)
        )


def _limits(texts: Iterable[str]) -> tuple[float, float] | None:
    """Coarse limits between the 5th and the 95th percentile; None where a value is no number."""
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    if not np.isfinite(numbers).all():
        return None
    return _outward(float(np.percentile(numbers, 5)), -1), _outward(
        float(np.percentile(numbers, 95)), 1
    )


def _mask(site: Path, files: Mapping[str, Path]) -> tuple[str, tuple[int, ...]] | None:
    if not (site / "masks").is_dir():
        return None
    found = list(
        _sample(
            {
                stem: path
                for stem, path in masks.find_masks(site).items()
                if stem in {_registry.stem(name) for name in files}
            }
        ).values()
    )
    seen: Counter[int] = Counter()
    for path in found:
        try:
            seen.update(_numbers(path))
        except CaseError:
            continue
    endings = Counter(_registry.ending(path.name) or "" for path in found)
    values = tuple(
        sorted(value for value, count in seen.most_common(20) if count >= min(ENOUGH, len(found)))
    )
    return (endings.most_common(1)[0][0], values) if found else None


def _shown(path: Path) -> tuple[int, tuple[int, ...], tuple[float, ...], float, float]:
    """Channels, coarse size and spacing, lowest and highest value of one image.

    The image is given back before the next one is opened.
    """
    scan = _registry.read(path)
    low, high = float(np.nanmin(scan.array)), float(np.nanmax(scan.array))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CaseError("case.nothing_finite")
    return (
        len(scan.array),
        tuple(map(_size, scan.array.shape[1:])),
        tuple(map(_step, scan.spacing)),
        low,
        high,
    )


def _numbers(path: Path) -> set[int]:
    """The numbers in a mask but 0, row by row; of one with more numbers than any mask has, none."""
    found: set[int] = set()
    for row in _registry.read(path).array[0]:
        values = row[np.isfinite(row)]
        found.update(map(int, np.unique(values)))
        if len(found) > _MOST_NUMBERS:
            return set()
    return found - {0}


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
    told = {label: count for label, count in images.items() if count >= ENOUGH}
    mean = sum(len(entry["objects"]) for entry in entries) / max(1, len(entries))
    return _tenths(told), max(1, int(_step(max(mean, 1.0))))


def _tenths(counts: Mapping[T, int]) -> dict[T, int]:
    whole = max(1, sum(counts.values()))
    return {
        value: max(1, round(10 * count / whole)) for value, count in sorted(counts.items(), key=str)
    }


def _size(n: int) -> int:
    """To a sixteenth of the next power of two, at least to whole pixels of eight."""
    bin_ = max(8, 1 << max(0, (n - 1).bit_length() - 3))
    return max(bin_, bin_ * round(n / bin_))


def _step(value: float) -> float:
    """To the nearest of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return round(min((1, 2, 5, 10), key=lambda factor: abs(factor * power - value)) * power, 6)


def _outward(value: float, side: int) -> float:
    """To the next power of two away from the middle; 0 stays."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    grow = (value > 0) == (side > 0)
    exponent = math.ceil(math.log2(abs(value))) if grow else math.floor(math.log2(abs(value)))
    return math.copysign(2.0**exponent, value)
