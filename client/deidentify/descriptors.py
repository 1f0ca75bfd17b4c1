"""Clean Descriptors: which free texts may stay (PS3.15 E.3.5).

A text stays if every word of it is in a small list of anatomy and technique, ``words.txt`` beside
this file; else all of it goes. A name, a number of a patient or a date is in no such list, in
whatever language or place it was typed: what nobody thought of is removed, too.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("words.txt")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{1,2}(?:mm|cm|kv|s|x|d|min|h)?")
_NUMBERS = 2
"""Most numbers in one text, of two digits at most: three of them may be a date."""
_LONGEST = 128


def harmless(text: str) -> bool:
    """Whether a text holds words of anatomy and technique only, and at most two short numbers.

    A short number has at most two digits.
    """
    words = [word.casefold() for word in _WORD.findall(text)]
    unknown = [word for word in words if word not in vocabulary()]
    return (
        len(text) <= _LONGEST
        and len(unknown) <= _NUMBERS
        and all(word.isascii() and _NUMBER.fullmatch(word) for word in unknown)
    )


@cache
def vocabulary() -> frozenset[str]:
    """Every word that may stay, in lower case."""
    lines = [line for line in _FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return frozenset(word.casefold() for line in lines for word in line.split())
