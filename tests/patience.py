"""How long tests wait: for something to happen, never for a time.

And the longer the slower this machine is just now.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_WORK = 10_000_000
_REFERENCE = 0.3
"""Seconds in which an idle machine of today adds up so many numbers and starts a Python that
imports nothing.
"""
_MOST = 20.0
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
"""Looks become rarer, since many cost the machine more than what is waited for, e.g.

A TLS handshake each.
"""


def slowness() -> float:
    """How many times slower than a reference this machine is now, at least 1 and at most 20.

    A share of a busy processor shows in work that lasts; a busy disk or table of processes shows in
    the start of one.
    """
    began = time.monotonic()
    sum(range(_WORK))
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return min(max((time.monotonic() - began) / _REFERENCE, 1.0), _MOST)


@cache
def _first() -> float:
    """As it was when this test process first asked."""
    return slowness()


def patient(seconds: float) -> float:
    """A time limit for a machine without other work, as it has to be on this one."""
    return seconds * _first()


def until(there: Callable[[], T], what: str = "what is waited for", seconds: float = 60.0) -> T:
    """The first true value of ``there()``.

    When the time is up, the machine is measured anew: it may have become slower since.

    Raises:
        AssertionError: it does not come.
    """
    began = time.monotonic()
    limit = patient(seconds)
    nothing = threading.Event()
    pause = _FIRST_PAUSE
    while not (value := there()):
        passed = time.monotonic() - began
        if passed > limit:
            limit = max(limit, seconds * slowness())
        if passed > limit:
            raise AssertionError(
                f"after {passed:.0f} s, of {limit:.0f} allowed on this machine now: {what}"
            )
        nothing.wait(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE)
    return value
