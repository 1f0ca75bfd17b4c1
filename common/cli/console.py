"""The one place through which commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from common.plain_text import printable

_STYLES = {"red": "31", "bold": "1", "dim": "2"}
_CONTROL = f"{secrets.token_hex(16)}["
"""Stands for our own control sequences until they are written: nobody else can guess it."""
_LONGEST_LINE = 4000


def out(text: str) -> None:
    """One result on stdout, without anything that a terminal obeys but our own styles."""
    sys.stdout.write(_shown(text) + "\n")


def out_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout, on one line.

    Raises:
        ValueError: the value holds NaN or infinity, for which JSON has no form.
    """
    # JSON escapes all but this one (RFC 8259 section 7).
    sys.stdout.write(json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f") + "\n")


def note(text: str) -> None:
    """One line on stderr, as :func:`out`."""
    sys.stderr.write(_shown(text) + "\n")


def agreed(question: str) -> bool:
    """Ask on the terminal; whether the answer is exactly "yes"."""
    sys.stderr.write(_shown(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style ("red", "bold", "dim"); unchanged off a terminal and under NO_COLOR.

    For :func:`out` and :func:`note`, which write it.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"{_CONTROL}{_STYLES[style]}m{text}{_CONTROL}0m"


def clear() -> str:
    """What :func:`out` begins a screen anew with: cursor home, then erase."""
    return f"{_CONTROL}H{_CONTROL}2J"


def _shown(text: str) -> str:
    lines = [printable(line, _LONGEST_LINE, "\t") for line in text.split("\n")]
    return "\n".join(lines).replace(_CONTROL, "\033[")


def stop_event() -> threading.Event:
    """Set as soon as somebody asks this process to stop, by Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    return stop


@contextlib.contextmanager
def work() -> Iterator[None]:
    """While it lasts, whatever a library prints on stdout goes to stderr: stdout is for the result.

    That holds for prints in Python and below it.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
