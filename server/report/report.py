"""What a run leaves behind.

``study.toml``, ``rounds.jsonl`` while it runs, ``report.json`` and ``report.html`` at its end or
when stopped.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from common import networks
from common.protocol.envelopes import finite_or_none
from common.protocol.sum_specs import COUNTS
from common.storage import append_log, files
from common.study import toml
from common.study.study import Study
from server import checkpoint
from server.evaluate import Scores
from server.participants import Participants
from server.report import disclosure, page
from server.round_record import RoundRecord

_PACKAGES = ("consilium", "flwr", "torch", "monai", "numpy")


class FinishedRun:
    """The folder of one run."""

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder = folder
        self.rounds: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.clear(folder)
        # An earlier run's must not stand beside this one's rounds.
        for stale in ("audit/heads.jsonl", "report.json", "report.html"):
            (folder / stale).unlink(missing_ok=True)
        (folder / "study.toml").write_text(toml.dumps(study.to_table()), "utf-8")
        (folder / "rounds.jsonl").write_text("", "utf-8")

    def add(self, record: RoundRecord, learning_rate: float, validation: Scores | None) -> None:
        """Append a round to ``rounds.jsonl``.

        The heads of the hospitals' records go to ``audit/heads.jsonl``.
        """
        line = {**dataclasses.asdict(record), "learning_rate": learning_rate}
        heads = line.pop("heads")
        if heads:
            (self.folder / "audit").mkdir(exist_ok=True)
            append_log.append(
                self.folder / "audit" / "heads.jsonl",
                {"round": record.round, "heads": heads},
                files.SHARED,
            )
        if validation is not None:
            line |= {
                "validation": validation.sites,
                "validation_mean": validation.mean(),
                "validation_hospitals": validation.hospitals,
            }
        self.rounds.append(finite_or_none(line))
        append_log.append(self.folder / "rounds.jsonl", self.rounds[-1], files.SHARED)

    def finish(self, report: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> None:
        """Write ``report.json`` and ``report.html``."""
        checkpoint.write_json(self.folder / "report.json", report)
        files.replace(
            self.folder / "report.html",
            page.render(report, self.rounds, examples).encode(),
            files.SHARED,
        )


def assemble(
    study: Study,
    status: str,
    roster: Participants,
    rounds: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Scores],
    cross: Mapping[str, Any] | None,
    seconds: float,
    traffic: Mapping[str, int],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of ``report.json`` (keys as in the outside contract, and more).

    Args:
        study: what was asked for.
        status: ``finished``, ``interrupted`` or ``failed``.
        roster: the hospitals, and those that were excluded.
        rounds: the lines of ``rounds.jsonl``.
        scores: of every model, by its name.
        cross: every model at every hospital, where that was asked for.
        seconds: that the run took.
        traffic: bytes up and down.
        environment: further entries: engine, computers, versions and the like.
    """
    task = networks.task(study)
    refused = [{"round": r["round"], **item} for r in rounds for item in r["refused"]]
    report = {
        "study": _study(study),
        "status": status,
        "rounds": len(rounds),
        "rounds_planned": study.federation.rounds,
        "seed": study.seed,
        "sites": _sites(roster),
        "totals": _totals(roster),
        "excluded": dict(roster.excluded),
        "primary": task.primary,
        "higher_is_better": dict(task.higher_is_better),
        "metrics": {name: s.to_json() for name, s in scores.items()},
        "seconds": _seconds(seconds, rounds),
        "bytes": dict(traffic),
        "refused": refused,
        "privacy": disclosure.privacy(study, roster, rounds, scores),
        "versions": _versions(),
        **environment,
    }
    if cross is not None:
        report["cross"] = cross
    cleaned: dict[str, Any] = finite_or_none(report)
    return cleaned


def _study(study: Study) -> dict[str, str]:
    return {
        "name": study.name,
        "description": study.description,
        "task": study.task.name,
        "hash": study.digest,
        "model": study.model.name,
        "strategy": study.strategy.name,
    }


def _seconds(total: float, rounds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The run's time, and how that of its rounds divides."""
    training = sum(r["training_seconds"] for r in rounds)
    in_rounds = sum(r["seconds"] for r in rounds)
    return {"total": total, "training": training, "overhead": in_rounds - training}


def _sites(roster: Participants) -> dict[str, dict[str, Any]]:
    """Every hospital's counts; empty where it keeps them to itself."""
    return {
        m.site: {**m.counts, "reasons": list(m.reasons)} if m.counts else {} for m in roster.members
    }


def _totals(roster: Participants) -> dict[str, int]:
    """Counts over all hospitals.

    From the masked sum, or added up where every hospital told its own; empty where neither is so.
    """
    if roster.totals or not all(m.counts for m in roster.members):
        return dict(roster.totals)
    return {key: sum(m.counts.get(key, 0) for m in roster.members) for key in COUNTS}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
