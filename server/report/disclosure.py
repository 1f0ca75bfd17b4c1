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
    private_sites = _private_sites(roster)
    sentences = {
        "sums": _sums(details),
        "collusion": _collusion(details, study.secure_aggregation.colluders),
        "shared": _shared(private_sites, len(roster.members)),
        **_subtraction(study, roster, rounds, private_sites),
        "open": _OPEN,
        **({"compared": _COMPARED} if "local" in scores or "pooled" in scores else {}),
    }
    return {
        **entry,
        "statement": " ".join(sentences.values()),
        "points": sentences,
        "details": details,
        "kept": private_sites,
    }


def _private_sites(roster: Participants) -> dict[str, list[str]]:
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
    opened = (
        f"; the smallest in this run is over {smallest}"
        if smallest is not None
        else "; in this run none was opened"
    )
    return (
        "Scans stayed in each hospital's folder; the server added up masked changes of "
        "the model, and can read only sums of them "
        f"over at least {plural(details['min_cohort'], 'hospital')}{opened}."
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
    colluding = "one hospital" if tolerated == 1 else f"up to {tolerated} hospitals"
    return (
        f"It would still hold if {colluding} of {details['hospitals']} worked together "
        "with the server: "
        "they would learn the sum of the other hospitals' changes, and no single one."
    )


def _shared(private_sites: Mapping[str, Sequence[str]], hospitals: int) -> str:
    counts, metrics = (
        _own_numbers(len(private_sites[kind]), hospitals) for kind in ("counts", "metrics")
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
    private_sites: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """What follows of hospitals that keep their numbers.

    Sums can be subtracted from each other, and what others told from sums.
    """
    sites = [m.site for m in roster.members]
    sums = [line["accepted"] for line in rounds if line.get("secure")]
    open_counts, open_metrics = (
        [site for site in sites if site not in private_sites[kind]]
        for kind in ("counts", "metrics")
    )
    # A hospital's own number is a sum over that hospital alone.
    singles = [[site] for site in open_counts]
    counted = _determined(sites, singles, private_sites["counts"])
    weight = {"patients": "training patients", "images": "training images"}.get(
        study.federation.weight
    )
    weighed = _determined(sites, [*sums, *singles], private_sites["counts"]) if weight else []
    # Metrics change with the model, so sums of different rounds cannot be subtracted.
    only_ones = {
        site
        for names in (sites, *sums)
        if len(private := set(names).difference(open_metrics)) == 1
        for site in private
    }
    parts = [
        (
            f"{subject} of "
            f"{listed(names) if len(names) <= _MOST_NAMES else plural(len(names), 'hospital')}"
        )
        for subject, names in (
            ("the numbers of patients and images", counted),
            (f"the number of {weight}", [site for site in weighed if site not in counted]),
            ("losses or metrics", sorted(only_ones)),
        )
        if names
    ]
    means = "By subtracting sums from each other, and what hospitals told from sums"
    return {"subtraction": f"{means}, the server can work out {listed(parts)}."} if parts else {}


def _determined(
    sites: Sequence[str], sums: Sequence[Sequence[str]], private_sites: Sequence[str]
) -> list[str]:
    determined = solvable(sites, sums)
    return [site for site in private_sites if site in determined]


def solvable(sites: Sequence[str], sums: Iterable[Iterable[str]]) -> set[str]:
    """Sites whose number follows from the totals over all ``sites`` and over each of ``sums``.

    A site's number is determined if its unit vector lies in the row space of the sums' indicator
    vectors, that is where the projection on that space has a one on its diagonal.
    """
    if not sites:
        return set()
    rows = {frozenset(sites), *(frozenset(names) for names in sums)}
    matrix = np.array([[site in row for site in sites] for row in rows], np.float64)
    eigenvalues, eigenvectors = np.linalg.eigh(matrix.T @ matrix)
    # Eigenvectors of an eigenvalue that is zero but for rounding are outside the row space.
    spanning = eigenvectors[:, eigenvalues > 1e-9 * max(1.0, float(eigenvalues[-1]))]
    diagonal = (spanning**2).sum(axis=1)
    return {site for site, share in zip(sites, diagonal, strict=True) if share > 1 - 1e-6}


def _own_numbers(private: int, hospitals: int) -> str:
    if private == 0:
        return "were told to the server by every hospital for itself, as its policy allows"
    if private == hospitals:
        return "left the hospitals in masked sums only"
    return (
        f"were told to the server by {hospitals - private} of {hospitals} hospitals for "
        "themselves, and left the others in masked sums only"
    )
