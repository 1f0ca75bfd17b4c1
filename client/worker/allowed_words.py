"""The words that a sentence may consist of when it leaves: those that this software's own code writes, and those of the study.

A sentence with any other word might quote a header, a file name or a table; it stays in the hospital's log. Numbers are words of nobody:
they may stand in a sentence up to six digits, so that an identifier of more digits does not leave.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_HOUSE = Path(__file__).resolve().parent.parent.parent
_ROOMS = ("client", "common")
_WORD = re.compile(r"[^\W\d_]+")
_LONG_NUMBER = re.compile(r"\d{7,}")


def spoken(text: str, study: Any) -> bool:
    """Whether every word of a text is our own code's or the study's.

    Args:
        text: what would leave.
        study: the study as tables.
    """
    if _LONG_NUMBER.search(text):
        return False
    strange = set(words(text)) - ours()
    return not strange or strange <= set(_study(study))


def words(text: str) -> Iterator[str]:
    """Runs of letters, in lower case."""
    return (found.group().casefold() for found in _WORD.finditer(text))


@cache
def ours() -> frozenset[str]:
    """Words of the texts, names and docstrings in the code of the hospital's side, read once."""
    found: set[str] = set()
    for room in _ROOMS:
        for path in sorted((_HOUSE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.update(words(node.value))
    return frozenset(found)


def _study(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from words(str(key))
            yield from _study(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _study(inner)
    elif isinstance(value, str):
        yield from words(value)
