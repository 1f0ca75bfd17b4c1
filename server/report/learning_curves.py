"""Learning curves: validation of the primary metric and training loss over the rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from common.html import section
from common.quantities import plural
from server.report import site_results
from server.report.drawing import line_chart
from server.report.drawing.line_chart import Points
from server.report.drawing.svg import Ends
from server.report.markup import chart, figure, paragraph
from server.report.wording import finite, mean, metric, table, whole

Report = Mapping[str, Any]
_MEAN = "mean"


def curves(report: Report, rounds: Sequence[Mapping[str, Any]]) -> str:
    """Validation of the primary metric and training loss over the rounds.

    The mean alone where no hospital shares its own.
    """
    key = str(report.get("primary", ""))
    several = len(site_results.sites(report)) > 1
    measure = metric(key)
    scored = [r for r in rounds if r.get("validation") or table(r.get("validation_mean"))]
    validation = _series(
        [
            (
                r,
                {s: table(v).get(key) for s, v in table(r.get("validation")).items()},
                table(r.get("validation_mean")).get(key),
            )
            for r in scored
        ],
        several,
    )
    quality = _curve(
        "validation",
        f"{measure.name} on validation patients",
        validation,
        measure.name,
        (0.0, 1.0) if measure.share else (0.0, None),
        280,
        _caption(report, validation, weighted=False),
    )
    note = (
        "No validation points were recorded, so there is no learning curve of the model's quality."
        if rounds
        else ""
    )
    parts = (quality or paragraph(note, "note"), _loss(report, rounds, several))
    return section("learning", "Learning", *parts)


def _loss(report: Report, rounds: Sequence[Mapping[str, Any]], several: bool) -> str:
    loss = _series([(r, table(r.get("loss")), r.get("mean_loss")) for r in rounds], several)
    weighted = any(finite(r.get("mean_loss")) is not None for r in rounds)
    caption = _caption(report, loss, weighted)
    if any(r.get("void") for r in rounds):
        caption += " The line breaks where a round came to nothing."
    return _curve("loss", "Training loss", loss, "loss", (None, None), 220, caption)


def _series(
    points: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], object]], several: bool
) -> dict[str, Points]:
    """Lines of ``(round's record, {hospital: value}, stated mean)``.

    One a hospital, and their mean where there are ``several``.
    """
    values = [
        ({str(site): finite(v) for site, v in row.items()}, finite(stated))
        for _, row, stated in points
    ]
    numbers = [float(whole(record.get("round"))) for record, _, _ in points]
    names = dict.fromkeys(
        site for row, _ in values for site, value in row.items() if value is not None
    )
    series: dict[str, Points] = {
        name: [(x, row.get(name)) for x, (row, _) in zip(numbers, values, strict=True)]
        for name in names
    }
    stated_once = any(stated is not None for _, stated in values)
    if len(names) > 1 or (stated_once and (several or not names)):
        means = [mean(row.values()) if stated is None else stated for row, stated in values]
        series[_MEAN] = list(zip(numbers, means, strict=True))
    return series


def _caption(report: Report, series: Mapping[str, Points], weighted: bool) -> str:
    if _MEAN not in series:
        return ""
    weighting = ", each with its weight" if weighted else ""
    names = site_results.sites(report)
    shared = len(series) - 1
    if shared == 0:
        return (
            f"The mean of the hospitals{weighting}, summed under masks; "
            "single hospitals' values are not known."
        )
    some_keep = shared < len(names) and any(
        site_results.keeps(report, site, "metrics") for site in names
    )
    thin_lines = (
        (
            f"the {plural(shared, 'hospital')} that "
            f"{'shares its' if shared == 1 else 'share their'} own"
        )
        if some_keep
        else "single hospitals"
    )
    return f"The thick line is the mean of the hospitals{weighting}; thin lines are {thin_lines}."


def _curve(
    name: str,
    title: str,
    series: Mapping[str, Points],
    axis_name: str,
    ends: Ends,
    height: int,
    caption: str,
) -> str:
    if not series:
        return ""
    main = _MEAN if _MEAN in series else next(iter(series))
    last_value = next((y for _, y in reversed(series[main]) if y is not None), None)
    description = (
        f"{title} over the rounds; {main} ends at {last_value:.3f}."
        if last_value is not None
        else title
    )
    draw = partial(
        line_chart.draw, series=series, main=main, axis_name=axis_name, ends=ends, height=height
    )
    return figure(title, caption, chart(name, title, description, draw))
