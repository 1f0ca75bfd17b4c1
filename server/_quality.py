"""Sections of the report about quality: results at every hospital, learning curves, the cross-hospital matrix, examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from server import charts, verdict
from server._markup import chart, figure, grid, paragraph, scroll, section
from server._style import SHADES
from server._words import finite, mean, metric, plural, table, text, whole
from server.charts import Mark

Report = Mapping[str, Any]
NAMES = {"federated": "federated", "local": "own model", "pooled": "pooled images"}
_PNG = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/]*={0,2}")
_TINTS = {"truth": "#ffb13d", "prediction": "#45bdf5"}
_MANY = 7
_LEAST_SPAN = 0.2  # of the heat map's colours, for metrics in [0, 1]: less would paint noise in full contrast


def present(report: Report) -> dict[str, str]:
    """The models that were scored, in the order of the charts, with the name each goes by."""
    return {model: name for model, name in NAMES.items() if table(table(table(report.get("metrics")).get(model)).get("sites"))}


def keys(report: Report) -> list[str]:
    """Every metric, the primary one first."""
    found = {
        k: None for part in table(report.get("metrics")).values() for row in table(table(part).get("sites")).values() for k in table(row)
    }
    first = [k for k in (report.get("primary"),) if k in found]
    return [str(k) for k in (*first, *(k for k in found if k not in first))]


def results(report: Report) -> str:
    """Per-hospital chart of the primary metric, then a table for every metric."""
    models, found = present(report), keys(report)
    if not models or not found:
        return ""
    tables = "".join(f"<h3>{text(metric(key).name)}</h3>{_table(report, models, key)}" for key in found)
    note = "Square brackets hold 95 % confidence intervals, drawn by resampling patients. " if _any_interval(report, models, found) else ""
    few = (
        f"An interval takes at least {verdict.LEAST_IMAGES} test images. "
        if any(verdict.few(report, s) for s in verdict.sites(report))
        else ""
    )
    return section(
        "results", "Hospital by hospital", _dots(report, models, found[0]), tables, paragraph(note + few + _clearly(models), "note")
    )


def _any_interval(report: Report, models: Mapping[str, str], found: Sequence[str]) -> bool:
    return any(verdict.interval(report, model, site, key) for model in models for site in verdict.sites(report) for key in found)


def _clearly(models: Mapping[str, str]) -> str:
    if "local" not in models:
        return ""
    return "“Clearly” marks differences where the two intervals do not overlap; any other difference may be chance."


def _dots(report: Report, models: Mapping[str, str], key: str) -> str:
    m, names = metric(key), verdict.sites(report)
    rows = [
        (f"{site} (n = {verdict.tested(report, site)})" if verdict.few(report, site) else site, _marks(report, models, site, key))
        for site in names
    ]
    averages = {k: verdict.average(report, k, key) for k in models}
    labels = {k: f"{name} {m.show(averages[k])}" for k, name in models.items()}
    top = ("Mean of the hospitals", {k: Mark(v, None, labels[k], True) for k, v in averages.items()})
    direction = "higher is better →" if verdict.higher(report, key) else "← lower is better"
    about = f"{m.name} on test patients, mean of the hospitals: {', '.join(labels.values())}. The table below holds every value."
    ends = (0.0, 1.0) if m.share else (0.0, None)
    draw = partial(charts.dot_plot, rows=[top, *rows], kinds=list(models), axis_name=f"{m.name}, {direction}", ends=ends)
    caption = "Each hospital's own test patients, whom no model has seen in training. " + _whiskers(report, models, key)
    return figure(f"{m.name} at every hospital", caption, chart("dots", f"{m.name} at every hospital", about, draw))


def _tested(report: Report, site: str) -> str:
    return plural(verdict.tested(report, site) or 0, "test image")


def _marks(report: Report, models: Mapping[str, str], site: str, key: str) -> dict[str, Mark]:
    return {k: _mark(report, k, site, key) for k in models}


def _mark(report: Report, model: str, site: str, key: str) -> Mark:
    value = verdict.value(report, model, site, key)
    return Mark(value, verdict.interval(report, model, site, key), metric(key).show(value))


def _whiskers(report: Report, models: Mapping[str, str], key: str) -> str:
    few = any(verdict.few(report, site) for site in verdict.sites(report))
    note = "Whiskers are 95 % confidence intervals." if _any_interval(report, models, [key]) else "There are no confidence intervals."
    return note + (" n is the number of test images where it is too small for one." if few else "")


def _table(report: Report, models: Mapping[str, str], key: str) -> str:
    m, names = metric(key), verdict.sites(report)
    compared = "local" in models and "federated" in models
    heads = ["Hospital", *(name.capitalize() for name in models.values()), *(["Federated against own"] if compared else [])]
    rows = [
        [_named(report, s), *(_value(report, k, s, key) for k in models), *([_against(report, s, key)] if compared else [])] for s in names
    ]
    averages = {k: verdict.average(report, k, key) for k in models}
    foot = ["Mean of the hospitals", *(m.show(v) for v in averages.values())]
    if compared:
        foot.append(m.difference(m.gap(averages["federated"], averages["local"])))
    better = "Higher is better." if verdict.higher(report, key) else "Lower is better."
    return grid(f"{m.meaning} {better}", heads, rows, foot)


def _named(report: Report, site: str) -> str:
    return text(site) + (f"<small>{_tested(report, site)}</small>" if verdict.few(report, site) else "")


def _value(report: Report, model: str, site: str, key: str) -> str:
    m, found = metric(key), verdict.interval(report, model, site, key)
    bounds = f"<small>[{m.bare(found[0])}, {m.bare(found[1])}]</small>" if found else ""
    if verdict.few(report, site) and verdict.resampled(report, model, site, key):
        bounds = '<small class="say">too few patients for an interval</small>'
    return m.show(verdict.value(report, model, site, key)) + bounds


def _against(report: Report, site: str, key: str) -> str:
    pair = verdict.pair(report, "local", site, key)
    if pair is None:
        return "–"
    m, ours, own = metric(key), verdict.value(report, "federated", site, key), verdict.value(report, "local", site, key)
    say = f"{'clearly ' if pair.apart and pair.outcome != 'same' else ''}{pair.outcome}"
    return f"{m.difference(m.gap(ours, own))}<small>{say}</small>"


def curves(report: Report, rounds: Sequence[Mapping[str, Any]]) -> str:
    """Validation of the primary metric and training loss over the rounds."""
    key = str(report.get("primary", ""))
    m = metric(key)
    validation = _series(
        [(r, {s: finite(table(v).get(key)) for s, v in table(r.get("validation")).items()}) for r in rounds if r.get("validation")]
    )
    loss = _series([(r, {s: finite(v) for s, v in table(r.get("loss")).items()}) for r in rounds])
    ends = (0.0, 1.0) if m.share else (0.0, None)
    first = _curve("validation", f"{m.name} on validation patients", validation, m.name, ends, 280)
    absent = (
        ""
        if first or not rounds
        else paragraph("No validation points were recorded, so there is no learning curve of the model's quality.", "note")
    )
    return section("learning", "Learning", first or absent, _curve("loss", "Training loss", loss, "loss", (None, None), 220))


def _series(points: Sequence[tuple[Mapping[str, Any], Mapping[str, float | None]]]) -> dict[str, list[tuple[float, float | None]]]:
    names = dict.fromkeys(str(site) for _, row in points for site, value in row.items() if value is not None)
    series = {name: [(float(whole(r.get("round"))), row.get(name)) for r, row in points] for name in names}
    if len(series) > 1:
        series["mean"] = [(float(whole(r.get("round"))), mean(row.get(name) for name in names)) for r, row in points]
    return series


def _curve(name: str, title: str, series: Mapping[str, charts.Points], axis_name: str, ends: charts.Ends, height: int) -> str:
    if not series:
        return ""
    main = "mean" if "mean" in series else next(iter(series))
    caption = "The thick line is the mean of the hospitals, thin lines are single hospitals." if main == "mean" else ""
    last = next((y for _, y in reversed(series[main]) if y is not None), None)
    about = f"{title} over the rounds; {main} ends at {last:.3f}." if last is not None else title
    draw = partial(charts.lines, series=series, main=main, axis_name=axis_name, ends=ends, height=height)
    return figure(title, caption, chart(name, title, about, draw))


def cross(report: Report) -> str:
    """Every model on every hospital's test patients, as a table with shaded cells."""
    found = table(report.get("cross"))
    names, columns, values = (list(found.get(k) or []) for k in ("models", "sites", "values"))
    if not names or not columns or not values:
        return ""
    key = str(found.get("metric", report.get("primary", "")))
    m = metric(key)
    grid_ = [[finite(v) for v in list(row or [])[: len(columns)]] for row in values[: len(names)]]
    caption = (
        f"{m.name} of each model (rows) on each hospital's test patients (columns); the stronger the colour, the better."
        " Framed cells are a hospital's own model at home: a row that fades away from its frame has not learnt to travel."
    )
    top = "".join(f'<th scope="col">{text(c)}</th>' for c in columns)
    shade = _shader(grid_, verdict.higher(report, key), m.share)
    body = "".join(_heat_row(str(name), row, columns, shade, key) for name, row in zip(names, grid_, strict=False))
    inner = f'<table><caption>{text(caption)}</caption><thead><tr><th scope="col">Model</th>{top}</tr></thead><tbody>{body}</tbody></table>'
    return section(
        "travel", "How models travel", scroll("Every model at every hospital", inner, "heat many" if len(columns) >= _MANY else "heat")
    )


def _shader(values: Sequence[Sequence[float | None]], higher: bool, share: bool) -> Mapping[float, int]:
    """The shade of every value; for a metric in [0, 1] (``share``) the colours span at least a fifth of it, around the values."""
    kept = sorted({v for row in values for v in row if v is not None})
    low, span = (kept[0], kept[-1] - kept[0]) if kept else (0.0, 0.0)
    if share and kept and span < _LEAST_SPAN:
        low, span = min(max(low + (span - _LEAST_SPAN) / 2, 0.0), 1.0 - _LEAST_SPAN), _LEAST_SPAN
    shade = {v: min(max(round((SHADES - 1) * (v - low) / span), 0), SHADES - 1) if span > 0 else SHADES // 2 for v in kept}
    return shade if higher else {v: SHADES - 1 - s for v, s in shade.items()}


def _heat_row(name: str, row: Sequence[float | None], columns: Sequence[object], shade: Mapping[float, int], key: str) -> str:
    m, cells = metric(key), []
    for column, value in zip(columns, row, strict=False):
        kind = "" if value is None else f"s{shade[value]}"
        cells.append(f'<td class="{kind}{" own" if str(column) == name else ""}">{m.brief(value)}</td>')
    return f'<tr><th scope="row">{text(NAMES.get(name, name) if name in ("federated", "pooled") else name)}</th>{"".join(cells)}</tr>'


def examples(items: Sequence[Mapping[str, Any]]) -> str:
    """Synthetic images with the outlines of truth and prediction, each behind a check box."""
    shown = "".join(_example(item) for item in items)
    if not shown:
        return ""
    tints = "".join(
        f'<filter id="tint-{k}" color-interpolation-filters="sRGB"><feFlood flood-color="{c}"/><feComposite in2="SourceAlpha" operator="in"/></filter>'
        for k, c in _TINTS.items()
    )
    boxes = "".join(
        f'<input class="toggle" type="checkbox" id="see-{k}" checked><label for="see-{k}">{words}</label>'
        for k, words in (("truth", "Truth"), ("prediction", "Federated model"))
        if any(_png(item.get(k)) for item in items)
    )
    note = paragraph("Synthetic phantoms, not patients.", "note") + paragraph("Switch the outlines on and off:", "note screen")
    return section(
        "examples", "Examples", f'<svg class="tints" aria-hidden="true">{tints}</svg>', note, f'{boxes}<div class="shelf">{shown}</div>'
    )


def _example(item: Mapping[str, Any]) -> str:
    image, site, caption = _png(item.get("image")), str(item.get("site", "")), str(item.get("caption", ""))
    if not image:
        return ""
    layers = "".join(
        f'<img class="layer {k}" src="{_png(item.get(k))}" alt="{words}">'
        for k, words in (("truth", "true outline"), ("prediction", "model's outline"))
        if _png(item.get(k))
    )
    picture = f'<div class="layers"><img src="{image}" alt="Synthetic image of {text(site)}">{layers}</div>'
    return f"<figure>{picture}<figcaption><b>{text(site)}</b>{text(caption)}</figcaption></figure>"


def _png(value: object) -> str:
    return f"data:image/png;base64,{value}" if isinstance(value, str) and _PNG.fullmatch(value) else ""
