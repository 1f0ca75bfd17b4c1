"""Lines over rounds: how a quantity changed while the model learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.html import escape
from server.report.drawing.svg import (
    CHARACTER,
    Axis,
    Ends,
    Frame,
    apart,
    axis,
    line,
    svg,
    thin,
    words,
)
from server.report.wording import shorten

Points = Sequence[tuple[float, float | None]]
_FEW_LINES = 9
_LEFT = 44
_TOP = 28


def draw(
    frame: Frame,
    series: Mapping[str, Points],
    main: str,
    axis_name: str,
    ends: Ends,
    height: int = 260,
) -> str:
    """Every series thin, ``main`` thick on top.

    Names stand at the lines' ends if there are at most eight.

    Args:
        frame: the chart's.
        series: {name: [(round, value or None)]}; a missing value breaks the line.
        main: name of the series to stress; need not be there.
        axis_name: what the values are.
        ends: smallest and largest possible value; None: open.
        height: of the chart.
    """
    few = len(series) <= _FEW_LINES
    margin = (100 if frame.narrow else 156) if few else 56
    bottom = height - 40
    right = frame.width - margin
    rounds = [x for points in series.values() for x, _ in points]
    values = [y for points in series.values() for _, y in points if y is not None]
    across = axis([1.0, *rounds], _LEFT, right, count=4 if frame.narrow else 8, pad=0.0)
    up = axis(values, bottom, _TOP, *ends)
    # What is drawn last lies on top.
    names = [name for name in series if name != main] + [name for name in series if name == main]
    curves = "".join(
        _curve(series[name], across, up, "main" if name == main else "thin", name) for name in names
    )
    last = {
        name: (across.at(x), up.at(y))
        for name in names
        if few or name == main
        for x, y in _present(series[name])[-1:]
    }
    labels = _end_labels(last, main, (_TOP, bottom), right, margin)
    grid = _grid(up, _LEFT, right, axis_name) + _rounds(across, bottom, right)
    return svg(frame, height, grid + curves + labels)


def _end_labels(
    last: Mapping[str, tuple[float, float]],
    main: str,
    rows: tuple[float, float],
    right: float,
    margin: float,
) -> str:
    labels = ""
    for y, name in apart([(y, name) for name, (_, y) in last.items()], 14, *rows):
        kind = "main" if name == main else "thin"
        x, from_y = last[name]
        labels += line(f"leader {kind}", x + 4, from_y, right + 16, y) if x + 4 < right + 16 else ""
        labels += words(
            f"direct {kind}",
            right + 20,
            y + 4,
            shorten(name, int((margin - 22) / CHARACTER)),
            extra=f"<title>{escape(name)}</title>",
        )
    return labels


def _present(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if y is not None]


def _curve(points: Points, across: Axis, up: Axis, kind: str, name: str) -> str:
    # A group keeps its last value, so that the line ends where the text says that it ends.
    thinned = thin(points, lambda group: (_present(group) or group)[-1])
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in thinned:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((across.at(x), up.at(y)))
    coordinates = "".join(
        f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in piece)}" for piece in pieces if len(piece) > 1
    )
    path = f'<path d="{coordinates}"/>' if coordinates else ""
    # A point between two gaps has no line, and would not be seen without its spot.
    spotted = [
        spot for piece in pieces for spot in piece if len(piece) == 1 or _spotted(thinned, kind)
    ]
    spots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in spotted)
    return f'<g class="curve {kind}"><title>{escape(name)}</title>{path}{spots}</g>'


def _spotted(thinned: Points, kind: str) -> bool:
    return kind == "main" and len(thinned) <= 24


def _grid(scale: Axis, left: float, right: float, name: str) -> str:
    ticks = "".join(
        line("grid", left, scale.at(t), right, scale.at(t))
        + words("tick", left - 8, scale.at(t) + 4, scale.label(t), "end")
        for t in scale.ticks
    )
    return ticks + words("axis", 0, 12, name)


def _rounds(across: Axis, bottom: float, right: float) -> str:
    # A short run's axis has ticks between the rounds, and there are no half rounds.
    whole_rounds = [t for t in across.ticks if across.step >= 1 or abs(t - round(t)) < 1e-6]
    ticks = "".join(
        words("tick", across.at(t), bottom + 20, f"{t:.0f}", "middle") for t in whole_rounds
    )
    return ticks + words("axis", right, bottom + 36, "round", "end")
