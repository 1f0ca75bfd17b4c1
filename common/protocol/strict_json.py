"""JSON of a message: every number in it can be computed with; RFC 8259 section 6 sets no limits."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST = 1 << 63
"""No whole number of a message reaches it."""


def loads(text: str) -> Any:
    """What a text holds.

    Raises:
        ValueError: it is not JSON, or a number in it is not finite or beyond all measure.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refused, parse_int=_bounded, parse_float=_finite)


def _refused(name: str) -> NoReturn:
    raise ValueError(name)


def _bounded(text: str) -> int:
    # Arithmetic with floats fails beyond 1e308, wherever it is done; no honest number is so large.
    number = int(text)
    if not -_MOST <= number < _MOST:
        raise ValueError("a whole number is too large")
    return number


def _finite(text: str) -> float:
    # "1e999" is infinite without being written so.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is infinite")
    return number
