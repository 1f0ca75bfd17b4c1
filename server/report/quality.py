"""Sections of the report about quality.

Results at every hospital, or their means where hospitals keep their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from common.html import escape, section
from common.quantities import plural
from server.report import result_table, site_results
from server.report.drawing import dot_plot
from server.report.drawing.dot_plot import Mark
from server.report.markup import chart, figure, grid, paragraph
from server.report.wording import finite, metric, table

Report = Mapping[str, Any]
NAMES = {"federated": "federated", "local": "own model", "pooled": "pooled images"}


def present(report: Report) -> dict[str, str]:
    """The models that were scored, in the order of the charts, with the name each goes by."""
    metrics = {model: table(table(report.get("metrics")).get(model)) for model in NAMES}
    return {
        model: name
        for model, name in NAMES.items()
        if table(metrics[model].get("sites"))
        or any(finite(v) is not None for v in table(metrics[model].get("mean")).values())
    }


def keys(report: Report) -> list[str]:
    """Every metric, the primary one first."""
    scores = [table(score) for score in table(report.get("metrics")).values()]
    names = {
        k: None
        for score in scores
        for row in (*table(score.get("sites")).values(), score.get("mean"))
        for k in table(row)
    }
    primary = [k for k in (report.get("primary"),) if k in names]
    return [str(k) for k in (*primary, *(k for k in names if k not in primary))]


def results(report: Report) -> str:
    """Per-hospital chart of the primary metric, then a table for every metric.

    Means alone where no hospital's own results are known.
    """
    models = present(report)
    metrics = keys(report)
    if not models or not metrics:
        return ""
    if not any(site_results.is_shared(report, models, s) for s in site_results.sites(report)):
        return section("results", "Results", _means(report, models, metrics))
    tables = "".join(
        f"<h3>{escape(metric(key).name)}</h3>{result_table.draw(report, models, key)}"
        for key in metrics
    )
    note = (
        "Square brackets hold 95 % confidence intervals, drawn by resampling patients. "
        if _any_interval(report, models, metrics)
        else ""
    )
    few = (
        f"An interval takes at least {site_results.LEAST_IMAGES} test images. "
        if any(site_results.few(report, s) for s in site_results.sites(report))
        else ""
    )
    return section(
        "results",
        "Hospital by hospital",
        _dots(report, models, metrics[0]),
        tables,
        paragraph(note + few + _clearly(models) + _summed(report), "note"),
    )


def _summed(report: Report) -> str:
    hidden = site_results.hidden(report)
    if not hidden:
        return ""
    total = plural(site_results.hospitals(report, "federated"), "hospital")
    return (
        f" The federated mean is over {total}, summed under masks; "
        f"{hidden} of them {'keeps its' if hidden == 1 else 'keep their'} own results."
    )


def _means(report: Report, models: Mapping[str, str], metrics: Sequence[str]) -> str:
    """One row a metric: what is known where every hospital keeps its own results to itself."""
    counts = dict.fromkeys(site_results.hospitals(report, model) for model in models)
    heads = ["Mean of the hospitals", *(name.capitalize() for name in models.values())]
    rows = [
        [
            _explained(report, key),
            *(metric(key).show(site_results.average(report, k, key)) for k in models),
        ]
        for key in metrics
    ]
    hospitals = " and ".join(plural(count, "hospital") for count in counts)
    caption = (
        f"Means over {hospitals}, summed under masks, on each hospital's own test patients, "
        "whom no model has seen in training."
    )
    note = (
        "No hospital's own result left it, so there are no values and no confidence "
        "intervals of single hospitals here."
    )
    return grid(caption, heads, rows) + paragraph(note, "note")


def _explained(report: Report, key: str) -> str:
    better = "Higher is better." if site_results.higher(report, key) else "Lower is better."
    return (
        f'{escape(metric(key).name)}<small class="say">{escape(metric(key).meaning)} '
        f"{better}</small>"
    )


def _any_interval(report: Report, models: Mapping[str, str], metrics: Sequence[str]) -> bool:
    return any(
        site_results.interval(report, model, site, key)
        for model in models
        for site in site_results.sites(report)
        for key in metrics
    )


def _clearly(models: Mapping[str, str]) -> str:
    if "local" not in models:
        return ""
    return (
        "“Clearly” marks differences where the two intervals do not overlap; "
        "any other difference may be chance."
    )


def _dots(report: Report, models: Mapping[str, str], key: str) -> str:
    measure = metric(key)
    rows = [
        (
            f"{site} (n = {site_results.tested(report, site)})"
            if site_results.few(report, site)
            else site,
            _marks(report, models, site, key),
        )
        for site in site_results.sites(report)
        if not site_results.is_concealed(report, models, site)
    ]
    averages = result_table.averages(report, models, key)
    mean_name = result_table.mean_name(report, models)
    labels = {k: f"{name} {measure.show(averages[k])}" for k, name in models.items()}
    mean_row = (mean_name, {k: Mark(v, None, labels[k], True) for k, v in averages.items()})
    direction = "higher is better →" if site_results.higher(report, key) else "← lower is better"
    description = (
        f"{measure.name} on test patients, {mean_name[0].lower() + mean_name[1:]}: "
        f"{', '.join(labels.values())}. The table below holds every value."
    )
    ends = (0.0, 1.0) if measure.share else (0.0, None)
    draw = partial(
        dot_plot.draw,
        rows=[mean_row, *rows],
        kinds=list(models),
        axis_name=f"{measure.name}, {direction}",
        ends=ends,
    )
    caption = "Each hospital's own test patients, whom no model has seen in training. " + _whiskers(
        report, models, key
    )
    return figure(
        f"{measure.name} at every hospital",
        caption,
        chart("dots", f"{measure.name} at every hospital", description, draw),
    )


def _marks(report: Report, models: Mapping[str, str], site: str, key: str) -> dict[str, Mark]:
    return {k: _mark(report, k, site, key) for k in models}


def _mark(report: Report, model: str, site: str, key: str) -> Mark:
    value = site_results.value(report, model, site, key)
    return Mark(value, site_results.interval(report, model, site, key), metric(key).show(value))


def _whiskers(report: Report, models: Mapping[str, str], key: str) -> str:
    few = any(site_results.few(report, site) for site in site_results.sites(report))
    note = (
        "Whiskers are 95 % confidence intervals."
        if _any_interval(report, models, [key])
        else "There are no confidence intervals."
    )
    return note + (" n is the number of test images where it is too small for one." if few else "")
