"""How a hospital's patients are split into train, validation and test: by seed, class by class."""

from __future__ import annotations

from collections import Counter

from client.dataset.manifest import Manifest
from common.seeds import derive
from common.study.sections import Data

PARTS = ("train", "validation", "test")


def split(manifest: Manifest, data: Data, seed: int) -> dict[str, tuple[int, ...]]:
    """Part the patients into train, validation and test; indices into ``manifest.cases``.

    The same seed gives the same parts wherever the files lie. With single-label classes every class
    is spread over the parts as evenly as its patients allow (a patient belongs to the rarest class
    among their images), and a class stays in training first. With few patients training gets one
    first, then test, then validation.
    """
    strata = _strata(manifest, seed)
    seats = _seats(manifest.patients, data)
    part_of: dict[int, str] = {}
    for part in ("test", "validation"):
        shares = _spread([len(stratum) for stratum in strata], seats[part])
        for stratum, take in zip(strata, shares, strict=True):
            part_of.update(dict.fromkeys(stratum[:take], part))
            del stratum[:take]
    parts = [
        "" if case.patient in manifest.withdrawn else part_of.get(case.patient, "train")
        for case in manifest.cases
    ]
    return {name: tuple(i for i, part in enumerate(parts) if part == name) for name in PARTS}


def _strata(manifest: Manifest, seed: int) -> list[list[int]]:
    """Patients of each class in an order drawn from the seed, rarest class first.

    One list where there are no single classes.
    """
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
    test = 0
    validation = 0
    # Half up: Python's round would go to the even neighbour.
    if data.test_fraction and patients >= 2:
        test = max(1, int(data.test_fraction * patients + 0.5))
    if data.validation_fraction and patients >= 2 + bool(test):
        validation = max(1, int(data.validation_fraction * patients + 0.5))
    # Training keeps one patient at least.
    while test + validation >= patients:
        if test >= validation:
            test -= 1
        else:
            validation -= 1
    return {"test": test, "validation": validation}


def _spread(sizes: list[int], seats: int) -> list[int]:
    """Part ``seats`` among strata by size: each gets one before any gets two.

    A stratum gives its last patient only when nothing else is left.
    """
    taken = [0] * len(sizes)
    patients = sum(sizes)
    for _ in range(seats):
        free = [i for i, size in enumerate(sizes) if size - taken[i] > 1] or [
            i for i, size in enumerate(sizes) if size > taken[i]
        ]
        best = max(free, key=lambda i: (taken[i] == 0, seats * sizes[i] / patients - taken[i]))
        taken[best] += 1
    return taken
