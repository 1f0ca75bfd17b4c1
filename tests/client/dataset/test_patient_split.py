"""Patients are split by seed alone, class by class, and each lies in one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from client.dataset.manifest import Case, Manifest, index
from client.dataset.patient_split import split
from common.study.sections import Data
from tests.client.dataset.labelled_folders import LABEL, hospital

DATA = Data(min_patients=1)


def manifest_of(labels: Sequence[Sequence[int | None]]) -> Manifest:
    """A manifest with one patient for each inner list of class numbers."""
    cases = tuple(
        Case(Path("x"), patient, stratum=label)
        for patient, group in enumerate(labels)
        for label in group
    )
    return Manifest(cases, len(labels), 0, Counter())


def patients(manifest: Manifest, parts: dict[str, tuple[int, ...]]) -> dict[str, set[int]]:
    return {part: {manifest.cases[i].patient for i in indices} for part, indices in parts.items()}


@pytest.mark.parametrize("labels", [[[0], [1]] * 30, [[None] * 3] * 25, [[0, 1]] * 17])
def test_parts_are_disjoint_in_patients_and_complete(
    labels: Sequence[Sequence[int | None]],
) -> None:
    manifest = manifest_of(labels)
    parts = split(manifest, DATA, 3)
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(i for part in parts.values() for i in part) == list(range(len(manifest.cases)))
    groups = patients(manifest, parts)
    assert sum(map(len, groups.values())) == manifest.patients
    assert len(groups["test"]) == round(0.2 * manifest.patients)


def test_split_depends_on_the_seed_alone() -> None:
    manifest = manifest_of([[0]] * 50)
    assert split(manifest, DATA, 1) == split(manifest, DATA, 1)
    assert split(manifest, DATA, 1) != split(manifest, DATA, 2)


def test_split_does_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    rows = {f"{i}.png": f"{i % 2},{i % 13}" for i in range(26)}
    first = index(hospital(tmp_path / "a", rows), LABEL, DATA)
    second = index(hospital(tmp_path / "b", dict(reversed(rows.items()))), LABEL, DATA)
    assert split(first, DATA, 5) == split(second, DATA, 5)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (10, (7, 1, 2))],
)
def test_few_patients_train_first_then_test_then_validation(
    count: int, sizes: tuple[int, ...]
) -> None:
    for labels in ([[0]] * count, [[i] for i in range(count)]):
        assert tuple(map(len, split(manifest_of(labels), DATA, 1).values())) == sizes


@pytest.mark.parametrize(
    ("test", "validation", "sizes"),
    [(0.0, 0.0, (9, 0, 0)), (0.0, 0.1, (8, 1, 0)), (0.9, 0.05, (1, 1, 7)), (0.5, 0.49, (1, 4, 4))],
)
def test_fractions(test: float, validation: float, sizes: tuple[int, ...]) -> None:
    data = Data(test_fraction=test, validation_fraction=validation)
    assert tuple(map(len, split(manifest_of([[0]] * 9), data, 1).values())) == sizes


@pytest.mark.parametrize("seed", range(5))
def test_small_classes_reach_every_part(seed: int) -> None:
    labels = [[0]] * 60 + [[1]] * 5 + [[2]] * 3 + [[3]]
    manifest = manifest_of(labels)
    classes = {
        part: {manifest.cases[i].stratum for i in indices}
        for part, indices in split(manifest, DATA, seed).items()
    }
    assert classes == {"train": {0, 1, 2, 3}, "validation": {0, 1, 2}, "test": {0, 1, 2}}


def test_large_classes_keep_their_share() -> None:
    manifest = manifest_of([[0]] * 80 + [[1]] * 20)
    counts = Counter(manifest.cases[i].stratum for i in split(manifest, DATA, 1)["test"])
    assert counts == {0: 16, 1: 4}


def test_a_patient_counts_for_the_rarest_of_their_classes() -> None:
    manifest = manifest_of([[0, 0, 1]] * 3 + [[0]] * 60)
    parts = split(manifest, DATA, 1)
    assert all(1 in {manifest.cases[i].stratum for i in indices} for indices in parts.values())
