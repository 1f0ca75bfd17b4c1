"""Charts as inline SVG: text in, text out.

Coordinates are in view-box units, x to the right and y downwards; every one is finite.

Colours come from the page's style sheet through classes, so that one drawing serves light, dark and
print. Every chart is an image with a title and a description for screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from common.html import escape
from server.report.svg import Axis, Frame, apart, axis, line, round_step, svg, thin, words
from server.report.wording import mean, shorten

Points = Sequence[tuple[float, float | None]]
Stack = tuple[float, float, float]
Ends = tuple[float | None, float | None]
_FEW_ROWS = 13
_FEW_LINES = 9
_LEAST_SPAN = 0.1  # of a dot plot's axis between two known ends, as a share of their distance
_CHARACTER = 7.0  # width of an average character of the 12-unit labels, on the wide side


@dataclass(frozen=True)
class Mark:
    """A value with its interval (low, high), either of which may be missing, and the words beside it."""

    value: float | None
    interval: tuple[float, float] | None = None
    label: str = ""
    strong: bool = False


def dot_plot(
    frame: Frame,
    rows: Sequence[tuple[str, Mapping[str, Mark]]],
    kinds: Sequence[str],
    axis_name: str,
    ends: Ends,
) -> str:
    """Dots with whiskers: one group of lines a row, one line a kind.

    The first row is the mean, set apart, and names the kinds.

    Args:
        rows: (name, {kind: mark}).
        kinds: ``federated``, ``local`` and ``pooled``, in the order of the lines.
        axis_name: what the values are.
        ends: smallest and largest possible value of the axis; None: open.
    """
    few = len(rows) <= _FEW_ROWS
    left, right, head = (
        (4, frame.width - (52 if few else 10), 17) if frame.narrow else (184, frame.width - 156, 0)
    )
    marks = [m for _, row in rows for m in row.values() if m.value is not None]
    drawn = [v for m in marks for v in (m.value, *(m.interval or ())) if v is not None]
    scale = axis(
        [*drawn, *_widened(drawn, *ends)], left + 6, right, *ends, count=4 if frame.narrow else 6
    )
    body, y = [], 4.0
    for i, (name, row) in enumerate(rows):
        step = 17.0 if i == 0 else 13.0 if few else 8.0
        height = step * (len(kinds) - 1)
        body.append(_row_name(frame, name, y, height))
        y += head + 8
        beside = frame.narrow and i == 0
        body += [
            _dot(kind, row[kind], scale, y + j * step, 0 if beside else frame.width, few or i == 0)
            for j, kind in enumerate(kinds)
            if kind in row
        ]
        y += height + (14 if i == 0 else 16 if few else 11)
        if i == 0:
            body.append(line("rule", 0, y, frame.width, y))
            y += 8
    return svg(frame, y + 40, _grid_x(scale, 2, y, axis_name, right) + "".join(body))


def _widened(values: Sequence[float], low: float | None, high: float | None) -> list[float]:
    """Two more values for the axis, so that it does not magnify a difference of nearly nothing.

    None on an axis with an open end.
    """
    if low is None or high is None or not any(values):
        return []
    first, last, least = min(values), max(values), _LEAST_SPAN * (high - low)
    if last - first >= least or first < low or last > high:
        return []
    start = min(max((first + last - least) / 2, low), high - least)
    return [start, start + least]


def _row_name(frame: Frame, name: str, y: float, height: float) -> str:
    full = f"<title>{escape(name)}</title>"
    if frame.narrow:
        return words(
            "name", 0, y + 12, shorten(name, int(frame.width / _CHARACTER) - 2), extra=full
        )
    return words("name", 0, y + 8 + height / 2 + 4, shorten(name, 25), extra=full)


def _dot(kind: str, mark: Mark, scale: Axis, y: float, edge: float, labelled: bool) -> str:
    """One mark; its label stands at the right ``edge``, or beside the dot if ``edge`` is 0."""
    if mark.value is None:
        return ""
    x, parts = scale.at(mark.value), ""
    if mark.interval:
        low, high = scale.at(mark.interval[0]), scale.at(mark.interval[1])
        parts = line("whisker", low, y, high, y) + "".join(
            line("whisker", end, y - 2.5, end, y + 2.5) for end in (low, high)
        )
    shape = {
        "federated": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2"/>',
        "local": f'<rect x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2"/>',
    }.get(
        kind,
        (
            f'<path d="M{x:.1f} {y - 4.6:.1f}L{x + 4.6:.1f} {y:.1f}L{x:.1f} '
            f'{y + 4.6:.1f}L{x - 4.6:.1f} {y:.1f}z"/>'
        ),
    )
    return (
        "<g "
        f'class="{kind}">{parts}{shape}{_mark_label(mark, x, y, edge, scale) if labelled else ""}</g>'
    )


def _mark_label(mark: Mark, x: float, y: float, edge: float, scale: Axis) -> str:
    label = mark.label
    if edge:
        return words("direct strong" if mark.strong else "direct", edge, y + 4, label, "end")
    fits = x + 12 + len(label) * _CHARACTER < scale.end + 48
    return (
        words("direct strong", x + 10, y + 4, label)
        if fits
        else words("direct strong", x - 10, y + 4, label, "end")
    )


def lines(
    frame: Frame,
    series: Mapping[str, Points],
    main: str,
    axis_name: str,
    ends: Ends,
    height: int = 260,
) -> str:
    """Lines over rounds: every series thin, ``main`` thick on top.

    Names stand at the lines' ends if there are at most eight.

    Args:
        series: {name: [(round, value or None)]}; a missing value breaks the line.
        main: name of the series to stress; need not be there.
        axis_name: what the values are.
        ends: smallest and largest possible value; None: open.
        height: of the chart.
    """
    few = len(series) <= _FEW_LINES
    margin = (100 if frame.narrow else 156) if few else 56
    top, bottom, right = 28, height - 40, frame.width - margin
    rounds = [x for points in series.values() for x, _ in points]
    across = axis([1.0, *rounds], 44, right, count=4 if frame.narrow else 8, pad=0.0)
    up = axis(
        (y for points in series.values() for _, y in points if y is not None), bottom, top, *ends
    )
    names = [name for name in series if name != main] + [name for name in series if name == main]
    drawn = "".join(
        _curve(series[name], across, up, "main" if name == main else "thin", name) for name in names
    )
    last = {
        name: _present(series[name])[-1]
        for name in names
        if _present(series[name]) and (few or name == main)
    }
    labels = _end_labels(
        {name: (across.at(x), up.at(y)) for name, (x, y) in last.items()},
        main,
        (top, bottom),
        right,
        margin,
    )
    return svg(
        frame,
        height,
        _grid_y(up, 44, right, axis_name) + _rounds(across, bottom, right) + drawn + labels,
    )


def _end_labels(
    last: Mapping[str, tuple[float, float]],
    main: str,
    rows: tuple[float, float],
    right: float,
    margin: float,
) -> str:
    drawn = ""
    for y, name in apart([(y, name) for name, (_, y) in last.items()], 14, *rows):
        kind, (x, from_y) = "main" if name == main else "thin", last[name]
        drawn += line(f"leader {kind}", x + 4, from_y, right + 16, y) if x + 4 < right + 16 else ""
        drawn += words(
            f"direct {kind}",
            right + 20,
            y + 4,
            shorten(name, int((margin - 22) / _CHARACTER)),
            extra=f"<title>{escape(name)}</title>",
        )
    return drawn


def _present(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if y is not None]


def _curve(points: Points, across: Axis, up: Axis, kind: str, name: str) -> str:
    thinned = thin(points, lambda group: (_present(group) or group)[-1])
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in thinned:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((across.at(x), up.at(y)))
    path = "".join(
        f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in piece)}" for piece in pieces if len(piece) > 1
    )
    spotted = [
        spot for piece in pieces for spot in piece if len(piece) == 1 or _spotted(thinned, kind)
    ]
    spots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in spotted)
    return (
        '<g class="curve '
        f'{kind}"><title>{escape(name)}</title>{f"""<path d="{path}"/>""" if path else ""}{spots}</g>'
    )


def _spotted(thinned: Points, kind: str) -> bool:
    return kind == "main" and len(thinned) <= 24


def bars(
    frame: Frame,
    stacks: Sequence[Stack],
    names: tuple[str, str],
    show: Callable[[float], str],
    height: int = 220,
) -> str:
    """Two-part bars over rounds.

    Args:
        stacks: (round, lower part, upper part), neither part negative.
        names: of the lower and of the upper part.
        show: writes an axis value with its unit.
        height: of the chart.
    """
    merged = thin(
        stacks,
        lambda group: (
            group[-1][0],
            mean(g[1] for g in group) or 0.0,
            mean(g[2] for g in group) or 0.0,
        ),
    )
    top, bottom, left, right = 48, height - 40, 58, frame.width - 6
    up = axis([0.0, *(a + b for _, a, b in merged)], bottom, top, low=0.0, count=4)
    slot = (right - left) / max(1, len(merged))
    thick = min(28.0, slot * 0.72)
    body = ""
    for i, (_, lower, upper) in enumerate(merged):
        x, middle, peak = left + (i + 0.5) * slot - thick / 2, up.at(lower), up.at(lower + upper)
        body += _bar("first", x, middle, thick, bottom - middle) + _bar(
            "second", x, peak, thick, middle - peak
        )
    body += "".join(
        words("tick", left + (i + 0.5) * slot, bottom + 18, f"{merged[i][0]:.0f}", "middle")
        for i in _labelled(merged, slot)
    )
    grid = "".join(
        line("grid", left, up.at(t), right, up.at(t))
        + words("tick", left - 8, up.at(t) + 4, show(t), "end")
        for t in up.ticks
    )
    key = "".join(
        _bar(kind, 0, y, 9, 9) + words("direct", 15, y + 9, name)
        for kind, name, y in zip(("first", "second"), names, (3, 21), strict=True)
    )
    return svg(frame, height, grid + body + words("axis", right, height - 6, "round", "end") + key)


def _labelled(merged: Sequence[Stack], slot: float) -> list[int]:
    """Which bars carry their round.

    Round numbers of it, or every so many bars if rounds were merged.
    """
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


def _grid_x(scale: Axis, top: float, bottom: float, name: str, right: float) -> str:
    lines_ = "".join(line("grid", scale.at(t), top, scale.at(t), bottom) for t in scale.ticks)
    ticks = "".join(
        words("tick", scale.at(t), bottom + 16, scale.label(t), "middle") for t in scale.ticks
    )
    return lines_ + ticks + words("axis", right, bottom + 34, name, "end")


def _grid_y(scale: Axis, left: float, right: float, name: str) -> str:
    ticks = "".join(
        line("grid", left, scale.at(t), right, scale.at(t))
        + words("tick", left - 8, scale.at(t) + 4, scale.label(t), "end")
        for t in scale.ticks
    )
    return ticks + words("axis", 0, 12, name)


def _rounds(across: Axis, bottom: float, right: float) -> str:
    whole = [t for t in across.ticks if across.step >= 1 or abs(t - round(t)) < 1e-6]
    ticks = "".join(words("tick", across.at(t), bottom + 20, f"{t:.0f}", "middle") for t in whole)
    return ticks + words("axis", right, bottom + 36, "round", "end")
