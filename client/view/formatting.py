"""Numbers and texts as people read them. Whatever came from outside is cleaned here: no control or direction character reaches a terminal or a page."""

from __future__ import annotations

import html
import unicodedata
from datetime import datetime

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_LONGEST = 500
QUESTIONS = {
    "join": "taking part",
    "agree": "keys for masks",
    "tally": "counts",
    "train": "training",
    "evaluate": "scoring",
}
"""Kinds of questions as people call them."""


def plain(value: object) -> str:
    """A text in one line, each character of it visible."""
    text = str(value)[:_LONGEST]
    return "".join(
        "\ufffd" if unicodedata.category(letter) in _HIDDEN else letter for letter in text
    )


def markup(value: object) -> str:
    """A text for HTML, within elements and quoted attributes."""
    return html.escape(plain(value), quote=True)


def size(count: float | None) -> str:
    """Bytes in decimal units: ``812 B``, ``4.1 kB``, ``206 MB``."""
    if count is None:
        return "unknown"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{whole(count)} TB" if count >= 10 else f"{count:.1f} TB"


def whole(count: float) -> str:
    """A whole number in groups of three digits."""
    return f"{count:,.0f}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """``1 round``, ``3 rounds``."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"


def moment(at: str, now: datetime) -> str:
    """A time of this machine's clock: ``12:03:11``, with the date where it is another day's."""
    try:
        here = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return plain(at) or "never"
    clock = here.strftime("%H:%M:%S")
    return clock if here.date() == now.astimezone().date() else f"{here.day} {here:%b %Y}, {clock}"


def day(at: str) -> str:
    """A date of this machine's clock: ``21 Nov 2026``."""
    try:
        here = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return plain(at) or "unknown"
    return f"{here.day} {here:%b %Y}"
