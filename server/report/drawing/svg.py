"""What charts are made of.

The frame with its words for screen readers, axes with round ticks, lines, texts, and labels kept
apart.

Coordinates are in view-box units, x to the right and y downwards; every one that is written is
finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from common import html
from common.html import escape

T = TypeVar("T")
Ends = tuple[float | None, float | None]
"""Smallest and largest possible value of an axis; None where it is open."""
CHARACTER = 7.0
"""Width of an average character of the 12-unit labels, on the wide side."""
_MOST_POINTS = 240


@dataclass(frozen=True)
class Frame:
    """What every chart has.

    An id that is unique on the page, a title, a description, and its width.
    """

    id: str
    title: str
    description: str
    width: int = 760

    @property
    def narrow(self) -> bool:
        """Drawn for a telephone."""
        return self.width < 500


@dataclass(frozen=True)
class Axis:
    """Maps values from [low, high] to [start, end], with round tick values."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    step: float

    def at(self, value: float) -> float:
        """Position of ``value``, kept within the axis."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def label(self, tick: float) -> str:
        """A tick's text, with as many decimals as the step needs."""
        if self.step >= 1e5:
            return f"{tick:.3g}".replace("-", "−")
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{tick + 0.0:.{decimals}f}".replace("-", "−")


def axis(
    values: Iterable[float],
    start: float,
    end: float,
    low: float | None = None,
    high: float | None = None,
    count: int = 5,
    pad: float = 0.06,
) -> Axis:
    """An axis that holds all ``values``.

    It has a margin of ``pad`` of their span, but not beyond ``low`` and ``high``. Without values it
    is [0, 1]; with nothing but zeros, all of [``low``, ``high``] where both are known.
    """
    numbers = list(values)
    if low is not None and high is not None and not any(numbers):
        numbers += [low, high]
    first = min(numbers, default=0.0)
    last = max(numbers, default=1.0)
    margin = (last - first) * pad
    # Equal values would leave no span to divide, so the axis gets one around them.
    if last - first <= 1e-6 * max(abs(first), abs(last), 1e-3):
        margin = max(0.05 * abs(last), 0.005)
    # A value beyond the ends, which no metric should have, is shown all the same.
    smallest = first - margin if low is None else max(first - margin, min(low, first))
    largest = last + margin if high is None else min(last + margin, max(high, last))
    step = round_step((largest - smallest) / count)
    ticks = tuple(
        step * i
        for i in range(math.ceil(smallest / step - 1e-9), math.floor(largest / step + 1e-9) + 1)
    )
    return Axis(smallest, largest, start, end, ticks, step)


def round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, near ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(
        (factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.85), 10 * power
    )


def thin(
    items: Sequence[T], merge: Callable[[Sequence[T]], T], most: int = _MOST_POINTS
) -> list[T]:
    """At most ``most`` items: equal neighbouring groups are merged into one."""
    size = math.ceil(len(items) / most)
    return (
        [merge(items[i : i + size]) for i in range(0, len(items), size)]
        if size > 1
        else list(items)
    )


def apart(
    labels: Sequence[tuple[float, str]], gap: float, top: float, bottom: float
) -> list[tuple[float, str]]:
    """Labels moved so that neighbours are ``gap`` apart.

    Downwards first, then up from the bottom.
    """
    placed: list[tuple[float, str]] = []
    for y, name in sorted(labels):
        placed.append((max(y, placed[-1][0] + gap if placed else top), name))
    limit = bottom
    moved: list[tuple[float, str]] = []
    for y, name in reversed(placed):
        moved.append((min(y, limit), name))
        limit = moved[-1][0] - gap
    return moved[::-1]


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line of a style-sheet class."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def words(
    kind: str, x: float, y: float, content: str, anchor: str = "start", extra: str = ""
) -> str:
    """A text of a style-sheet class; ``extra`` is markup within it."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{escape(content)}{extra}</text>'
    )


def svg(frame: Frame, height: float, body: str) -> str:
    """The image around its content."""
    return html.svg(frame.id, frame.title, frame.description, (frame.width, height), body)
