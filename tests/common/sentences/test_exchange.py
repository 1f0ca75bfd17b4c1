"""Sentences on what the two sides exchange: their subjects, numbers and names of hospitals."""

from __future__ import annotations

from common.sentences._exchange import EXCHANGE
from common.sentences.table import say


def test_the_codes_are_of_these_subjects() -> None:
    subjects = {"certificate", "message", "roster", "signature", "study", "sum"}
    assert {code.split(".")[0] for code in EXCHANGE} == subjects


def test_none_tells_a_number_of_the_hospitals_data() -> None:
    assert {code for code, entry in EXCHANGE.items() if entry.counts} == set()


def test_a_sum_that_is_too_small_names_both_numbers() -> None:
    assert say("sum.too_few", hospitals=2, least=3).render() == (
        "A secure sum over 2 hospitals is proposed; this hospital's policy asks for 3."
    )
