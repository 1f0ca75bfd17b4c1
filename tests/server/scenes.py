"""Invented runs for the tests of the report.

Plain, masked with everything shared, with nothing shared, with some, and with void rounds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.study import study as studies
from common.study.study import Study
from server.evaluate import Scores
from server.participants import Member, Participants
from server.report import report
from server.round_record import RoundRecord

SITES = ("Aarhus", "Basel", "Coimbra", "Dresden", "Eindhoven")
COUNTS = {site: 3127 + 811 * i + 137 * i * i for i, site in enumerate(SITES)}
DICE = {site: 0.8137 + 0.0213 * i + 0.0031 * i * i for i, site in enumerate(SITES)}
LOSS = {site: 0.4719 - 0.0377 * i - 0.0029 * i * i for i, site in enumerate(SITES)}
"""What single hospitals know: training images, and the federated model's Dice and loss."""
VOID = "The sum cannot be opened: 3 hospitals are left; 4 are needed."


def study(masked: bool, rounds: int = 8, **section: Any) -> Study:
    """A small segmentation study."""
    parts = {"task": {"name": "segmentation", "classes": ["lesion"]}, "model": {"name": "unet"}}
    table = {
        "name": "Lesions",
        "description": "Outlines of lesions at five hospitals.",
        "federation": {"rounds": rounds},
    }
    return studies.parse({**table, **parts, "secure_aggregation": {"enabled": masked, **section}})


def counts(site: str) -> dict[str, int]:
    """What a hospital counts."""
    images = COUNTS[site]
    return {
        "train": images,
        "validation": images // 9,
        "test": images // 7,
        "patients": images // 11,
        "train_patients": images // 13,
        "left_out": images // 97,
    }


def roster(shared: Sequence[str], masked: bool) -> Participants:
    """Five hospitals, of which those in ``shared`` tell their own counts and metrics."""
    members = tuple(
        Member(i, s, counts(s) if s in shared else {}, tells_metrics=s in shared)
        for i, s in enumerate(SITES)
    )
    totals = {key: sum(counts(s)[key] for s in SITES) for key in counts(SITES[0])}
    return Participants(
        members, {"Ghent": "1 patient; at least 2 are needed."}, totals=totals if masked else {}
    )


def record(
    number: int,
    shared: Sequence[str],
    masked: bool,
    *,
    dropped: Sequence[str] = (),
    attempts: int = 1,
    void: str = "",
) -> RoundRecord:
    """A round as the server records it."""
    survivors = [s for s in SITES if s not in dropped]
    loss = {s: LOSS[s] + 1 / number for s in survivors}
    own_losses = {} if void else {s: v for s, v in loss.items() if s in shared}
    weight = sum(COUNTS[s] for s in survivors)
    secure = {
        "cohort": len(SITES),
        "survivors": len(survivors),
        "dropped": list(dropped),
        "attempts": attempts,
        "exchanges": 3 + 2 * (attempts - 1),
    }
    return RoundRecord(
        number,
        9.4 + number % 3,
        0.0 if void else 7.1,
        () if void else tuple(survivors),
        tuple({"site": s, "reason": "It did not answer in time."} for s in dropped),
        own_losses,
        {s: float(COUNTS[s]) for s in own_losses},
        {"up": 38_000_000, "down": 38_400_000},
        mean_loss=None if void else sum(v * COUNTS[s] for s, v in loss.items()) / weight,
        secure=secure if masked and not void else None,
        void=void,
    )


def scores(shared: Sequence[str], shift: float = 0.0) -> Scores:
    """A model on all hospitals.

    Own values of those in ``shared``, and a mean under masks if some keep theirs.
    """
    value = {s: {"dice": DICE[s] + shift, "hd95": 9.1 - 4 * DICE[s]} for s in SITES}
    every = {key: sum(v[key] for v in value.values()) / len(SITES) for key in ("dice", "hd95")}
    results = Scores(sites={s: dict(value[s]) for s in shared})
    results.intervals = {
        s: {"dice": [value[s]["dice"] - 0.012, value[s]["dice"] + 0.011]} for s in shared
    }
    if len(shared) < len(SITES):
        results.means, results.summed = dict(every), len(SITES)
    return results


def finish(
    folder: Path,
    shared: Sequence[str],
    masked: bool,
    *,
    rough: bool = False,
    compare: bool = True,
    rounds: int = 8,
    **section: Any,
) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Write a run into ``folder`` as the server does.

    Returns the report, the lines and the page as they were read back.
    """
    study_ = study(masked, rounds, **section)
    run = report.FinishedRun(folder, study_)
    for number in range(1, rounds + 1):
        trouble: dict[str, Any] = {}
        if rough and number % 4 == 3:
            trouble = {"dropped": SITES[1:2], "attempts": 1 + (number % 8 == 7)}
        elif rough and number % 4 == 0:
            trouble = {"void": VOID}
        validation = scores(shared, -0.3 / number) if number % 2 == 0 else None
        run.add(record(number, shared, masked, **trouble), 1e-3, validation)
    results = {"federated": scores(shared)}
    if compare:
        results |= {"local": scores(shared, -0.05), "pooled": scores(shared, 0.01)}
        for name in ("local", "pooled"):  # never masked: only those who share are known
            results[name].means, results[name].summed = {}, 0
    more = {
        "compute": {"device": "cpu"},
        "engine": "inline" if compare else "deployment",
        "pictures": False,
    }
    traffic = {"up": 304_000_000, "down": 307_000_000}
    content = report.assemble(
        study_, "finished", roster(shared, masked), run.rounds, results, None, 91.5, traffic, more
    )
    run.finish(content, [])
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text("utf-8").splitlines()]
    return (
        json.loads((folder / "report.json").read_text("utf-8")),
        lines,
        (folder / "report.html").read_text("utf-8"),
    )
