"""``consilium evaluate``: score a saved model on hospitals, also ones never trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import InputError
from common.protocol.envelopes import finite_or_none
from server import checkpoint, evaluate
from server.participants import grouped, join
from server.progress import Reporter
from server.transport import Transport


def score_model(transport: Transport, model: Path, split: str, quiet: bool) -> dict[str, Any]:
    """Scores of the model folder on every connected hospital.

    Args:
        split: "test" takes each hospital's own test patients, "all" every image.

    Raises:
        InputError: the model cannot be read or no hospital can score it.
    """
    study, layout, weights = checkpoint.load(model)
    with Reporter(quiet) as reporter:
        roster = join(transport, study, scoring=True)
        reporter.say(f"{study.name}: scoring {len(roster.members)} hospitals ({split})")
        scores = evaluate.score(
            transport, study, layout, weights, roster.members, {"part": split, "intervals": True}
        )
        faults = {**roster.excluded, **scores.faults}
        for site, fault in sorted(faults.items()):
            reporter.say(f"  not scored: {site}: {fault}")
    if not scores.sites:
        raise InputError("No hospital could be scored. " + grouped(faults))
    study_part = {"name": study.name, "task": study.task.name, "hash": study.digest}
    result = {
        "study": study_part,
        "model": str(model),
        "split": split,
        "metrics": scores.to_json(),
        "images": scores.images,
        "faults": faults,
    }
    cleaned: dict[str, Any] = finite_or_none(result)
    return cleaned
