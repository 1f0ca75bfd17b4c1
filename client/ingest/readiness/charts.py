"""Charts of the readiness page as SVG: bars and histograms. Every text is escaped here; colours come from the page's style sheet."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

WIDTH = 640
_LABEL, _NUMBER, _ROW, _HEIGHT = 200, 70, 24, 140
_LONGEST = 30


def text(words: object) -> str:
    """Escaped for HTML."""
    return html.escape(str(words), quote=True)


def bars(name: str, title: str, counts: Mapping[str, int], whole: int | None = None) -> str:
    """One horizontal bar for each entry, with its number; ``whole`` is what a full bar stands for."""
    if not counts:
        return ""
    most, room = max(whole or 0, *counts.values(), 1), WIDTH - _LABEL - _NUMBER
    rows = []
    for i, (label, count) in enumerate(counts.items()):
        y, width = i * _ROW, room * count / most
        rows.append(
            f'<text x="{_LABEL - 10}" y="{y + 16}" text-anchor="end">{text(_short(label))}</text>'
            f'<rect class="bar" x="{_LABEL}" y="{y + 4}" width="{max(width, 1):.1f}" height="{_ROW - 8}" rx="2"/>'
            f'<text class="soft" x="{_LABEL + max(width, 1) + 8:.1f}" y="{y + 16}">{count}</text>'
        )
    about = ", ".join(f"{label}: {count}" for label, count in counts.items())
    return _svg(name, title, about, _ROW * len(counts) + 4, "".join(rows))


def histogram(name: str, title: str, low: float, high: float, share: Sequence[float]) -> str:
    """Columns over an axis from low to high."""
    most, width = max([*share, 1e-9]), (WIDTH - 20) / len(share)
    columns = "".join(
        f'<rect class="bar" x="{10 + i * width:.1f}" y="{_HEIGHT - 110 * v / most:.1f}" width="{width - 1:.1f}" height="{110 * v / most:.1f}"/>'
        for i, v in enumerate(share)
    )
    axis = f'<line class="rule" x1="10" y1="{_HEIGHT}" x2="{WIDTH - 10}" y2="{_HEIGHT}"/>'
    ends = (
        f'<text class="soft" x="10" y="{_HEIGHT + 18}">{_number(low)}</text>'
        f'<text class="soft" x="{WIDTH - 10}" y="{_HEIGHT + 18}" text-anchor="end">{_number(high)}</text>'
    )
    middle = (share.index(max(share)) + 0.5) / len(share) * (high - low) + low
    return _svg(
        name,
        title,
        f"from {_number(low)} to {_number(high)}, most near {_number(middle)}",
        _HEIGHT + 24,
        columns + axis + ends,
    )


def _svg(name: str, title: str, about: str, height: float, body: str) -> str:
    label = f'<title id="{name}-t">{text(title)}</title><desc id="{name}-d">{text(about)}</desc>'
    box = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{name}-t {name}-d"'
    return f"<figure><figcaption>{text(title)}</figcaption><svg {box}>{label}{body}</svg></figure>"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
