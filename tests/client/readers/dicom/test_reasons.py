"""Reasons of refusals and their sentences."""

from __future__ import annotations

from client.readers.dicom.reasons import CODES, Reason
from common.sentences.table import say


def test_every_reason_has_one_sentence() -> None:
    assert set(CODES) == set(Reason) and len(set(CODES.values())) == len(CODES)
    assert all(
        s.endswith(".") and s.count(". ") == 0
        for s in (say(code).render() for code in CODES.values())
    )
