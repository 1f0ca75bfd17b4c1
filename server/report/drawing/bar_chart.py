"""Two-part bars over rounds: what every round took, and how it divides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from server.report.drawing.svg import Axis, Frame, axis, line, round_step, svg, thin, words
from server.report.wording import mean

Stack = tuple[float, float, float]
"""``(round, lower part, upper part)``."""
_LEFT = 58
_TOP = 48


def draw(
    frame: Frame,
    stacks: Sequence[Stack],
    names: tuple[str, str],
    show: Callable[[float], str],
    height: int = 220,
) -> str:
    """One bar a round; neighbouring rounds share one where there are too many.

    Args:
        frame: the chart's.
        stacks: (round, lower part, upper part), neither part negative.
        names: of the lower and of the upper part.
        show: writes an axis value with its unit.
        height: of the chart.
    """
    merged = thin(stacks, _merge)
    bottom = height - 40
    right = frame.width - 6
    up = axis([0.0, *(a + b for _, a, b in merged)], bottom, _TOP, low=0.0, count=4)
    slot = (right - _LEFT) / max(1, len(merged))
    ticks = "".join(
        words("tick", _LEFT + (i + 0.5) * slot, bottom + 18, f"{merged[i][0]:.0f}", "middle")
        for i in _labelled(merged, slot)
    )
    key = "".join(
        _bar(kind, 0, y, 9, 9) + words("direct", 15, y + 9, name)
        for kind, name, y in zip(("first", "second"), names, (3, 21), strict=True)
    )
    axis_name = words("axis", right, height - 6, "round", "end")
    bars = _bars(merged, up, slot, bottom)
    return svg(frame, height, _grid(up, right, show) + bars + ticks + axis_name + key)


def _merge(group: Sequence[Stack]) -> Stack:
    """The last round of a group with the means of its parts."""
    return (
        group[-1][0],
        mean(stack[1] for stack in group) or 0.0,
        mean(stack[2] for stack in group) or 0.0,
    )


def _bars(stacks: Sequence[Stack], up: Axis, slot: float, bottom: float) -> str:
    width = min(28.0, slot * 0.72)
    body = ""
    for place, (_, lower, upper) in enumerate(stacks):
        x = _LEFT + (place + 0.5) * slot - width / 2
        middle = up.at(lower)
        peak = up.at(lower + upper)
        body += _bar("first", x, middle, width, bottom - middle)
        body += _bar("second", x, peak, width, middle - peak)
    return body


def _labelled(merged: Sequence[Stack], slot: float) -> list[int]:
    """Which bars carry their round.

    Round numbers of it, or every so many bars if rounds were merged.
    """
    # A label needs 28 units to stand apart from the next.
    every = max(1, math.ceil(round_step(28 / slot))) if slot < 28 else 1
    round_ones = [i for i, bar in enumerate(merged) if bar[0] % every == 0]
    return (
        round_ones
        if len(round_ones) * every >= len(merged) - every
        else list(range(every - 1, len(merged), every))
    )


def _bar(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="bar {kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{max(0.0, height):.1f}"/>'
    )


def _grid(up: Axis, right: float, show: Callable[[float], str]) -> str:
    return "".join(
        line("grid", _LEFT, up.at(t), right, up.at(t))
        + words("tick", _LEFT - 8, up.at(t) + 4, show(t), "end")
        for t in up.ticks
    )
