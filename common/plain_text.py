"""Texts that others chose, made fit for a terminal, a log and a page.

A terminal obeys control characters (ECMA-48; the C1 set of ISO/IEC 6429 too), up to writing its
user's clipboard, and a sign of direction (Unicode UAX 9) lets one name pose as another. Here each
such character becomes the escape that Python writes for it, so that it can be seen and does nothing.
"""

from __future__ import annotations

import unicodedata
from typing import Any

LONGEST = 400
"""Characters of one text in a sentence; no honest name or reason has as many."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories without a shape of their own: controls, directions, line separators."""
_CUT = " ..."


def printable(text: str, most: int = LONGEST, kept: str = "") -> str:
    """A text without anything that a terminal would obey.

    Args:
        text: as it came.
        most: characters that are left of it at most.
        kept: hidden characters that stay, such as line breaks.
    """
    # Cut first: of millions of characters only the first are looked at.
    shown = text[: most + 1]
    if not shown.isprintable():
        shown = "".join(c if c in kept else _escaped(c) for c in shown)
    return shown if len(shown) <= most else shown[: max(most - len(_CUT), 0)] + _CUT


def described(value: Any, most: int = 80) -> str:
    """A value of any type in a sentence, as Python writes it, and short."""
    return printable(repr(value), most)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
