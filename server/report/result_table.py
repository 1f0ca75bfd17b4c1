"""The table of one metric: a line for every hospital, and their means below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.html import escape
from common.quantities import plural
from server.report import site_results
from server.report.markup import grid
from server.report.wording import mean, metric

Report = Mapping[str, Any]


def averages(report: Report, models: Mapping[str, str], key: str) -> dict[str, float | None]:
    """Every model's mean.

    Only over hospitals whose own results are known if some are not, so that the models stay
    comparable.
    """
    if not any(site_results.hidden(report, k) for k in models):
        return {k: site_results.average(report, k, key) for k in models}
    return {
        k: mean(site_results.value(report, k, site, key) for site in site_results.sites(report))
        for k in models
    }


def mean_name(report: Report, models: Mapping[str, str]) -> str:
    """What the models' means are means of."""
    shared = sum(site_results.is_shared(report, models, s) for s in site_results.sites(report))
    return (
        f"Mean of these {shared}"
        if any(site_results.hidden(report, k) for k in models)
        else "Mean of the hospitals"
    )


def draw(report: Report, models: Mapping[str, str], key: str) -> str:
    """Every hospital's results in one metric, their intervals, and the means.

    Args:
        models: those that were scored, with the name each goes by.
    """
    measure = metric(key)
    compared = _is_compared(models)
    heads = [
        "Hospital",
        *(name.capitalize() for name in models.values()),
        *(["Federated against own"] if compared else []),
    ]
    rows = [_row(report, models, site, key) for site in site_results.sites(report)]
    means = averages(report, models, key)
    known_means = [mean_name(report, models), *(measure.show(v) for v in means.values())]
    if compared:
        known_means.append(measure.difference(measure.gap(means["federated"], means["local"])))
    better = "Higher is better." if site_results.higher(report, key) else "Lower is better."
    feet = [known_means, *_masked_means(report, models, key)]
    return grid(f"{measure.meaning} {better}", heads, rows, feet)


def _row(report: Report, models: Mapping[str, str], site: str, key: str) -> list[str]:
    if site_results.is_concealed(report, models, site):
        return [_named(report, site), "not shared"]
    against = [_against(report, site, key)] if _is_compared(models) else []
    return [_named(report, site), *(_value(report, k, site, key) for k in models), *against]


def _masked_means(report: Report, models: Mapping[str, str], key: str) -> list[list[str]]:
    """One line for each number of hospitals over which means were summed under masks."""
    counts = {site_results.hospitals(report, k) for k in models if site_results.hidden(report, k)}
    rows = []
    for count in sorted(counts):
        means = [
            site_results.average(report, k, key)
            if site_results.hidden(report, k) > 0 and site_results.hospitals(report, k) == count
            else None
            for k in models
        ]
        rows.append(
            [
                f"Mean of all {plural(count, 'hospital')}",
                *(metric(key).show(value) for value in means),
                *(["–"] if _is_compared(models) else []),
            ]
        )
    return rows


def _is_compared(models: Mapping[str, str]) -> bool:
    return "local" in models and "federated" in models


def _named(report: Report, site: str) -> str:
    return escape(site) + (
        f"<small>{_tested(report, site)}</small>" if site_results.few(report, site) else ""
    )


def _tested(report: Report, site: str) -> str:
    return plural(site_results.tested(report, site) or 0, "test image")


def _value(report: Report, model: str, site: str, key: str) -> str:
    measure = metric(key)
    interval = site_results.interval(report, model, site, key)
    bounds = (
        f"<small>[{measure.bare(interval[0])}, {measure.bare(interval[1])}]</small>"
        if interval
        else ""
    )
    if site_results.few(report, site) and site_results.resampled(report, model, site, key):
        bounds = '<small class="say">too few patients for an interval</small>'
    return measure.show(site_results.value(report, model, site, key)) + bounds


def _against(report: Report, site: str, key: str) -> str:
    pair = site_results.pair(report, "local", site, key)
    if pair is None:
        return "–"
    measure = metric(key)
    federated = site_results.value(report, "federated", site, key)
    own = site_results.value(report, "local", site, key)
    outcome = f"{'clearly ' if pair.apart and pair.outcome != 'same' else ''}{pair.outcome}"
    return f"{measure.difference(measure.gap(federated, own))}<small>{outcome}</small>"
