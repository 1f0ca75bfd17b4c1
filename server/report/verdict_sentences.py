"""The sentences of the verdict, one function each."""

from __future__ import annotations

from collections.abc import Mapping
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
    only_means,
    outcome,
    sites,
    value,
    voids,
)
from server.report.wording import listed, metric, shorten, whole

Kind = Literal["better", "worse", "mixed", "unclear", "level", "missing", "nothing"]
_MOST_NAMES = 3


def unfinished(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes the model less than the study asked for; nothing where the run went through."""
    status = report.get("status")
    done = whole(report.get("rounds"))
    planned = whole(report.get("rounds_planned"))
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


def alone(report: Mapping[str, Any], key: str, ours: float) -> str:
    """The federated model's mean where no hospital can be compared."""
    measure = metric(key)
    scope = f" over {plural(hospitals(report, 'federated'), 'hospital')}" if hidden(report) else ""
    sentence = (
        "On the patients kept for the final test, the federated model reaches a mean "
        f"{measure.name} of {measure.show(ours)}{scope}"
    )
    if not only_means(report, "local", key):
        return f"{sentence}."
    own = measure.show(average(report, "local", key))
    return (
        f"{sentence}, against {own} over {hospitals(report, 'local')} for the models that the "
        "hospitals trained alone."
    )


def unknown(report: Mapping[str, Any], key: str, has_pairs: bool) -> list[str]:
    """What cannot be said because hospitals keep their own results to themselves.

    Nothing if none does.
    """
    concealed = hidden(report)
    total = hospitals(report, "federated")
    if not concealed:
        return []
    if concealed == total:
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
        if has_pairs
        else ""
    )
    sentence = (
        f"{concealed} of {total} hospitals {'keeps its' if concealed == 1 else 'keep their'} own "
        "results, which are known in the mean only."
    )
    return [overall + sentence]


def lead(report: Mapping[str, Any], kind: Kind, key: str) -> str:
    """The finding and the two means that it rests on."""
    measure = metric(key)
    ours, theirs = means(report, "local", key)
    opening = {
        "better": "Training together helped",
        "worse": "Training together did not pay off",
        "mixed": "The picture is mixed",
        "level": "Training together made no measurable difference",
        "unclear": "Training together may have helped"
        if outcome(ours, theirs, key, report) == "better"
        else "Training together may have cost quality",
    }[kind]
    both = compared(report, "local", key)
    scored = [s for s in sites(report) if value(report, "federated", s, key) is not None]
    place = (
        f" at the {plural(len(both), 'hospital')} with both"
        if len(both) < len(scored) + hidden(report)
        else ""
    )
    return (
        f"{opening}: on patients kept for the final test{place}, "
        f"the federated model reaches a mean {measure.name} of {measure.show(ours)},"
        f" against {measure.show(theirs)} for the models that the hospitals trained alone."
    )


def gains(report: Mapping[str, Any], pairs: Mapping[str, Pair], kind: Kind) -> str:
    """At how many hospitals the federated model is better, and how sure that is."""
    count = {
        o: [s for s, p in pairs.items() if p.outcome == o] for o in ("better", "worse", "same")
    }
    gained = len(count["better"])
    total = len(pairs)
    determiner = "these " if hidden(report) else ""
    if len(count["same"]) == total:
        nobody = "None of these hospitals" if determiner else "No hospital"
        return f"{nobody} sees a difference." if total > 1 else "The hospital sees no difference."
    if kind == "level":
        parts = (f"{word} at {len(count[word])}" for word in ("better", "worse") if count[word])
        finding = f"It scores {listed(parts)} of {determiner}{plural(total, 'hospital')}"
    elif total == 1:
        finding = "The hospital gains" if gained else "The hospital loses"
    else:
        finding = f"{gained} of {determiner}{total} hospitals {'gains' if gained == 1 else 'gain'}"
        lost = [shorten(s, 40) for s in count["worse"] if len(count["worse"]) <= _MOST_NAMES]
        finding += (
            (
                f", {listed(lost) or len(count['worse'])} "
                f"{'loses' if len(count['worse']) == 1 else 'lose'}"
            )
            if count["worse"]
            else ""
        )
    return f"{finding}{_certainty(pairs, all(few(report, site) for site in pairs))}."


def _certainty(pairs: Mapping[str, Pair], too_few: bool) -> str:
    measured = [p for p in pairs.values() if p.measured]
    overlapping = sum(not p.apart for p in measured)
    if not measured:
        reason = (
            "too few patients were tested for confidence intervals"
            if too_few
            else "there are no confidence intervals"
        )
        return f"; {reason}, so chance cannot be told from effect"
    if overlapping == 0:
        return (
            ", and the 95 % confidence intervals do not "
            f"overlap{'' if len(measured) == 1 else ' at any of them'}"
        )
    if overlapping == len(measured):
        place = (
            ""
            if overlapping == 1
            else " everywhere"
            if overlapping == len(pairs)
            else " wherever there are any"
        )
        return (
            f", but the 95 % confidence intervals overlap{place}, so the difference may be chance"
        )
    return (
        f"; at {overlapping} of {len(measured)} the 95 % confidence intervals overlap, "
        "so the difference there may be chance"
    )


def pooled(report: Mapping[str, Any], key: str, negligible: bool) -> tuple[str, ...]:
    """The distance to a model trained on all images; nothing without one.

    Args:
        negligible: whether the results cannot show a difference.
    """
    pairs = compared(report, "pooled", key)
    if not pairs and not only_means(report, "pooled", key):
        return ()
    measure = metric(key)
    ours, theirs = means(report, "pooled", key)
    share = (
        f" ({100 * ours / theirs:.1f} % of it)"
        if higher(report, key) and theirs > 0 <= ours
        else ""
    )
    measured = sum(p.measured for p in pairs.values())
    overlapping = sum(p.measured and not p.apart for p in pairs.values())
    overlap = (
        f"; the intervals overlap at {overlapping} of {plural(measured, 'hospital')}"
        if measured
        else ""
    )
    scope = (
        f" and scored at the {plural(len(pairs), 'hospital')} with both"
        if pairs and hidden(report)
        else ""
    )
    gap = measure.show(abs(measure.gap(ours, theirs) or 0.0))
    positions = {"same": "level with", "better": f"{gap} better than", "worse": f"{gap} short of"}
    comparison = (
        "not measurably different from"
        if negligible
        else positions[outcome(ours, theirs, key, report)]
    )
    return (
        (
            f"The federated model is {comparison} a model trained on all images pooled in one "
            f"place{scope}, at {measure.show(theirs)}{share}{overlap}."
        ),
    )
