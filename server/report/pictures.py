"""Sections of the report that show pictures.

The cross-hospital matrix as a heat map, and examples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from common.html import escape, scroll, section
from server.report import site_results
from server.report.markup import paragraph
from server.report.quality import NAMES
from server.report.style import SHADES
from server.report.wording import finite, metric, table

Report = Mapping[str, Any]
_PNG = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/]*={0,2}")
_TINTS = {"truth": "#ffb13d", "prediction": "#45bdf5"}
_MANY = 7
"""Columns from which on the heat map's headings stand upright."""
_LEAST_SPAN = 0.2
"""Of the heat map's colours, for metrics in [0, 1]: less would paint noise in full contrast."""


def cross(report: Report) -> str:
    """Every model on every hospital's test patients, as a table with shaded cells."""
    matrix = table(report.get("cross"))
    names, columns, values = (list(matrix.get(k) or []) for k in ("models", "sites", "values"))
    if not names or not columns or not values:
        return ""
    key = str(matrix.get("metric", report.get("primary", "")))
    measure = metric(key)
    cells = [[finite(v) for v in list(row or [])[: len(columns)]] for row in values[: len(names)]]
    caption = (
        f"{measure.name} of each model (rows) on each hospital's test patients (columns); "
        "the stronger the colour, the better."
        " Framed cells are a hospital's own model at home: "
        "a row that fades away from its frame has not learnt to travel."
    )
    heads = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    shade = _shader(cells, site_results.higher(report, key), measure.share)
    body = "".join(
        _heat_row(str(name), row, columns, shade, key)
        for name, row in zip(names, cells, strict=False)
    )
    heat_map = (
        f"<table><caption>{escape(caption)}</caption><thead><tr><th "
        f'scope="col">Model</th>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )
    return section(
        "travel",
        "How models travel",
        scroll(
            "Every model at every hospital",
            heat_map,
            "heat many" if len(columns) >= _MANY else "heat",
        ),
    )


def _shader(
    values: Sequence[Sequence[float | None]], higher: bool, share: bool
) -> Mapping[float, int]:
    """The shade of every value.

    For a metric in [0, 1] (``share``) the colours span at least a fifth of it, around the values.
    """
    distinct = sorted({v for row in values for v in row if v is not None})
    low = distinct[0] if distinct else 0.0
    span = distinct[-1] - distinct[0] if distinct else 0.0
    if share and distinct and span < _LEAST_SPAN:
        low = min(max(low + (span - _LEAST_SPAN) / 2, 0.0), 1.0 - _LEAST_SPAN)
        span = _LEAST_SPAN
    shade = {
        v: min(max(round((SHADES - 1) * (v - low) / span), 0), SHADES - 1)
        if span > 0
        else SHADES // 2
        for v in distinct
    }
    return shade if higher else {v: SHADES - 1 - s for v, s in shade.items()}


def _heat_row(
    name: str,
    row: Sequence[float | None],
    columns: Sequence[object],
    shade: Mapping[float, int],
    key: str,
) -> str:
    measure = metric(key)
    cells = []
    for column, value in zip(columns, row, strict=False):
        kind = "" if value is None else f"s{shade[value]}"
        cells.append(
            f'<td class="{kind}{" own" if str(column) == name else ""}">{measure.brief(value)}</td>'
        )
    # A hospital may be called "local"; only the two models that belong to none have a name.
    model = NAMES[name] if name in ("federated", "pooled") else name
    return f'<tr><th scope="row">{escape(model)}</th>{"".join(cells)}</tr>'


def examples(items: Sequence[Mapping[str, Any]]) -> str:
    """Synthetic images with the outlines of truth and prediction, each behind a check box."""
    figures = "".join(_example(item) for item in items)
    if not figures:
        return ""
    tints = "".join(
        (
            f'<filter id="tint-{k}" color-interpolation-filters="sRGB"><feFlood '
            f'flood-color="{c}"/><feComposite in2="SourceAlpha" operator="in"/></filter>'
        )
        for k, c in _TINTS.items()
    )
    boxes = "".join(
        (
            f'<input class="toggle" type="checkbox" id="see-{k}" checked><label '
            f'for="see-{k}">{label}</label>'
        )
        for k, label in (("truth", "Truth"), ("prediction", "Federated model"))
        if any(_png(item.get(k)) for item in items)
    )
    note = paragraph("Synthetic phantoms, not patients.", "note") + paragraph(
        "Switch the outlines on and off:", "note screen"
    )
    return section(
        "examples",
        "Examples",
        f'<svg class="tints" aria-hidden="true">{tints}</svg>',
        note,
        f'{boxes}<div class="shelf">{figures}</div>',
    )


def _example(item: Mapping[str, Any]) -> str:
    image = _png(item.get("image"))
    site = str(item.get("site", ""))
    caption = str(item.get("caption", ""))
    if not image:
        return ""
    layers = "".join(
        f'<img class="layer {k}" src="{_png(item.get(k))}" alt="{description}">'
        for k, description in (("truth", "true outline"), ("prediction", "model's outline"))
        if _png(item.get(k))
    )
    picture = (
        f'<div class="layers"><img src="{image}" alt="Synthetic image of '
        f'{escape(site)}">{layers}</div>'
    )
    return (
        f"<figure>{picture}<figcaption><b>{escape(site)}</b>{escape(caption)}</figcaption></figure>"
    )


def _png(value: object) -> str:
    return (
        f"data:image/png;base64,{value}" if isinstance(value, str) and _PNG.fullmatch(value) else ""
    )
