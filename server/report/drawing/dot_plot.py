"""Dots with whiskers: the results of models at hospitals, side by side on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.html import escape
from server.report.drawing.svg import CHARACTER, Axis, Ends, Frame, axis, line, svg, words
from server.report.wording import shorten

_FEW_ROWS = 13
_LEAST_SPAN = 0.1
"""Of the axis between two known ends, as a share of their distance."""


@dataclass(frozen=True)
class Mark:
    """A value with its interval (low, high) and the words beside it.

    The value or the interval may be missing.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    label: str = ""
    strong: bool = False


Rows = Sequence[tuple[str, Mapping[str, Mark]]]
"""``(name, {kind: mark})``."""


def draw(frame: Frame, rows: Rows, kinds: Sequence[str], axis_name: str, ends: Ends) -> str:
    """One group of lines a row, one line a kind.

    The first row is the mean, set apart, and names the kinds.

    Args:
        frame: the chart's.
        rows: (name, {kind: mark}).
        kinds: ``federated``, ``local`` and ``pooled``, in the order of the lines.
        axis_name: what the values are.
        ends: smallest and largest possible value of the axis; None: open.
    """
    few = len(rows) <= _FEW_ROWS
    right = frame.width - ((52 if few else 10) if frame.narrow else 156)
    scale = _scale(frame, rows, right, ends)
    groups, bottom = _groups(frame, rows, kinds, scale, few)
    return svg(frame, bottom + 40, _grid(scale, 2, bottom, axis_name, right) + groups)


def _scale(frame: Frame, rows: Rows, right: float, ends: Ends) -> Axis:
    marks = [m for _, row in rows for m in row.values() if m.value is not None]
    drawn = [v for m in marks for v in (m.value, *(m.interval or ())) if v is not None]
    left = 4 if frame.narrow else 184
    return axis(
        [*drawn, *_widened(drawn, *ends)], left + 6, right, *ends, count=4 if frame.narrow else 6
    )


def _widened(values: Sequence[float], low: float | None, high: float | None) -> list[float]:
    """Two more values for the axis, so that it does not magnify a difference of nearly nothing.

    None on an axis with an open end.
    """
    if low is None or high is None or not any(values):
        return []
    first = min(values)
    last = max(values)
    least = _LEAST_SPAN * (high - low)
    if last - first >= least or first < low or last > high:
        return []
    start = min(max((first + last - least) / 2, low), high - least)
    return [start, start + least]


def _groups(
    frame: Frame, rows: Rows, kinds: Sequence[str], scale: Axis, few: bool
) -> tuple[str, float]:
    """The names and marks of all rows, and where they end."""
    body = ""
    y = 4.0
    for number, (name, row) in enumerate(rows):
        is_mean = number == 0
        step = 17.0 if is_mean else 13.0 if few else 8.0
        height = step * (len(kinds) - 1)
        body += _row_name(frame, name, y, height)
        # On a narrow chart the row's name stands above its dots instead of beside them.
        y += (17 if frame.narrow else 0) + 8
        # The mean's labels name the kinds too, so they are too long for a narrow chart's edge.
        edge = 0 if frame.narrow and is_mean else frame.width
        body += "".join(
            _dot(kind, row[kind], scale, y + j * step, edge, few or is_mean)
            for j, kind in enumerate(kinds)
            if kind in row
        )
        y += height + (14 if is_mean else 16 if few else 11)
        if is_mean:
            body += line("rule", 0, y, frame.width, y)
            y += 8
    return body, y


def _row_name(frame: Frame, name: str, y: float, height: float) -> str:
    title = f"<title>{escape(name)}</title>"
    if frame.narrow:
        room = int(frame.width / CHARACTER) - 2
        return words("name", 0, y + 12, shorten(name, room), extra=title)
    return words("name", 0, y + 8 + height / 2 + 4, shorten(name, 25), extra=title)


def _dot(kind: str, mark: Mark, scale: Axis, y: float, edge: float, labelled: bool) -> str:
    """One mark; its label stands at the right ``edge``, or beside the dot if ``edge`` is 0."""
    if mark.value is None:
        return ""
    x = scale.at(mark.value)
    label = _mark_label(mark, x, y, edge, scale) if labelled else ""
    return f'<g class="{kind}">{_whisker(mark, scale, y)}{_shape(kind, x, y)}{label}</g>'


def _whisker(mark: Mark, scale: Axis, y: float) -> str:
    if not mark.interval:
        return ""
    low = scale.at(mark.interval[0])
    high = scale.at(mark.interval[1])
    return line("whisker", low, y, high, y) + "".join(
        line("whisker", end, y - 2.5, end, y + 2.5) for end in (low, high)
    )


def _shape(kind: str, x: float, y: float) -> str:
    """A circle, a square or a diamond, so that kinds differ without their colours too."""
    if kind == "federated":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2"/>'
    if kind == "local":
        return f'<rect x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2"/>'
    return (
        f'<path d="M{x:.1f} {y - 4.6:.1f}L{x + 4.6:.1f} {y:.1f}L{x:.1f} '
        f'{y + 4.6:.1f}L{x - 4.6:.1f} {y:.1f}z"/>'
    )


def _mark_label(mark: Mark, x: float, y: float, edge: float, scale: Axis) -> str:
    label = mark.label
    if edge:
        return words("direct strong" if mark.strong else "direct", edge, y + 4, label, "end")
    fits = x + 12 + len(label) * CHARACTER < scale.end + 48
    return (
        words("direct strong", x + 10, y + 4, label)
        if fits
        else words("direct strong", x - 10, y + 4, label, "end")
    )


def _grid(scale: Axis, top: float, bottom: float, name: str, right: float) -> str:
    lines = "".join(line("grid", scale.at(t), top, scale.at(t), bottom) for t in scale.ticks)
    ticks = "".join(
        words("tick", scale.at(t), bottom + 16, scale.label(t), "middle") for t in scale.ticks
    )
    return lines + ticks + words("axis", right, bottom + 34, name, "end")
