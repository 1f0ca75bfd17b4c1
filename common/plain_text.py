"""Texts that others chose, made fit for a terminal, a log and a page.

A terminal obeys control characters (ECMA-48; the C1 set of ISO/IEC 6429 too), up to writing its
user's clipboard, and a sign of direction (Unicode UAX 9) lets one name pose as another. Here each
such character becomes the escape that Python writes for it: it can be seen and does nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

LONGEST = 400
"""Characters of one text in a sentence; no honest name or reason has as many."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories without a shape of their own: controls, directions, line separators."""
_CUT = " ..."
_ENCODED = re.compile(r"[A-Za-z0-9+/=]*")
"""Base64 (RFC 4648 section 4), as pictures and signatures travel: long, and nothing to obey."""
_DEEPEST = 16
"""Tables within tables of an answer."""


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


def cleaned(value: Any, depth: int = 0) -> Any:
    """A value of a JSON text with every text in it made printable and short, names too.

    Raises:
        ValueError: tables lie within tables without end.
    """
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return value if _ENCODED.fullmatch(value) else printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): cleaned(v, depth + 1) for name, v in value.items()}
    return [cleaned(v, depth + 1) for v in value] if isinstance(value, list) else value


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
