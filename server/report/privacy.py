"""Sections of the report for a reviewer.

What left each hospital, what the server could see of it, and how the secure sums went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.html import escape, section
from common.quantities import plural
from server.report import site_results
from server.report.markup import bullets, grid, pairs, paragraph, points
from server.report.wording import finite, listed, table, whole

Report = Mapping[str, Any]
SIMULATED = ("inline", "ray")
_MOST_ROUNDS = 40
_SUMS = {
    "True": "on: the server can read sums only",
    "False": "off: the server can read each hospital's change",
}
_UPDATES = {
    "plain": "sent as they are, not masked",
    "masked": "masked: alone, a hospital's change cannot be told from random numbers",
}
_EXPLAINED = {
    "sums": (
        "What the server can read",
        (
            "Every two hospitals agree on random masks that cancel in the sum over "
            "hospitals and nowhere else. A hospital shares masks only with "
            "those on the signed roster, and itself refuses a sum over fewer than its "
            "own policy asks for."
        ),
    ),
    "collusion": (
        "Who would have to work together",
        (
            "A sum is opened only when enough hospitals have signed the same list of "
            "those who are in it; the number is below."
        ),
    ),
    "shared": (
        "What hospitals told of themselves",
        "Each hospital's own policy decides this. The server cannot ask for more.",
    ),
    "subtraction": (
        "What several sums tell together",
        (
            "This happens where a hospital misses a sum that the others make, "
            "or is the only one that keeps its numbers. "
            "With federation.weight = “equal” the rounds' sums tell no numbers."
        ),
    ),
    "open": (
        "What is not protected",
        (
            "Whoever has the model can question it, and models remember some of what "
            "they saw. Two sums that differ by one hospital tell something of it."
        ),
    ),
    "compared": (
        "Models for comparison",
        "They need all hospitals' folders on one computer, so a real federation has none.",
    ),
}


def privacy(report: Report) -> str:
    """What left each hospital, what stayed, and which protections were on."""
    entry = table(report.get("privacy"))
    simulated = (
        "This run was a simulation: all hospitals were folders on one computer, "
        "so “left” means handed to the part that plays the server."
    )
    sentences = table(entry.get("points"))
    explained = points(
        (name, _point(sentences[key], explanation))
        for key, (name, explanation) in _EXPLAINED.items()
        if sentences.get(key)
    )
    return section(
        "privacy",
        "Privacy",
        explained or paragraph(str(entry.get("statement") or ""), "lead small"),
        paragraph("What left each hospital:"),
        bullets(_departures(report, entry)),
        paragraph(
            "Images, labels, names, patient identifiers and file names stayed where they were."
        ),
        paragraph(
            "Pictures of computed phantoms were sent for this page; no patient is in them."
            if report.get("pictures") is True
            else ""
        ),
        pairs(_protections(entry)),
        paragraph(simulated, "note") if report.get("engine") in SIMULATED else "",
    )


def _point(sentence: object, explanation: str) -> str:
    return paragraph(str(sentence)) + paragraph(explanation, "note")


def _departures(report: Report, entry: Report) -> list[str]:
    counts = "numbers of patients and images"
    metrics = "metrics and losses averaged over many images"
    if entry.get("updates") != "masked":
        return ["changes of the model's weights, after every round", counts, metrics]
    return [
        "masked changes of the model's weights, after every round",
        _masking(report, "counts", counts),
        _masking(report, "metrics", metrics),
        "the kind of computer that it trains on, and a sentence where something failed",
    ]


def _masking(report: Report, kind: str, subject: str) -> str:
    names = site_results.sites(report)
    discreet = sum(site_results.keeps(report, site, kind) for site in names)
    if discreet == 0:
        return subject
    return (
        f"{subject}, masked"
        if discreet == len(names)
        else f"{subject}, masked at {discreet} of {plural(len(names), 'hospital')}"
    )


def _protections(entry: Report) -> list[tuple[str, str]]:
    details = table(entry.get("details"))
    updates = str(entry.get("updates", "not recorded"))
    colluders = whole(details.get("colluders"))
    rows = [
        ("Model changes", _UPDATES.get(updates, updates)),
        ("Secure aggregation", _SUMS.get(str(entry.get("secure_aggregation")), "not recorded")),
    ]
    if finite(details.get("threshold")) is not None:
        rows += [
            (
                "Smallest sum allowed",
                f"over {plural(whole(details.get('min_cohort')), 'hospital')}",
            ),
            (
                "Needed to open a sum",
                (
                    f"signatures and shares of {whole(details['threshold'])} of "
                    f"{plural(whole(details.get('hospitals')), 'hospital')}"
                ),
            ),
            (
                "Reckons with",
                (
                    f"{plural(colluders, 'hospital') if colluders else 'no hospital'} working "
                    "together with the server"
                ),
            ),
            ("Masked weight", f"{whole(details.get('ring_bits'))} bits"),
        ]
    return [*rows, ("Differential privacy", _noise(entry))]


def _noise(entry: Report) -> str:
    if "differential_privacy" not in entry:
        return "not recorded"
    mechanism = entry["differential_privacy"]
    if not mechanism:
        return "off: no noise is added, so there is no formal bound on what a change reveals"
    return (
        ", ".join(f"{k} {v}" for k, v in mechanism.items())
        if isinstance(mechanism, Mapping)
        else str(mechanism)
    )


def sums(rounds: Sequence[Mapping[str, Any]]) -> str:
    """How the rounds were summed under masks.

    A round with a missing hospital, a new attempt or no result has its own line; all others share
    one.
    """
    summed = [r for r in rounds if r.get("secure") or _void(r)]
    if not summed:
        return ""
    troubled = [r for r in summed if not _is_untroubled(r)]
    rows = _untroubled(summed) + [_round(r) for r in troubled[:_MOST_ROUNDS]]
    caption = (
        "Changes of the model are added up under masks. Where a hospital is missing, "
        "the others' sum is opened; where too few are left, it is tried "
        "again with new keys; where that is too late, the round comes to nothing and the "
        "model stays as it is."
    )
    unlisted = len(troubled) - _MOST_ROUNDS
    more = f"{plural(unlisted, 'more round is', 'more rounds are')} listed in rounds.jsonl."
    heads = ["Rounds", "Hospitals in the sum", "Missing", "Attempts", "Exchanges"]
    return section(
        "sums",
        "Secure sums",
        # One row needs no total.
        grid(caption, heads, rows, [_total(summed)] if len(rows) > 1 else (), "words"),
        paragraph(more, "note") if unlisted > 0 else "",
    )


def _untroubled(summed: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """One row for all rounds in which every hospital was in the sum at once, if there are any."""
    rounds = [r for r in summed if _is_untroubled(r)]
    if not rounds:
        return []
    name = plural(len(rounds), "round")
    return [[name, "all that were asked", "none", *_attempts_and_exchanges(rounds)]]


def _total(summed: Sequence[Mapping[str, Any]]) -> list[str]:
    void = sum(bool(_void(r)) for r in summed)
    absent = len({site for r in summed for site in _dropped(r)})
    return [
        f"All {plural(len(summed), 'round')}",
        f"{void} came to nothing" if void else "every round was summed",
        plural(absent, "hospital") if absent else "none",
        *_attempts_and_exchanges(summed),
    ]


def _void(line: Mapping[str, Any]) -> str:
    """Why a round came to nothing, or empty."""
    reason = line.get("void")
    return reason if isinstance(reason, str) else ""


def _is_untroubled(line: Mapping[str, Any]) -> bool:
    attempts = whole(table(line.get("secure")).get("attempts"))
    return not _void(line) and not _dropped(line) and attempts <= 1


def _dropped(line: Mapping[str, Any]) -> list[str]:
    dropped = table(line.get("secure")).get("dropped")
    return [str(site) for site in dropped] if isinstance(dropped, (list, tuple)) else []


def _attempts_and_exchanges(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    summaries = [table(r.get("secure")) for r in rounds]
    return [str(sum(whole(s.get(key)) for s in summaries)) for key in ("attempts", "exchanges")]


def _round(line: Mapping[str, Any]) -> list[str]:
    name = f"Round {whole(line.get('round'))}"
    if _void(line):
        return [name, f'None. <small class="say">{escape(_void(line))}</small>']
    summary = table(line.get("secure"))
    return [
        name,
        f"{whole(summary.get('survivors'))} of {whole(summary.get('cohort'))}",
        escape(listed(_dropped(line))) or "none",
        *_attempts_and_exchanges([line]),
    ]
