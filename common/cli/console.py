"""The one place through which commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

_STYLES = {"red": "31", "bold": "1", "dim": "2"}


def out(text: str) -> None:
    """One result on stdout."""
    sys.stdout.write(text + "\n")


def out_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout, on one line.

    Raises:
        ValueError: the value holds NaN or infinity, for which JSON has no form.
    """
    out(json.dumps(value, allow_nan=False))


def note(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(text + "\n")


def agreed(question: str) -> bool:
    """Ask on the terminal; whether the answer is exactly "yes"."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style ("red", "bold", "dim"); unchanged off a terminal and under NO_COLOR."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"\033[{_STYLES[style]}m{text}\033[0m"


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
