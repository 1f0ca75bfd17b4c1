"""Sentences on a folder as a whole: their subjects, and one with and without its counts."""

from __future__ import annotations

from common.sentences._data import DATA
from common.sentences.table import say


def test_the_codes_are_of_these_subjects() -> None:
    assert {code.split(".")[0] for code in DATA} == {"data", "table"}


def test_a_count_is_told_or_left_out() -> None:
    sentence = say("table.no_file_column", file="/x/smith.csv", columns=5)
    assert sentence.render() == (
        "A table has no column file among its 5 columns; begin it with a line of column names."
    )
    assert sentence.without_counts().render() == (
        "A table has no column file; begin it with a line of column names."
    )
