"""How long a test waits for what must come: for the event itself, with a bound that grows with how slow this machine is now.

A fixed wait that is long enough on a quiet machine is too short on one that does eight other jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LONG = 1200.0
"""Seconds after which something that is waited for outside :func:`until` (a process, a thread) hangs."""
_WORK = 400_000
_QUIET = 0.02
"""Seconds that :func:`_work` takes on the machine on which the tests were written, with nothing else running."""
_PAUSE = 0.02
_SLOWEST = 20.0


def until(there: Callable[[], T], what: str, seconds: float = 90.0) -> T:
    """The first true value of ``there()``.

    Args:
        there: looked at again and again.
        what: for the error, e.g. "the server does not start".
        seconds: to wait at most, on a quiet machine.

    Raises:
        AssertionError: it did not come in this time, nor in as many times of it as the machine is slower than quiet.
    """
    began = time.monotonic()
    while not (value := there()):
        waited = time.monotonic() - began
        if waited > seconds and waited > seconds * slowdown():
            raise AssertionError(f"after {waited:.0f} s: {what}")
        time.sleep(_PAUSE)
    return value


def slowdown() -> float:
    """How many times as long as on a quiet machine a fixed piece of work takes at this moment; 1 to 20."""
    began = time.perf_counter()
    _work()
    return min(max((time.perf_counter() - began) / _QUIET, 1.0), _SLOWEST)


def _work() -> int:
    return sum(range(_WORK)) + sum(number & 3 for number in range(_WORK))
