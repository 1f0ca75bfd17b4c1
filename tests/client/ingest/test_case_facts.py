"""Facts of a case are numbers about its pixels, and survive their line of JSON."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from client.ingest import case_facts
from client.ingest.case_facts import CaseFacts
from client.readers import Scan
from common.errors import CaseError
from tests.client.ingest import export


def test_facts_survive_their_line() -> None:
    fields = {
        "name": "images/a.png",
        "sha256": "0",
        "patient": "p",
        "modality": "PNG",
        "scanner": "",
        "stamp": "1",
    }
    case = case_facts.of(Scan(export.picture(3)[None], (0.5, 0.25)), **fields)
    assert case_facts.CaseFacts.parse(case.line()) == case
    assert (
        case_facts.CaseFacts.parse(case.line()[:-4]) is None
        and case_facts.CaseFacts.parse("[]") is None
        and case_facts.CaseFacts.parse('{"x": 1}') is None
    )
    assert set(case.public()) == {
        "name",
        "kind",
        "sha256",
        "patient",
        "shape",
        "spacing",
        "modality",
    }


def facts(array: npt.NDArray[np.generic]) -> CaseFacts:
    fields = {"sha256": "", "patient": "p", "modality": "", "scanner": "", "stamp": ""}
    return case_facts.of(Scan(array, (1.0,) * (array.ndim - 1)), name="images/a.png", **fields)


def test_numbers_of_the_finite_values() -> None:
    case = facts(np.array([[[0.0, 4.0], [np.nan, np.inf]]]))
    assert (case.kind, case.file) == ("image", "a.png")
    assert (case.low, case.high, case.mean, case.deviation) == (0.0, 4.0, 2.0, 2.0)
    assert sum(case.histogram) == 2 and case.histogram[0] == case.histogram[-1] == 1


def test_a_picture_of_one_grey_has_no_thumbnail() -> None:
    case = facts(np.full((1, 20, 20), 7.0))
    assert case.look == "" and case.low == case.high == 7.0
    assert facts(np.full((1, 4, 4), np.nan)).mean == 0.0


def test_the_same_values_have_the_same_digest_whatever_their_type() -> None:
    picture = export.picture(1)[None]
    wide = Scan(picture.astype(np.float64), (1.0, 1.0))
    assert case_facts.scan_digest(Scan(picture, (1.0, 1.0))).same(case_facts.scan_digest(wide))
    assert facts(picture).pixels == facts(picture.astype(np.float32)).pixels
    zeros = [case_facts.scan_digest(Scan(np.full((1, 2, 2), z), (1.0, 1.0))) for z in (0.0, -0.0)]
    assert zeros[0].same(zeros[1])
    other = case_facts.scan_digest(Scan(picture, (1.0, 2.0)))
    assert not case_facts.scan_digest(wide).same(other)


def test_values_beyond_32_bit_are_refused() -> None:
    with pytest.raises(CaseError):
        case_facts.scan_digest(Scan(np.full((1, 2, 2), 1e39), (1.0, 1.0)))
