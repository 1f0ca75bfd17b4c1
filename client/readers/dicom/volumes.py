"""The volumes of one series: one, or several where an attribute tells sets of slices apart."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence

import numpy as np

from client.readers.dicom.geometry import Grid, Plane, grid
from client.readers.dicom.reasons import DicomError, Reason

_SAME_PLACE = 0.01
"""Millimetres within which slices of two volumes lie at one position."""


def volumes(slices: Sequence[Plane]) -> list[tuple[str, Grid]]:
    """One grid for each volume, and the attribute that tells them apart ("" for a single one).

    Volumes come in the order of that attribute's values.

    A 4-D series is split by an attribute whose values part the slices into sets that each take
    every position once. Where several attributes do so in different ways, or none does, nothing
    says which slices belong together and the series is refused.

    Raises:
        DicomError: the slices are no volume and no such split.
    """
    try:
        return [("", grid(slices))]
    except DicomError as error:
        if (
            error.reason is Reason.ORIENTATIONS
            and len({plane.traits.get("StackID") for plane in slices}) > 1
        ):
            # Stacks of an enhanced object may differ in orientation (PS3.3 C.7.6.16.2.2).
            return [("StackID", one) for part in _by(slices, "StackID") for _, one in volumes(part)]
        if error.reason is not Reason.DUPLICATE:
            raise
        repeated = error
    splits = {}
    for name in sorted({name for plane in slices for name in plane.traits}):
        parts = _by(slices, name)
        if len(parts) > 1 and _whole_sets(parts):
            # Two attributes that split the slices alike are one split.
            sets = frozenset(frozenset(plane.source for plane in part) for part in parts)
            splits[sets] = (name, parts)
    if len(splits) == 1:
        name, parts = next(iter(splits.values()))
        return [(name, grid(part)) for part in parts]
    if len(set(_repeats(slices))) == 1:
        raise DicomError(Reason.VOLUMES, f"{len(splits)} ways to split")
    raise repeated


def _by(slices: Sequence[Plane], name: str) -> list[list[Plane]]:
    """Slices with the same value of an attribute, in the order of the values."""
    parts: dict[Hashable, list[Plane]] = {}
    for plane in slices:
        parts.setdefault(plane.traits.get(name), []).append(plane)
    return [parts[value] for value in sorted(parts, key=_rank)]


def _rank(value: Hashable) -> tuple[float, str]:
    try:
        return float(str(value)), ""
    except ValueError:
        return float("inf"), str(value)


def _whole_sets(parts: Sequence[Sequence[Plane]]) -> bool:
    """Whether all parts take the same positions, each once."""
    if len({len(part) for part in parts}) > 1:
        return False
    normal = parts[0][0].normal
    offsets = np.array([sorted(plane.position @ normal for plane in part) for part in parts])
    return bool(
        np.abs(offsets - offsets[0]).max() <= _SAME_PLACE
        and (len(offsets[0]) == 1 or np.diff(offsets[0]).min() > _SAME_PLACE)
    )


def _repeats(slices: Sequence[Plane]) -> list[int]:
    """How many slices lie at each position."""
    normal = slices[0].normal
    offsets = np.sort([plane.position @ normal for plane in slices])
    ends = [0, *(np.flatnonzero(np.diff(offsets) > _SAME_PLACE) + 1), len(offsets)]
    return [int(after - before) for before, after in itertools.pairwise(ends)]
