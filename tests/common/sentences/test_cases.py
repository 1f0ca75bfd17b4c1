"""Sentences on single images: their subjects, and one with and without its counts."""

from __future__ import annotations

from common.sentences._cases import CASES
from common.sentences.table import say


def test_the_codes_are_of_these_subjects() -> None:
    assert {code.split(".")[0] for code in CASES} == {"mask", "case", "picture", "nifti", "box"}


def test_a_count_is_told_or_left_out() -> None:
    sentence = say("case.channels", channels=4, asked=3)
    assert sentence.render() == (
        "The image has 4 channels; the study takes grey or RGB and makes 3 of it."
    )
    assert sentence.without_counts().render() == (
        "The image has another number of channels than is read; the study takes grey or RGB and"
        " makes 3 of it."
    )
