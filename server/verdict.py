"""What the numbers of a run allow to say, in two to four plain sentences.

Nothing smaller than what is printed counts as a gain, and a mean difference that the intervals cannot show is called not measurable.
A difference is called *clear* at a hospital only if the two 95 % intervals do not touch. That is stricter than a test of the
difference (Schenker and Gentleman, The American Statistician 55, 2001), so the text may say too little, but not too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from server._words import finite, listed, mean, metric, plural, shorten, table, whole

COMPARE = "consilium simulate STUDY --sites DIR --compare local,pooled"
Kind = Literal["better", "worse", "mixed", "unclear", "level", "missing", "nothing"]
Outcome = Literal["better", "worse", "same"]
LEAST_IMAGES = 5
"""With fewer test images at a hospital, resampling its patients says nothing about chance, and no interval is shown or used."""
_MOST_NAMES = 3
_NOTHING = 0.01
"""A difference of means below this cannot be told from none if no hospital's intervals are apart, for metrics in [0, 1]."""
_NARROW = 1 / 4
"""So does one below this share of the intervals' mean half-width, for every metric."""
_CLEAR_SHARE = 1 / 3
"""Share of the hospitals with intervals at which a difference must be clear, and at none the other way, to be called an effect."""


@dataclass(frozen=True)
class Verdict:
    """The kind of result and the sentences for it, as plain text; ``command`` adds what was not compared, or is empty."""

    kind: Kind
    sentences: tuple[str, ...]
    command: str = ""


@dataclass(frozen=True)
class Pair:
    """One hospital's federated and other value: the difference's direction, and whether the intervals exist and are apart."""

    outcome: Outcome
    measured: bool
    apart: bool


def value(report: Mapping[str, Any], model: str, site: str, key: str) -> float | None:
    """A model's result at a hospital, or None."""
    return finite(table(table(table(table(report.get("metrics")).get(model)).get("sites")).get(site)).get(key))


def interval(report: Mapping[str, Any], model: str, site: str, key: str) -> tuple[float, float] | None:
    """Its 95 % interval as (low, high), or None; None as well where there are too few test images for one."""
    return None if few(report, site) else resampled(report, model, site, key)


def resampled(report: Mapping[str, Any], model: str, site: str, key: str) -> tuple[float, float] | None:
    """The interval as the hospital computed it, however few its patients are."""
    found = table(table(table(table(report.get("metrics")).get(model)).get("intervals")).get(site)).get(key)
    if not isinstance(found, (list, tuple)) or len(found) != 2:
        return None
    low, high = finite(found[0]), finite(found[1])
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


def average(report: Mapping[str, Any], model: str, key: str) -> float | None:
    """A model's mean over the hospitals: as reported, else of the values that exist."""
    stated = finite(table(table(table(report.get("metrics")).get(model)).get("mean")).get(key))
    return stated if stated is not None else mean(value(report, model, site, key) for site in sites(report))


def pair(report: Mapping[str, Any], other: str, site: str, key: str) -> Pair | None:
    """Federated against ``other`` at a hospital; None if either value is missing."""
    ours, theirs = value(report, "federated", site, key), value(report, other, site, key)
    if ours is None or theirs is None:
        return None
    first, second = interval(report, "federated", site, key), interval(report, other, site, key)
    apart = first is not None and second is not None and (first[0] > second[1] or second[0] > first[1])
    return Pair(_direction(ours, theirs, key, report), first is not None and second is not None, apart)


def judge(report: Mapping[str, Any]) -> Verdict:
    """The verdict on the primary metric."""
    key = str(report.get("primary", ""))
    ours = average(report, "federated", key)
    opening = _unfinished(report)
    if ours is None:
        return Verdict("nothing", (*opening, "No test results are recorded, so nothing can be said about the model's quality."))
    pairs = compared(report, "local", key)
    kind = _kind(report, pairs, key) if pairs else "missing"
    lead = [_lead(report, kind, key), _gains(report, pairs, kind)] if pairs else [_alone(key, ours)]
    pooled = _pooled(report, key)
    absent = listed(
        w for w, there in (("models trained by each hospital alone", pairs), ("a model trained on pooled images", pooled)) if not there
    )
    gap = (f"It was not compared with {absent}; this command adds the comparison:",) if absent else ()
    return Verdict(kind, (*opening, *lead, *pooled, *gap), COMPARE if absent else "")


def _unfinished(report: Mapping[str, Any]) -> tuple[str, ...]:
    status, done, planned = report.get("status"), whole(report.get("rounds")), whole(report.get("rounds_planned"))
    if status not in ("interrupted", "failed"):
        return ()
    verb = "was interrupted" if status == "interrupted" else "failed"
    if done == 0:
        return (f"The run {verb} before its first round was finished.",)
    return (f"The run {verb} after {done} of {plural(planned, 'round')}, so what follows describes an unfinished model.",)


def _direction(ours: float, theirs: float, key: str, report: Mapping[str, Any]) -> Outcome:
    difference = metric(key).gap(ours, theirs) or 0.0
    if difference == 0:
        return "same"
    return "better" if (difference > 0) == higher(report, key) else "worse"


def higher(report: Mapping[str, Any], key: str) -> bool:
    """Whether more of this metric is better; yes unless the report says no."""
    return table(report.get("higher_is_better")).get(key, True) is not False


def compared(report: Mapping[str, Any], other: str, key: str) -> dict[str, Pair]:
    """Federated against ``other`` at every hospital that has both."""
    found = {site: pair(report, other, site, key) for site in sites(report)}
    return {site: p for site, p in found.items() if p is not None}


def means(report: Mapping[str, Any], other: str, key: str) -> tuple[float, float]:
    """Means of federated and ``other`` over the hospitals that have both; the stated means if that is every hospital."""
    both = list(compared(report, other, key))
    one_only = [
        s for s in sites(report) if s not in both and (value(report, "federated", s, key), value(report, other, s, key)) != (None, None)
    ]
    stated = (average(report, "federated", key), average(report, other, key))
    if not one_only and stated[0] is not None and stated[1] is not None:
        return stated[0], stated[1]
    ours, theirs = ([value(report, model, site, key) for site in both] for model in ("federated", other))
    return mean(ours) or 0.0, mean(theirs) or 0.0


def _negligible(report: Mapping[str, Any], other: str, key: str) -> bool:
    """Whether the means print alike, or differ by less than the results can show while no hospital's two intervals are apart."""
    ours, theirs = means(report, other, key)
    pairs, gap = compared(report, other, key), abs(metric(key).gap(ours, theirs) or 0.0)
    if any(p.apart for p in pairs.values()):
        return False
    found = [resampled(report, model, site, key) for model in ("federated", other) for site in pairs]
    width = mean((high - low) / 2 for low, high in filter(None, found)) or 0.0
    return gap == 0 or gap < _NARROW * width or (metric(key).share and gap < _NOTHING)


def _kind(report: Mapping[str, Any], pairs: Mapping[str, Pair], key: str) -> Kind:
    if _negligible(report, "local", key):
        return "level"
    direction = _direction(*means(report, "local", key), key, report)
    clear = {outcome: sum(p.apart and p.outcome == outcome for p in pairs.values()) for outcome in ("better", "worse")}
    contrary = {"better": clear["worse"], "worse": clear["better"], "same": clear["better"] + clear["worse"]}[direction]
    if contrary:
        return "mixed"
    if direction == "same":
        return "level"
    return direction if clear[direction] and clear[direction] >= _CLEAR_SHARE * sum(p.measured for p in pairs.values()) else "unclear"


def _alone(key: str, ours: float) -> str:
    m = metric(key)
    return f"On the patients kept for the final test, the federated model reaches a mean {m.name} of {m.show(ours)}."


def _lead(report: Mapping[str, Any], kind: Kind, key: str) -> str:
    m, (ours, theirs) = metric(key), means(report, "local", key)
    opening = {
        "better": "Training together helped",
        "worse": "Training together did not pay off",
        "mixed": "The picture is mixed",
        "level": "Training together made no measurable difference",
        "unclear": "Training together may have helped"
        if _direction(ours, theirs, key, report) == "better"
        else "Training together may have cost quality",
    }[kind]
    both, scored = compared(report, "local", key), [s for s in sites(report) if value(report, "federated", s, key) is not None]
    where = f" at the {plural(len(both), 'hospital')} with both" if len(both) < len(scored) else ""
    return (
        f"{opening}: on patients kept for the final test{where}, the federated model reaches a mean {m.name} of {m.show(ours)},"
        f" against {m.show(theirs)} for the models that the hospitals trained alone."
    )


def _gains(report: Mapping[str, Any], pairs: Mapping[str, Pair], kind: Kind) -> str:
    count = {o: [s for s, p in pairs.items() if p.outcome == o] for o in ("better", "worse", "same")}
    gained, total = len(count["better"]), len(pairs)
    if len(count["same"]) == total:
        return "No hospital sees a difference." if total > 1 else "The hospital sees no difference."
    if kind == "level":
        parts = (f"{word} at {len(count[word])}" for word in ("better", "worse") if count[word])
        first = f"It scores {listed(parts)} of {plural(total, 'hospital')}"
    elif total == 1:
        first = "The hospital gains" if gained else "The hospital loses"
    else:
        first = f"{gained} of {total} hospitals {'gains' if gained == 1 else 'gain'}"
        lost = [shorten(s, 40) for s in count["worse"] if len(count["worse"]) <= _MOST_NAMES]
        first += f", {listed(lost) or len(count['worse'])} {'loses' if len(count['worse']) == 1 else 'lose'}" if count["worse"] else ""
    return f"{first}{_certainty(pairs, all(few(report, site) for site in pairs))}."


def _certainty(pairs: Mapping[str, Pair], too_few: bool) -> str:
    measured = [p for p in pairs.values() if p.measured]
    touching = sum(not p.apart for p in measured)
    if not measured:
        why = "too few patients were tested for confidence intervals" if too_few else "there are no confidence intervals"
        return f"; {why}, so chance cannot be told from effect"
    if touching == 0:
        return f", and the 95 % confidence intervals do not overlap{'' if len(measured) == 1 else ' at any of them'}"
    if touching == len(measured):
        where = "" if touching == 1 else " everywhere" if touching == len(pairs) else " wherever there are any"
        return f", but the 95 % confidence intervals overlap{where}, so the difference may be chance"
    return f"; at {touching} of {len(measured)} the 95 % confidence intervals overlap, so the difference there may be chance"


def _pooled(report: Mapping[str, Any], key: str) -> tuple[str, ...]:
    pairs = compared(report, "pooled", key)
    if not pairs:
        return ()
    m, (ours, theirs) = metric(key), means(report, "pooled", key)
    share = f" ({100 * ours / theirs:.1f} % of it)" if higher(report, key) and theirs > 0 <= ours else ""
    measured, touching = sum(p.measured for p in pairs.values()), sum(p.measured and not p.apart for p in pairs.values())
    overlap = f"; the intervals overlap at {touching} of {plural(measured, 'hospital')}" if measured else ""
    gap = m.show(abs(m.gap(ours, theirs) or 0.0))
    place = {"same": "level with", "better": f"{gap} better than", "worse": f"{gap} short of"}
    found = "not measurably different from" if _negligible(report, "pooled", key) else place[_direction(ours, theirs, key, report)]
    return (f"The federated model is {found} a model trained on all images pooled in one place, at {m.show(theirs)}{share}{overlap}.",)
