"""Sentences on DICOM: their subjects, and that the transfer syntax is one of a fixed list."""

from __future__ import annotations

from common.sentences._dicom import DICOM
from common.sentences.table import say


def test_the_codes_are_of_these_subjects() -> None:
    assert {code.split(".")[0] for code in DICOM} == {"dicom", "look"}


def test_a_value_of_a_header_cannot_pose_as_a_transfer_syntax() -> None:
    sentence = say("dicom.no_decoder", way="Smith^Anna")
    assert "Smith" not in sentence.render()
    assert "which cannot be decoded here" in sentence.render()
