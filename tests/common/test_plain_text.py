"""What a terminal would obey becomes what a person can read."""

from __future__ import annotations

import unicodedata

import pytest

from common.plain_text import LONGEST, cleaned, described, printable

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
"""Writes into the clipboard of whoever looks (OSC 52 of xterm's control sequences)."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("north", "north"),
        ("Zürich, Kraków 東京 العربية", "Zürich, Kraków 東京 العربية"),
        (CLIPBOARD, "\\x1b]52;c;cm0gLXJmIH4=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066c\u200fd", "a\\u202eb\\u2066c\\u200fd"),
        ("a\nb\rc\td\u2028e\u2029f\x85g", "a\\nb\\rc\\td\\u2028e\\u2029f\\x85g"),
        ("a\x00b\x7fc\ud800d", "a\\x00b\\x7fc\\ud800d"),
        ("a\U000e0041b", "a\\U000e0041b"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_nothing_hidden_is_left_of_any_character() -> None:
    for number in range(0x11_0000):
        shown = printable(chr(number))
        assert all(unicodedata.category(c)[0] != "C" for c in shown)
        shown.encode()


def test_a_long_text_is_cut_also_where_escapes_make_it_longer() -> None:
    assert printable("x" * LONGEST) == "x" * LONGEST
    assert printable("x" * (LONGEST + 1)) == "x" * (LONGEST - 4) + " ..."
    assert len(printable("\x1b" * 2_000_000)) == LONGEST
    assert printable("abcdef", 5) == "a ..."


def test_what_is_to_stay_stays() -> None:
    assert printable("a\nb\x1b", kept="\n") == "a\nb\\x1b"


def test_a_value_of_any_type_is_short() -> None:
    assert described("a\x1b") == "'a\\x1b'"
    assert described({"a": [1, None]}) == "{'a': [1, None]}"
    assert len(described(["x"] * 100_000)) == 80


def test_an_answer_s_values_are_cleaned_to_their_depth() -> None:
    picture = "iVBORw0KGgo" * 1000 + "=="
    assert cleaned({"a\x1b": ["\x9b", {"b": "\n"}], "n": 1.5, "p": picture, "x": None}) == {
        "a\\x1b": ["\\x9b", {"b": "\\n"}],
        "n": 1.5,
        "p": picture,
        "x": None,
    }
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deep"):
        cleaned(deep)
