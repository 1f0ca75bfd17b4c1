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
from typing import Any

from server.report import verdict_sentences
from server.report.site_results import (
    Pair,
    average,
    compared,
    means,
    only_means,
    outcome,
    resampled,
)
from server.report.verdict_sentences import Kind
from server.report.wording import listed, mean, metric

COMPARE = "consilium simulate STUDY --sites DIR --compare local,pooled"
_NOTHING = 0.01
"""A difference of means below this cannot be told from none if no hospital's intervals are apart.

For metrics in [0, 1].
"""
_NARROW = 1 / 4
"""So does one below this share of the intervals' mean half-width, for every metric."""
_CLEAR_SHARE = 1 / 3
"""Share of the hospitals with intervals at which a difference must be clear to be called an effect.

It must also be clear at none the other way.
"""


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
    opening = verdict_sentences.unfinished(report)
    if ours is None:
        return Verdict(
            "nothing",
            (
                *opening,
                "No test results are recorded, so nothing can be said about the model's quality.",
            ),
        )
    pairs = compared(report, "local", key)
    summed = only_means(report, "local", key)
    kind: Kind = _kind(report, pairs, key) if pairs else "unclear" if summed else "missing"
    findings = (
        [
            verdict_sentences.lead(report, kind, key),
            verdict_sentences.gains(report, pairs, kind),
        ]
        if pairs
        else [verdict_sentences.alone(report, key, ours)]
    )
    findings += verdict_sentences.unknown(report, key, bool(pairs))
    pooled = verdict_sentences.pooled(report, key, _negligible(report, "pooled", key))
    absent = _absent(own=bool(pairs) or summed, pooled=bool(pooled))
    suggestion = (
        (f"The model was not compared with {absent}; this command adds the comparison:",)
        if absent
        else ()
    )
    return Verdict(kind, (*opening, *findings, *pooled, *suggestion), COMPARE if absent else "")


def _absent(*, own: bool, pooled: bool) -> str:
    """The models that were not compared with, in words."""
    names = [] if own else ["models trained by each hospital alone"]
    names += [] if pooled else ["a model trained on pooled images"]
    return listed(names)


def _negligible(report: Mapping[str, Any], other: str, key: str) -> bool:
    """Whether the means print alike, or differ by less than the results can show.

    Never where a hospital's two intervals are apart.
    """
    ours, theirs = means(report, other, key)
    pairs = compared(report, other, key)
    gap = abs(metric(key).gap(ours, theirs) or 0.0)
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
        way: sum(p.apart and p.outcome == way for p in pairs.values())
        for way in ("better", "worse")
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
