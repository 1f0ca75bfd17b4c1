"""Doubles are found, and different pictures are not taken for them."""

from __future__ import annotations

import numpy as np

from client.ingest import case_facts
from client.ingest.readiness import duplicates
from client.readers import Scan
from tests.client.ingest import export


def test_different_pictures_are_no_doubles() -> None:
    fields = {"name": "", "sha256": "", "patient": "p", "modality": "", "scanner": "", "stamp": ""}
    rng = np.random.default_rng(0)
    base = export.picture(0, (64, 64)).astype(
        float
    )  # the same anatomy every time, each patient a little different
    cases = [
        case_facts.of(
            Scan(
                (base + 0.5 * export.picture(i, (64, 64)) + rng.normal(0, 6, (64, 64)))[None],
                (1.0, 1.0),
            ),
            **fields,
        )
        for i in range(1, 61)
    ]
    same = case_facts.of(
        Scan(np.repeat(np.repeat(base, 2, 0), 2, 1)[None] * 3, (1.0, 1.0)), **fields
    )
    again = case_facts.of(Scan(base[None], (1.0, 1.0)), **fields)
    assert duplicates.find(cases) == duplicates.Doubles((), ())
    assert duplicates.find([*cases, same, again]).near == ((60, 61),)


def test_exact_doubles_and_values_across_them() -> None:
    fields = {"name": "", "sha256": "", "patient": "p", "modality": "", "scanner": "", "stamp": ""}
    cases = [
        case_facts.of(Scan(export.picture(i)[None], (1.0, 1.0)), **fields) for i in (1, 2, 1, 2, 3)
    ]
    groups = duplicates.find(cases)
    assert groups.exact == ((0, 2), (1, 3)) and groups.near == ()
    assert duplicates.across(groups.exact, {0: "a", 2: "a", 1: "a", 3: "b"}) == 1
    assert duplicates.across(groups.exact, {0: "a", 3: "b"}) == 0


def test_there_is_no_double_of_nothing() -> None:
    assert duplicates.find([]) == duplicates.Doubles((), ())
