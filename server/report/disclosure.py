"""What the server could see of single hospitals in a run, in plain words.

The part ``privacy`` of the report.

It is derived from the study, from what the hospitals' policies let them tell, and from what
happened in the rounds; nothing in it is asserted that the run does not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from common.quantities import plural
from common.secagg import terms
from common.study.study import Study
from server.participants import Participants
from server.report.wording import listed

_PLAIN = (
    "Scans stayed in each hospital's folder; model changes, "
    "image counts and metrics over many images left it. "
    "The model changes were neither masked nor noised, so whoever runs the server could "
    "inspect one hospital's change."
)
_OPEN = (
    "The sums themselves and the final model are not protected: no noise was added, "
    "so there is no formal bound on what they give away about the hospitals' patients."
)
_MOST_NAMES = 5
_COMPARED = "The models for comparison, which only a simulation trains, were not masked."


def privacy(
    study: Study, roster: Participants, rounds: Sequence[Mapping[str, Any]], scores: Container[str]
) -> dict[str, Any]:
    """The entry ``privacy`` of ``report.json``.

    Args:
        study: with its section ``secure_aggregation``.
        roster: the hospitals, with what they told of themselves.
        rounds: the lines of ``rounds.jsonl``.
        scores: names of the models that were scored; those for comparison are trained without
            masks.

    Returns:
        ``updates`` ("masked", "plain"), ``secure_aggregation``, ``differential_privacy`` (None),
        ``statement``; under masks also ``points`` (the sentences of the statement by what they are
        about), ``details`` (numbers) and ``kept`` (the hospitals that keep their own counts or
        metrics to themselves).
    """
    masked = study.secure_aggregation.enabled and all(
        line.get("secure") or line.get("void") for line in rounds
    )
    entry = {
        "updates": "masked" if masked else "plain",
        "secure_aggregation": masked,
        "differential_privacy": None,
    }
    if not masked:
        return {**entry, "statement": _PLAIN}
    details = _details(study, roster, rounds)
    discreet = _discreet(roster)
    points = {
        "sums": _sums(details),
        "collusion": _collusion(details, study.secure_aggregation.colluders),
        "shared": _shared(discreet, len(roster.members)),
        **_subtraction(study, roster, rounds, discreet),
        "open": _OPEN,
        **({"compared": _COMPARED} if "local" in scores or "pooled" in scores else {}),
    }
    return {
        **entry,
        "statement": " ".join(points.values()),
        "points": points,
        "details": details,
        "kept": discreet,
    }


def _discreet(roster: Participants) -> dict[str, list[str]]:
    counts = [m.site for m in roster.members if not m.counts]
    return {"counts": counts, "metrics": [m.site for m in roster.members if not m.tells_metrics]}


def _details(
    study: Study, roster: Participants, rounds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    section = study.secure_aggregation
    sums = [line["secure"] for line in rounds if line.get("secure")]
    largest = max((int(s["cohort"]) for s in sums), default=len(roster.members))
    missed = Counter(str(site) for s in sums for site in s["dropped"])
    return {
        "ring_bits": section.ring_bits,
        "min_cohort": section.min_cohort,
        "hospitals": largest,
        "colluders": terms.tolerated(largest, section.colluders),
        "threshold": min(terms.threshold(largest, section.colluders), largest),
        "rounds": len(sums),
        "void_rounds": [line["round"] for line in rounds if line.get("void")],
        "smallest_sum": min((int(s["survivors"]) for s in sums), default=None),
        "attempts": sum(int(s["attempts"]) for s in sums),
        "exchanges": sum(int(s["exchanges"]) for s in sums),
        "dropped": dict(sorted(missed.items())),
    }


def _sums(details: Mapping[str, Any]) -> str:
    smallest = details["smallest_sum"]
    happened = (
        f"; the smallest in this run is over {smallest}"
        if smallest is not None
        else "; in this run none was opened"
    )
    return (
        "Scans stayed in each hospital's folder; the server added up masked changes of "
        "the model, and can read only sums of them "
        f"over at least {plural(details['min_cohort'], 'hospital')}{happened}."
    )


def _collusion(details: Mapping[str, Any], colluders: int) -> str:
    """What holds for the smallest sum.

    Fewer hospitals tolerate fewer colluders, and at least two others must be left in it.
    """
    smallest = details["smallest_sum"] or details["hospitals"]
    least = max(min(terms.threshold(smallest, colluders), smallest), details["min_cohort"])
    tolerated = min(terms.tolerated(smallest, colluders), least - 2)
    if tolerated < 1:
        return (
            "This holds against a server that works alone; it is not promised against a "
            "server that works together with a hospital."
        )
    together = "one hospital" if tolerated == 1 else f"up to {tolerated} hospitals"
    return (
        f"It would still hold if {together} of {details['hospitals']} worked together "
        "with the server: "
        "they would learn the sum of the other hospitals' changes, and no single one."
    )


def _shared(discreet: Mapping[str, Sequence[str]], hospitals: int) -> str:
    counts, metrics = (
        _own_numbers(len(discreet[kind]), hospitals) for kind in ("counts", "metrics")
    )
    if counts == metrics:
        return f"Numbers of patients and images, and losses and metrics over many images, {counts}."
    return (
        f"Numbers of patients and images {counts}; losses and metrics over many images {metrics}."
    )


def _subtraction(
    study: Study,
    roster: Participants,
    rounds: Sequence[Mapping[str, Any]],
    discreet: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """What follows of hospitals that keep their numbers.

    Sums can be subtracted from each other, and what others told from sums.
    """
    sites = [m.site for m in roster.members]
    sums = [line["accepted"] for line in rounds if line.get("secure")]
    counts, metrics = (
        {site for site in sites if site not in discreet[kind]} for kind in ("counts", "metrics")
    )
    counted = _keepers(sites, [[site] for site in counts], discreet["counts"])
    weight = {"patients": "training patients", "images": "training images"}.get(
        study.federation.weight
    )
    weighed = (
        _keepers(sites, [*sums, *([site] for site in counts)], discreet["counts"]) if weight else []
    )
    lone = {
        site
        for names in (sites, *sums)
        if len(hidden := set(names) - metrics) == 1
        for site in hidden
    }
    parts = [
        (
            f"{subject} of "
            f"{listed(names) if len(names) <= _MOST_NAMES else plural(len(names), 'hospital')}"
        )
        for subject, names in (
            ("the numbers of patients and images", counted),
            (f"the number of {weight}", [site for site in weighed if site not in counted]),
            ("losses or metrics", sorted(lone)),
        )
        if names
    ]
    how = "By subtracting sums from each other, and what hospitals told from sums"
    return {"subtraction": f"{how}, the server can work out {listed(parts)}."} if parts else {}


def _keepers(
    sites: Sequence[str], sums: Sequence[Sequence[str]], discreet: Sequence[str]
) -> list[str]:
    solved = solvable(sites, sums)
    return [site for site in discreet if site in solved]


def solvable(sites: Sequence[str], sums: Iterable[Iterable[str]]) -> set[str]:
    """Sites whose number follows from the totals over all ``sites`` and over each of ``sums``.

    A site's number is determined if its unit vector lies in the row space of the sums' indicator
    vectors, that is where the projection on that space has a one on its diagonal.
    """
    if not sites:
        return set()
    rows = {frozenset(sites), *(frozenset(names) for names in sums)}
    matrix = np.array([[site in row for site in sites] for row in rows], np.float64)
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    spanning = vectors[:, values > 1e-9 * max(1.0, float(values[-1]))]
    inside = (spanning**2).sum(axis=1)
    return {site for site, share in zip(sites, inside, strict=True) if share > 1 - 1e-6}


def _own_numbers(discreet: int, hospitals: int) -> str:
    if discreet == 0:
        return "were told to the server by every hospital for itself, as its policy allows"
    if discreet == hospitals:
        return "left the hospitals in masked sums only"
    return (
        f"were told to the server by {hospitals - discreet} of {hospitals} hospitals for "
        "themselves, and left the others in masked sums only"
    )
