"""Reading the results in a report.

Values, intervals and means, how many hospitals are in them, and pairs to compare.

Under masks the server may know a mean over hospitals and none of the values in it. Such hospitals
are counted by :func:`hidden`; a comparison of hospitals speaks only of those whose own values are
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from server.report.wording import finite, mean, metric, table, whole

Outcome = Literal["better", "worse", "same"]
LEAST_IMAGES = 5
"""With fewer test images at a hospital, resampling its patients says nothing about chance.

No interval is shown or used there.
"""


@dataclass(frozen=True)
class Pair:
    """One hospital's federated and other value.

    The difference's direction, and whether the intervals exist and are apart.
    """

    outcome: Outcome
    measured: bool
    apart: bool


def value(report: Mapping[str, Any], model: str, site: str, key: str) -> float | None:
    """A model's result at a hospital, or None."""
    return finite(
        table(table(table(table(report.get("metrics")).get(model)).get("sites")).get(site)).get(key)
    )


def interval(
    report: Mapping[str, Any], model: str, site: str, key: str
) -> tuple[float, float] | None:
    """Its 95 % interval as (low, high), or None.

    None as well where there are too few test images for one.
    """
    return None if few(report, site) else resampled(report, model, site, key)


def resampled(
    report: Mapping[str, Any], model: str, site: str, key: str
) -> tuple[float, float] | None:
    """The interval as the hospital computed it, however few its patients are."""
    bounds = table(
        table(table(table(report.get("metrics")).get(model)).get("intervals")).get(site)
    ).get(key)
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
        return None
    low = finite(bounds[0])
    high = finite(bounds[1])
    return None if low is None or high is None else (min(low, high), max(low, high))


def tested(report: Mapping[str, Any], site: str) -> int | None:
    """Number of a hospital's test images, or None where the report does not say."""
    count = finite(table(table(report.get("sites")).get(site)).get("test"))
    return None if count is None else round(count)


def few(report: Mapping[str, Any], site: str) -> bool:
    """Whether a hospital is known to have too few test images for an interval."""
    count = tested(report, site)
    return count is not None and count < LEAST_IMAGES


def sites(report: Mapping[str, Any]) -> list[str]:
    """Every hospital of the run: those of the report, then any that only the results name."""
    names = dict.fromkeys(table(report.get("sites")))
    for model in table(report.get("metrics")).values():
        names.update(dict.fromkeys(table(table(model).get("sites"))))
    return [str(name) for name in names]


def hospitals(report: Mapping[str, Any], model: str) -> int:
    """How many hospitals a model's mean is over: as reported, else those with results."""
    scores = table(table(report.get("metrics")).get(model))
    return max(whole(scores.get("hospitals")), len(table(scores.get("sites"))))


def hidden(report: Mapping[str, Any], model: str = "federated") -> int:
    """How many hospitals are in a model's mean whose own results the server does not know."""
    return hospitals(report, model) - len(
        table(table(table(report.get("metrics")).get(model)).get("sites"))
    )


def keeps(report: Mapping[str, Any], site: str, kind: str) -> bool:
    """Whether a hospital keeps its own "counts" or "metrics" to itself."""
    discreet = table(table(report.get("privacy")).get("kept")).get(kind)
    return isinstance(discreet, (list, tuple)) and site in discreet


def is_shared(report: Mapping[str, Any], models: Iterable[str], site: str) -> bool:
    """Whether a hospital's own result with any of the models is known."""
    return any(
        site in table(table(table(report.get("metrics")).get(model)).get("sites"))
        for model in models
    )


def is_concealed(report: Mapping[str, Any], models: Iterable[str], site: str) -> bool:
    """Whether a hospital is in the means only."""
    return keeps(report, site, "metrics") and not is_shared(report, models, site)


def voids(report: Mapping[str, Any]) -> int:
    """Number of rounds in which the model did not move."""
    rounds = table(table(report.get("privacy")).get("details")).get("void_rounds")
    return len(rounds) if isinstance(rounds, (list, tuple)) else 0


def average(report: Mapping[str, Any], model: str, key: str) -> float | None:
    """A model's mean over the hospitals: as reported, else of the values that exist."""
    stated = finite(table(table(table(report.get("metrics")).get(model)).get("mean")).get(key))
    if stated is not None:
        return stated
    return mean(value(report, model, site, key) for site in sites(report))


def pair(report: Mapping[str, Any], other: str, site: str, key: str) -> Pair | None:
    """Federated against ``other`` at a hospital; None if either value is missing."""
    ours = value(report, "federated", site, key)
    theirs = value(report, other, site, key)
    if ours is None or theirs is None:
        return None
    our_interval = interval(report, "federated", site, key)
    their_interval = interval(report, other, site, key)
    direction = outcome(ours, theirs, key, report)
    if our_interval is None or their_interval is None:
        return Pair(direction, measured=False, apart=False)
    apart = our_interval[0] > their_interval[1] or their_interval[0] > our_interval[1]
    return Pair(direction, measured=True, apart=apart)


def outcome(ours: float, theirs: float, key: str, report: Mapping[str, Any]) -> Outcome:
    """Which way the printed values differ."""
    difference = metric(key).gap(ours, theirs) or 0.0
    if difference == 0:
        return "same"
    return "better" if (difference > 0) == higher(report, key) else "worse"


def higher(report: Mapping[str, Any], key: str) -> bool:
    """Whether more of this metric is better; yes unless the report says no."""
    return table(report.get("higher_is_better")).get(key, True) is not False


def compared(report: Mapping[str, Any], other: str, key: str) -> dict[str, Pair]:
    """Federated against ``other`` at every hospital that has both."""
    pairs = {site: pair(report, other, site, key) for site in sites(report)}
    return {site: p for site, p in pairs.items() if p is not None}


def only_means(report: Mapping[str, Any], other: str, key: str) -> bool:
    """Whether both models have a mean and no hospital's own values are known to compare."""
    concealed = hidden(report) > 0 and hidden(report, other) > 0
    return (
        concealed and not compared(report, other, key) and average(report, other, key) is not None
    )


def means(report: Mapping[str, Any], other: str, key: str) -> tuple[float, float]:
    """Means of federated and ``other`` over the hospitals that have both.

    The stated means if that is every hospital, or none.
    """
    both = list(compared(report, other, key))
    some_hidden = both and (hidden(report) or hidden(report, other))
    # A mean that is also over hospitals without the other model would compare unequal patients.
    one_only = [
        s
        for s in sites(report)
        if s not in both
        and (value(report, "federated", s, key), value(report, other, s, key)) != (None, None)
    ]
    stated = (average(report, "federated", key), average(report, other, key))
    if not (one_only or some_hidden) and stated[0] is not None and stated[1] is not None:
        return stated[0], stated[1]
    ours, theirs = (
        [value(report, model, site, key) for site in both] for model in ("federated", other)
    )
    return mean(ours) or 0.0, mean(theirs) or 0.0
