"""Texts and times as people read them.

Whatever came from outside is cleaned here: no control or direction character reaches a terminal or
a page.
"""

from __future__ import annotations

from datetime import datetime

from common.html import escape, visible

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
    return visible(str(value)[:_LONGEST])


def markup(value: object) -> str:
    """A text for HTML, within elements and quoted attributes."""
    return escape(plain(value))


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
