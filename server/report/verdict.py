"""What the numbers of a run allow to say, in two to four plain sentences.

Nothing smaller than what is printed counts as a gain, and a mean difference that the intervals
cannot show is called not measurable. A difference is called *clear* at a hospital only if the two
95 % intervals do not touch. That is stricter than a test of the difference (Schenker and Gentleman,
The American Statistician 55, 2001), so the text may say too little, but not too much. Where
hospitals keep their own results to themselves, the text compares those that are known and says how
many are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from common.quantities import plural
from server.report.site_results import (
    Pair,
    average,
    compared,
    few,
    hidden,
    higher,
    hospitals,
    means,
    outcome,
    resampled,
    sites,
    value,
    voids,
)
from server.report.wording import listed, mean, metric, shorten, whole

COMPARE = "consilium simulate STUDY --sites DIR --compare local,pooled"
Kind = Literal["better", "worse", "mixed", "unclear", "level", "missing", "nothing"]
_MOST_NAMES = 3
_NOTHING = 0.01
"""A difference of means below this cannot be told from none if no hospital's intervals are apart, for metrics in [0, 1]."""
_NARROW = 1 / 4
"""So does one below this share of the intervals' mean half-width, for every metric."""
_CLEAR_SHARE = 1 / 3
"""Share of the hospitals with intervals at which a difference must be clear, and at none the other way, to be called an effect."""


@dataclass(frozen=True)
class Verdict:
    """The kind of result and the sentences for it, as plain text.

    ``command`` adds what was not compared, or is empty.
    """

    kind: Kind
    sentences: tuple[str, ...]
    command: str = ""


def judge(report: Mapping[str, Any]) -> Verdict:
    """The verdict on the primary metric."""
    key = str(report.get("primary", ""))
    ours = average(report, "federated", key)
    opening = _unfinished(report)
    if ours is None:
        return Verdict(
            "nothing",
            (
                *opening,
                "No test results are recorded, so nothing can be said about the model's quality.",
            ),
        )
    pairs, only_means = compared(report, "local", key), _only_means(report, "local", key)
    kind: Kind = _kind(report, pairs, key) if pairs else "unclear" if only_means else "missing"
    lead = (
        [_lead(report, kind, key), _gains(report, pairs, kind)]
        if pairs
        else [_alone(report, key, ours)]
    )
    lead += _unknown(report, key, bool(pairs))
    pooled = _pooled(report, key)
    absent = listed(
        words
        for words, there in (
            ("models trained by each hospital alone", pairs or only_means),
            ("a model trained on pooled images", pooled),
        )
        if not there
    )
    gap = (
        (f"The model was not compared with {absent}; this command adds the comparison:",)
        if absent
        else ()
    )
    return Verdict(kind, (*opening, *lead, *pooled, *gap), COMPARE if absent else "")


def _unfinished(report: Mapping[str, Any]) -> tuple[str, ...]:
    status, done, planned = (
        report.get("status"),
        whole(report.get("rounds")),
        whole(report.get("rounds_planned")),
    )
    if 0 < done <= voids(report):
        return ("No round was summed: the model is the one that the run started with.",)
    if status not in ("interrupted", "failed"):
        return ()
    verb = "was interrupted" if status == "interrupted" else "failed"
    if done == 0:
        return (f"The run {verb} before its first round was finished.",)
    return (
        (
            f"The run {verb} after {done} of {plural(planned, 'round')}, "
            "so what follows describes an unfinished model."
        ),
    )


def _negligible(report: Mapping[str, Any], other: str, key: str) -> bool:
    """Whether the means print alike, or differ by less than the results can show while no hospital's two intervals are apart."""
    ours, theirs = means(report, other, key)
    pairs, gap = compared(report, other, key), abs(metric(key).gap(ours, theirs) or 0.0)
    if any(p.apart for p in pairs.values()):
        return False
    intervals = [
        resampled(report, model, site, key) for model in ("federated", other) for site in pairs
    ]
    width = mean((high - low) / 2 for low, high in filter(None, intervals)) or 0.0
    return gap == 0 or gap < _NARROW * width or (metric(key).share and gap < _NOTHING)


def _kind(report: Mapping[str, Any], pairs: Mapping[str, Pair], key: str) -> Kind:
    if _negligible(report, "local", key):
        return "level"
    direction = outcome(*means(report, "local", key), key, report)
    clear = {
        outcome: sum(p.apart and p.outcome == outcome for p in pairs.values())
        for outcome in ("better", "worse")
    }
    contrary = {
        "better": clear["worse"],
        "worse": clear["better"],
        "same": clear["better"] + clear["worse"],
    }[direction]
    if contrary:
        return "mixed"
    if direction == "same":
        return "level"
    return (
        direction
        if clear[direction]
        and clear[direction] >= _CLEAR_SHARE * sum(p.measured for p in pairs.values())
        else "unclear"
    )


def _only_means(report: Mapping[str, Any], other: str, key: str) -> bool:
    """Whether both models have a mean and no hospital's own values are known to compare."""
    concealed = hidden(report) > 0 and hidden(report, other) > 0
    return (
        concealed and not compared(report, other, key) and average(report, other, key) is not None
    )


def _alone(report: Mapping[str, Any], key: str, ours: float) -> str:
    m, over = (
        metric(key),
        f" over {plural(hospitals(report, 'federated'), 'hospital')}" if hidden(report) else "",
    )
    words = (
        "On the patients kept for the final test, the federated model reaches a mean "
        f"{m.name} of {m.show(ours)}{over}"
    )
    if not _only_means(report, "local", key):
        return f"{words}."
    own = m.show(average(report, "local", key))
    return (
        f"{words}, against {own} over {hospitals(report, 'local')} for the models that the "
        "hospitals trained alone."
    )


def _unknown(report: Mapping[str, Any], key: str, compared_: bool) -> list[str]:
    """What cannot be said because hospitals keep their own results to themselves.

    Nothing if none does.
    """
    kept, total = hidden(report), hospitals(report, "federated")
    if not kept:
        return []
    if kept == total:
        return [
            (
                "Single hospitals' results were summed under masks, "
                "so it is not known how they differ, or what may be chance."
            )
        ]
    overall = (
        (
            f"Over all {total} hospitals the federated model's mean is "
            f"{metric(key).show(average(report, 'federated', key))}; "
        )
        if compared_
        else ""
    )
    words = (
        f"{kept} of {total} hospitals {'keeps its' if kept == 1 else 'keep their'} own "
        "results, which are known in the mean only."
    )
    return [overall + words]


def _lead(report: Mapping[str, Any], kind: Kind, key: str) -> str:
    m, (ours, theirs) = metric(key), means(report, "local", key)
    opening = {
        "better": "Training together helped",
        "worse": "Training together did not pay off",
        "mixed": "The picture is mixed",
        "level": "Training together made no measurable difference",
        "unclear": "Training together may have helped"
        if outcome(ours, theirs, key, report) == "better"
        else "Training together may have cost quality",
    }[kind]
    both, scored = (
        compared(report, "local", key),
        [s for s in sites(report) if value(report, "federated", s, key) is not None],
    )
    where = (
        f" at the {plural(len(both), 'hospital')} with both"
        if len(both) < len(scored) + hidden(report)
        else ""
    )
    return (
        f"{opening}: on patients kept for the final test{where}, "
        f"the federated model reaches a mean {m.name} of {m.show(ours)},"
        f" against {m.show(theirs)} for the models that the hospitals trained alone."
    )


def _gains(report: Mapping[str, Any], pairs: Mapping[str, Pair], kind: Kind) -> str:
    count = {
        o: [s for s, p in pairs.items() if p.outcome == o] for o in ("better", "worse", "same")
    }
    gained, total, these = len(count["better"]), len(pairs), "these " if hidden(report) else ""
    if len(count["same"]) == total:
        nobody = "None of these hospitals" if these else "No hospital"
        return f"{nobody} sees a difference." if total > 1 else "The hospital sees no difference."
    if kind == "level":
        parts = (f"{word} at {len(count[word])}" for word in ("better", "worse") if count[word])
        first = f"It scores {listed(parts)} of {these}{plural(total, 'hospital')}"
    elif total == 1:
        first = "The hospital gains" if gained else "The hospital loses"
    else:
        first = f"{gained} of {these}{total} hospitals {'gains' if gained == 1 else 'gain'}"
        lost = [shorten(s, 40) for s in count["worse"] if len(count["worse"]) <= _MOST_NAMES]
        first += (
            (
                f", {listed(lost) or len(count['worse'])} "
                f"{'loses' if len(count['worse']) == 1 else 'lose'}"
            )
            if count["worse"]
            else ""
        )
    return f"{first}{_certainty(pairs, all(few(report, site) for site in pairs))}."


def _certainty(pairs: Mapping[str, Pair], too_few: bool) -> str:
    measured = [p for p in pairs.values() if p.measured]
    touching = sum(not p.apart for p in measured)
    if not measured:
        why = (
            "too few patients were tested for confidence intervals"
            if too_few
            else "there are no confidence intervals"
        )
        return f"; {why}, so chance cannot be told from effect"
    if touching == 0:
        return (
            ", and the 95 % confidence intervals do not "
            f"overlap{'' if len(measured) == 1 else ' at any of them'}"
        )
    if touching == len(measured):
        where = (
            ""
            if touching == 1
            else " everywhere"
            if touching == len(pairs)
            else " wherever there are any"
        )
        return (
            f", but the 95 % confidence intervals overlap{where}, so the difference may be chance"
        )
    return (
        f"; at {touching} of {len(measured)} the 95 % confidence intervals overlap, "
        "so the difference there may be chance"
    )


def _pooled(report: Mapping[str, Any], key: str) -> tuple[str, ...]:
    pairs = compared(report, "pooled", key)
    if not pairs and not _only_means(report, "pooled", key):
        return ()
    m, (ours, theirs) = metric(key), means(report, "pooled", key)
    share = (
        f" ({100 * ours / theirs:.1f} % of it)"
        if higher(report, key) and theirs > 0 <= ours
        else ""
    )
    measured, touching = (
        sum(p.measured for p in pairs.values()),
        sum(p.measured and not p.apart for p in pairs.values()),
    )
    overlap = (
        f"; the intervals overlap at {touching} of {plural(measured, 'hospital')}"
        if measured
        else ""
    )
    where = (
        f" and scored at the {plural(len(pairs), 'hospital')} with both"
        if pairs and hidden(report)
        else ""
    )
    gap = m.show(abs(m.gap(ours, theirs) or 0.0))
    place = {"same": "level with", "better": f"{gap} better than", "worse": f"{gap} short of"}
    comparison = (
        "not measurably different from"
        if _negligible(report, "pooled", key)
        else place[outcome(ours, theirs, key, report)]
    )
    return (
        (
            f"The federated model is {comparison} a model trained on all images pooled in one "
            f"place{where}, at {m.show(theirs)}{share}{overlap}."
        ),
    )
